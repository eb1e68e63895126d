// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <string>

#include "common/verbs/cm_fabric.h"
#include "common/verbs/event_channel.h"

namespace weft::verbs {

class Connection;

class ConnectionRequest final : public rdma::ConnectionRequest, private CmEventTarget {
  public:
    // Takes the identity out of `event`.
    ConnectionRequest(CmFabric& fabric, CmEvent& event);
    ConnectionRequest(const ConnectionRequest&) = delete;
    ConnectionRequest& operator=(const ConnectionRequest&) = delete;
    ~ConnectionRequest() override;

    [[nodiscard]] std::span<const std::byte> private_data() const override { return data_; }
    [[nodiscard]] std::string peer() const override { return peer_; }
    [[nodiscard]] std::string local() const override { return local_; }
    [[nodiscard]] std::string device() const override { return device_; }
    [[nodiscard]] std::uint8_t peer_responder_resources() const override { return peer_serves_; }
    [[nodiscard]] std::uint8_t peer_initiator_depth() const override { return peer_wants_; }

    [[nodiscard]] Result<std::unique_ptr<rdma::Connection>> create_connection(
        rdma::Domain& domain, const rdma::Parameters& parameters, rdma::ConnectionHandler& handler) override;
    [[nodiscard]] Result<void> accept(std::span<const std::byte> private_data) override;
    void reject(std::span<const std::byte> private_data) override;
    void release() override;
    // Ends what release() began, on the thread of `fabric`: only that may write to its event channel.
    void arrive(CmFabric& fabric);

    [[nodiscard]] const rdma_cm_id* id() const { return id_.get(); }
    void forget_connection() { connection_ = nullptr; }

  private:
    struct Transit;

    void on_cm_event(CmEvent& event) override;
    void on_lost(rdma_cm_event_type event);

    CmFabric* fabric_;
    std::shared_ptr<Transit> transit_;  // between two fabrics; it has the identity then
    CmId id_;                           // null once answered or lost
    std::string lost_;
    std::array<std::byte, rdma::kRequestDataBytes> data_{};
    const std::string peer_;
    const std::string local_;
    const std::string device_;
    const std::uint8_t peer_serves_;
    const std::uint8_t peer_wants_;
    Connection* connection_ = nullptr;
};

}  // namespace weft::verbs
