// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/core/intrusive_list.h"
#include "common/core/result.h"
#include "common/reactor/reactor.h"
#include "common/verbs/completion_queue.h"
#include "common/verbs/fabric.h"
#include "common/verbs/handle.h"

namespace weft::verbs {

class QueuePair;

// What stands on a device beside its queue pairs and must go before it can.
class DeviceUser : public ListNode {
  public:
    virtual void on_device_lost() = 0;

  protected:
    ~DeviceUser() = default;
};

// One RDMA device as one reactor uses it: a context of its own (so that its asynchronous events come to this
// reactor), its completion queues and the table of its queue pairs.
// Owner: shared by the fabric and everything that stands on the device; closed with the last of them.
// Thread: its reactor's.
class Device final : private reactor::Sleeper::Watch, private CompletionDispatch {
  public:
    struct Place {  // of a queue pair
        std::uint16_t slot = 0;
        std::uint16_t generation = 0;
    };

    // `cm_context`: librdmacm's context of the same device.
    [[nodiscard]] static Result<std::shared_ptr<Device>> open(ibv_context& cm_context,
                                                              reactor::Sleeper& sleeper,
                                                              const Options& options, Counters& counters);
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;
    ~Device() override;

    [[nodiscard]] ibv_context& context() const { return *context_; }
    [[nodiscard]] const char* path() const { return context_->device->dev_path; }  // in sysfs
    [[nodiscard]] std::string name() const { return ibv_get_device_name(context_->device); }
    [[nodiscard]] const ibv_device_attr& attributes() const { return attributes_; }
    // The most RDMA READs a connection may have in flight or serve.
    [[nodiscard]] std::uint8_t reads_max() const;

    // A completion queue with `count` entries set aside; CompletionQueue::release() gives them back.
    [[nodiscard]] Result<CompletionQueue*> reserve_completions(std::uint32_t count);
    [[nodiscard]] Result<Place> add(QueuePair& queue_pair);
    void remove(const Place& place);
    void add(DeviceUser& user) { users_.push_back(user); }
    void remove(DeviceUser& user) { users_.remove(user); }

    bool poll();
    [[nodiscard]] bool arm();

    // False once the device was removed or failed, or its completion queues did.
    [[nodiscard]] bool usable() const { return usable_; }
    // Ends every connection on the device; idempotent.
    void on_removed();
    // Whether the kernel still shows the device. A driver that cannot take a device away from its users
    // (soft-RoCE) waits for them without a word to them.
    [[nodiscard]] bool still_present() const;

  private:
    struct Slot {
        QueuePair* queue_pair = nullptr;
        std::uint16_t generation = 0;
    };

    Device(DeviceContext context, const ibv_device_attr& attributes, reactor::Sleeper& sleeper,
           const Options& options, Counters& counters);
    void on_readable() override;
    void on_event(ibv_event_type type, std::uintptr_t subject, int port);
    void on_entry(const ibv_wc& entry) override;

    reactor::Sleeper& sleeper_;
    const Options options_;
    Counters& counters_;
    DeviceContext context_;
    const ibv_device_attr attributes_;
    std::vector<std::unique_ptr<CompletionQueue>> completion_queues_;
    std::vector<Slot> slots_;
    std::vector<std::uint16_t> free_slots_;
    IntrusiveList<DeviceUser> users_;
    bool usable_ = true;
};

// Fails, with what to do about it, unless there is an RDMA device (named `name` unless ""), and the kernel's
// verbs and RDMA/CM can be reached.
[[nodiscard]] Result<void> check_devices(const std::string& name);

}  // namespace weft::verbs
