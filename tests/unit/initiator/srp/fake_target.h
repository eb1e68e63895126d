// SPDX-License-Identifier: Apache-2.0
// A small SRP target on the simulated fabric whose every habit can be set: stock or weft, slow, forgetful,
// wrong. It keeps an oracle of its medium: each write names its version, and no version may land after a
// newer one.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/core/uuid.h"
#include "common/scsi/cdb.h"
#include "common/scsi/sense.h"
#include "common/scsi/vpd.h"
#include "common/srp/command.h"
#include "common/srp/login.h"
#include "common/srp/response.h"
#include "common/srp/task_management.h"
#include "tests/sim/sim_fabric.h"

namespace weft::test {

struct Habits {
    // Login
    bool weft = true;  // answers the extension, fences, finds tags of other channels
    bool immediate = true;
    std::int32_t request_limit = 32;
    std::optional<srp::RejectReason> reject;  // every login
    bool reject_extension = false;
    bool malformed_login = false;
    // Traffic
    Duration backend_min{5us};
    Duration backend_max{200us};
    bool mute = false;          // takes commands and never answers
    bool mute_tasks = false;    // the same for task management
    bool keep_credits = false;  // responses return no credit
    bool garbage = false;       // the next response is cut short
    bool refuse_reset = false;
    bool refuse_abort = false;
    std::deque<scsi::Sense> senses;     // for the next media commands
    std::deque<scsi::Status> statuses;  // the same, without sense
    std::uint32_t short_by = 0;         // reads move so much less
    // The unit
    std::uint32_t lun = 0;
    std::string name = "tank";  // empty: a stock disk
    Uuid uuid = Uuid::from_name("test", "tank");
    std::uint64_t blocks = 4096;
    std::uint32_t block_size = 512;
    bool write_cache = true;
    scsi::Epoch epoch;  // weft's own target only
    bool fua = true;
    bool has_unit = true;
    std::uint32_t unmap_max = 64;
    std::uint32_t write_same_max = 100;
};

// The medium is an oracle. It outlives the targets that serve it. Versions are the first 8 bytes of each
// block.
struct Medium {
    std::vector<std::byte> bytes;
    std::map<std::uint64_t, std::uint64_t> landed;  // lba -> newest version
    std::uint64_t ghosts = 0;                       // older versions that landed after newer ones

    void land(sim::World& world, std::uint64_t lba, std::span<const std::byte> data, std::size_t block);
};

class FakeTarget final : public rdma::ListenerHandler {
  public:
    FakeTarget(sim::World& world, sim::Node& node, sim::SimFabric& fabric, Habits& habits, Medium& medium);
    ~FakeTarget() override;

    [[nodiscard]] Result<void> listen(std::uint16_t port);

    void disconnect_all();
    void disconnect(std::size_t channel);
    void send_to_all(std::span<const std::byte> iu);  // one IU on every live channel

    // --- What was seen ---
    std::vector<Instant> attempts;  // when a login was asked for, whatever became of it
    std::uint64_t logins = 0;
    std::uint64_t single_logins = 0;
    std::uint64_t commands = 0;
    std::uint64_t flushes = 0;
    std::uint64_t fua_writes = 0;
    std::uint64_t aborts = 0;
    std::uint64_t aborts_of_others = 0;
    std::uint64_t resets = 0;
    std::uint64_t immediate_writes = 0;
    std::uint64_t answers = 0;  // CRED_RSP, AER_RSP
    std::uint64_t ndob = 0;
    std::vector<std::uint8_t> opcodes;
    [[nodiscard]] std::size_t live_channels() const;
    [[nodiscard]] std::size_t busy() const { return tasks_.size(); }

  private:
    class Channel;
    struct Task {
        srp::Tag tag;
        std::uint64_t order = 0;
        Channel* channel = nullptr;  // null: gone
        std::uint64_t generation = 0;
        srp::Lun lun{};
        scsi::Cdb cdb{};
        srp::MemoryDescriptor remote;
        std::uint32_t in_length = 0;
        std::uint32_t out_length = 0;
        std::vector<std::byte> data;
        std::size_t slot = 0;
        bool started = false;  // with the back end
        bool aborted = false;
    };
    using TaskPtr = std::shared_ptr<Task>;

    void on_request(std::unique_ptr<rdma::ConnectionRequest> request) override;
    void submit(const TaskPtr& task);
    void start_waiting();
    void execute(const TaskPtr& task);
    void media(const TaskPtr& task);
    void answer(const TaskPtr& task, std::vector<std::byte> in, scsi::Status status = scsi::Status::good,
                const std::optional<scsi::Sense>& sense = std::nullopt);
    std::optional<std::vector<std::byte>> inquire(const scsi::Cdb& cdb);
    void over(const TaskPtr& task);
    void manage(Channel& channel, const srp::TaskManagement& request);
    void on_gone(Channel& channel);
    void reap();

    sim::World& world_;
    sim::Node& node_;
    sim::SimFabric& fabric_;
    Habits& habits_;
    Medium& medium_;
    std::unique_ptr<rdma::Listener> listener_;
    std::vector<std::unique_ptr<Channel>> channels_;
    std::vector<TaskPtr> tasks_;   // taken and not over
    std::deque<TaskPtr> waiting_;  // behind the fence
    std::set<std::uint64_t> aborted_ahead_;
    std::vector<std::function<bool()>> watchers_;  // task management that waits; true: done
    std::uint64_t generation_ = 0;
    std::uint64_t next_order_ = 1;
};

}  // namespace weft::test
