// SPDX-License-Identifier: Apache-2.0
// The work requests of one queue (send or receive) that have not come back, oldest first.
#pragma once

#include <cstdint>
#include <vector>

#include "common/core/check.h"
#include "common/rdma/work.h"

namespace weft::verbs {

// A queue finishes its work in order, so one completion retires its entry and every unsignalled one
// before it. The newest entries may not have reached the device yet ("held"). Allocates once.
class WorkRing {
  public:
    struct Entry {
        rdma::WorkId id = 0;
        rdma::Opcode opcode = rdma::Opcode::send;
        bool signaled = true;
    };

    explicit WorkRing(std::uint32_t depth) : entries_(depth) {}

    [[nodiscard]] std::uint32_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] bool full() const { return size_ == depth(); }
    [[nodiscard]] std::uint32_t posted() const { return size_ - held_; }
    [[nodiscard]] std::uint32_t held() const { return held_; }

    // Adds a held entry; returns its index. REQUIRES: !full()
    std::uint32_t push(const Entry& entry) {
        WEFT_CHECK(!full());
        const std::uint32_t index = wrap(head_ + size_);
        entries_[index] = entry;
        ++size_;
        ++held_;
        return index;
    }
    // The oldest `count` held entries are the device's now.
    void mark_posted(std::uint32_t count) {
        WEFT_CHECK(count <= held_);
        held_ -= count;
    }
    // The device is gone: whatever it had it will not give back.
    void hold_all() { held_ = size_; }

    // Whether the device may report this index.
    [[nodiscard]] bool is_posted(std::uint32_t index) const {
        if (index >= depth()) return false;
        return wrap(index + depth() - head_) < posted();
    }
    [[nodiscard]] std::uint32_t front_index() const { return head_; }
    // Removes the oldest entry. REQUIRES: !empty()
    Entry pop() {
        WEFT_CHECK(!empty());
        const Entry entry = entries_[head_];
        head_ = wrap(head_ + 1);
        --size_;
        if (held_ > size_) held_ = size_;
        return entry;
    }

  private:
    [[nodiscard]] std::uint32_t depth() const { return static_cast<std::uint32_t>(entries_.size()); }
    [[nodiscard]] std::uint32_t wrap(std::uint32_t index) const {
        return index >= depth() ? index - depth() : index;
    }

    std::vector<Entry> entries_;
    std::uint32_t head_ = 0;
    std::uint32_t size_ = 0;
    std::uint32_t held_ = 0;
};

}  // namespace weft::verbs
