// SPDX-License-Identifier: Apache-2.0
// An I_T nexus: everything one initiator port has at this target port. What it knows (rights, unit
// attentions) outlives its channels for a grace time; its memory is its own, in a protection domain of its
// own on each RDMA device.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/core/executor.h"
#include "common/core/slab.h"
#include "common/rdma/connection.h"
#include "common/srp/login.h"
#include "target/srp/buffer_pool.h"
#include "target/srp/lun_map.h"
#include "target/srp/nexus_domain.h"
#include "target/srp/port.h"
#include "target/srp/status.h"

namespace weft::target {

class Channel;

// Owner: the port. Thread: the reactor's. REQUIRES: idle() when destroyed.
class Nexus {
  public:
    // Aborts of commands that were not seen yet, remembered at once.
    static constexpr std::size_t kAbortsAheadMax = 256;
    // How long a command may still be under way on a channel that its initiator gave up.
    static constexpr Duration kAbortsAheadAge = 30s;

    [[nodiscard]] static Result<std::unique_ptr<Nexus>> create(Port& port, const srp::PortId& initiator,
                                                               std::vector<Export> exports);
    Nexus(const Nexus&) = delete;
    Nexus& operator=(const Nexus&) = delete;
    ~Nexus();

    // A login that was found correct. The channel answers the request, with a response or a reject.
    void log_in(std::unique_ptr<rdma::ConnectionRequest> request, const srp::LoginRequest& login);
    void terminate(const std::string& why);  // every channel
    // Whether a login of this kind may add a channel. Channels that drain do not count, unless they pile up.
    [[nodiscard]] bool has_room(srp::MultiChannelAction action) const;

    // --- For its channels ---
    [[nodiscard]] Port& port() { return port_; }
    [[nodiscard]] BufferPool& pool() { return pool_; }
    [[nodiscard]] LunMap& luns() { return luns_; }
    [[nodiscard]] const Region& buffers() const { return buffers_; }
    // The channel is about to be accepted: does to the others what the login asks for, and tells the
    // channel's generation.
    struct Admission {
        std::uint64_t generation = 0;
        srp::MultiChannelResult result = srp::MultiChannelResult::none_existed;
    };
    Admission admit(Channel& channel, srp::MultiChannelAction action);
    // Counts the logins that ended older channels.
    [[nodiscard]] std::uint64_t generation() const { return generation_; }
    // Whether commands of a channel of this generation may be executed: nothing of an older one may still
    // touch a medium (architecture.md, invariant 3).
    [[nodiscard]] bool open_for(std::uint64_t generation) const;
    // An ABORT TASK on `channel` named a command that no channel has. It may still be on its way on another,
    // older channel, which its initiator has lost: it will be answered TASK ABORTED there. False: no room to
    // remember.
    [[nodiscard]] bool abort_ahead(const srp::Tag& tag, const Channel& channel);
    [[nodiscard]] bool was_aborted_ahead(const srp::Tag& tag, const Channel& channel);
    void on_command_ended(Channel& channel);
    void on_channel_closed(Channel& channel);

    template <class Visit>
    void for_each_channel(Visit visit) {
        for (const auto& channel : channels_) visit(*channel);
    }

    [[nodiscard]] const srp::PortId& initiator() const { return initiator_; }
    [[nodiscard]] std::string name() const;
    [[nodiscard]] bool idle() const { return channels_.empty() && pool_.quiet() && !reap_.pending(); }
    [[nodiscard]] Instant idle_since() const { return idle_since_; }
    [[nodiscard]] std::size_t channels() const { return channels_.size(); }
    [[nodiscard]] NexusStatus status() const;

  private:
    Nexus(Port& port, const srp::PortId& initiator, std::vector<Export> exports, Slab slab);
    [[nodiscard]] Result<NexusDomain*> domain_for(const rdma::ConnectionRequest& request);
    void drop_lost_domains();  // those that no channel stands on any more
    void reap();
    void on_grace_over();

    struct AbortAhead {
        srp::Tag tag;
        std::uint64_t channel = 0;  // that it came on
        std::uint64_t before = 0;   // channels younger than this one are not meant
        Instant since{};
    };

    Port& port_;
    const srp::PortId initiator_;
    Slab slab_;
    const Region buffers_;
    BufferPool pool_;
    LunMap luns_;
    std::vector<std::unique_ptr<NexusDomain>> domains_;  // before the channels: destroyed after them
    std::vector<std::unique_ptr<Channel>> channels_;
    std::uint64_t generation_ = 0;
    std::uint64_t logins_ = 0;
    Instant idle_since_{};
    Counters past_;  // of channels that are gone
    std::vector<AbortAhead> aborts_ahead_;
    DeferredCall<Nexus, &Nexus::reap> reap_{*this};
    TimerCall<Nexus, &Nexus::on_grace_over> grace_{*this};
};

}  // namespace weft::target
