// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <infiniband/verbs.h>

#include <functional>
#include <memory>
#include <vector>

#include "common/core/executor.h"
#include "common/rdma/domain.h"
#include "common/verbs/device.h"
#include "common/verbs/handle.h"
#include "common/verbs/worker.h"

namespace weft::verbs {

// Thread: its reactor's; the pinning runs on the worker.
class Domain final : public rdma::Domain, private DeviceUser {
  public:
    // REQUIRES: `executor` and `worker` outlive it.
    [[nodiscard]] static Result<std::unique_ptr<rdma::Domain>> create(std::shared_ptr<Device> device,
                                                                      Executor& executor, Worker& worker);
    Domain(const Domain&) = delete;
    Domain& operator=(const Domain&) = delete;
    // Waits for a registration that is being made, and undoes it.
    ~Domain() override;

    void register_memory(std::byte* base, std::size_t length, rdma::Access access,
                         rdma::RegistrationDone done) override;
    void when_device_lost(std::function<void()> lost) override;

    [[nodiscard]] ibv_pd& handle() const { return *handle_; }
    [[nodiscard]] const std::shared_ptr<Device>& device() const { return device_; }

  private:
    struct Job;

    Domain(std::shared_ptr<Device> device, ProtectionDomain handle, Executor& executor, Worker& worker);
    void on_registered(const std::shared_ptr<Job>& job);
    void on_device_lost() override;
    void report_loss();

    Executor& executor_;
    Worker& worker_;
    const std::shared_ptr<Device> device_;
    ProtectionDomain handle_;
    std::vector<std::shared_ptr<Job>> jobs_;
    std::function<void()> lost_;
    TimerCall<Domain, &Domain::report_loss> loss_{*this};
};

}  // namespace weft::verbs
