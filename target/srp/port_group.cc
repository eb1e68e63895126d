// SPDX-License-Identifier: Apache-2.0
#include "target/srp/port_group.h"

#include <cstring>
#include <utility>

#include "common/core/check.h"
#include "common/srp/login.h"
#include "target/srp/port.h"

namespace weft::target {

namespace {

// The finalizer of splitmix64: every bit of the result depends on every bit of the argument. Port identifiers
// of one site differ in a few bits only.
std::uint64_t mix(std::uint64_t value) {
    value = (value ^ value >> 30U) * 0xBF58476D1CE4E5B9U;
    value = (value ^ value >> 27U) * 0x94D049BB133111EBU;
    return value ^ value >> 31U;
}

}  // namespace

std::size_t PortGroup::home_of(const srp::PortId& initiator, std::size_t count) {
    WEFT_CHECK(count > 0);
    std::uint64_t hash = 0;
    for (std::size_t at = 0; at < initiator.size(); at += sizeof hash) {
        std::uint64_t word = 0;
        static_assert(sizeof(srp::PortId) % sizeof word == 0);
        for (std::size_t i = 0; i < sizeof word; ++i)  // the same on every machine
            word = word << 8U | static_cast<std::uint64_t>(initiator[at + i]);
        hash = mix(hash ^ word);
    }
    return static_cast<std::size_t>(hash % count);
}

void PortGroup::on_request(std::unique_ptr<rdma::ConnectionRequest> request) {
    // One that cannot be understood is refused by whoever gets it.
    const auto login = srp::decode_login_request(request->private_data());
    Port& home = *parts_[login ? home_of(login->initiator_port, parts_.size()) : 0];
    parts_.front()->executor().check_current();
    if (&home == parts_.front()) {
        home.on_request(std::move(request));
        return;
    }
    request->release();
    // Mail is copied.
    auto released = std::make_shared<std::unique_ptr<rdma::ConnectionRequest>>(std::move(request));
    home.executor().post([&home, released] {
        home.fabric().take_over(**released);
        home.on_request(std::move(*released));
    });
}

std::size_t PortGroup::tell_others(const Port& self, const std::function<void(Port&)>& call) {
    for (Port* part : parts_)
        if (part != &self) part->executor().post([part, call] { call(*part); });
    return parts_.size() - 1;
}

bool PortGroup::take_place(std::uint32_t nexuses_max) {
    if (nexuses_.fetch_add(1, std::memory_order_relaxed) < nexuses_max) return true;
    give_place();
    return false;
}

}  // namespace weft::target
