// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <vector>

#include "target/srp/command.h"

namespace weft::target {

// The commands of a channel that were not answered yet, by tag. A hash table whose entries are the commands.
class TagTable {
  public:
    explicit TagTable(std::size_t commands) : buckets_(std::bit_ceil(commands * 2), nullptr) {}

    [[nodiscard]] Command* find(const srp::Tag& tag) const {
        Command* command = buckets_[bucket(tag)];
        while (command != nullptr && command->tag() != tag) command = command->next_in_bucket_;
        return command;
    }
    // REQUIRES: find(command.tag()) == nullptr
    void insert(Command& command) {
        Command*& head = buckets_[bucket(command.tag())];
        command.next_in_bucket_ = head;
        head = &command;
    }
    void remove(Command& command) {  // no-op if it is not there
        for (Command** link = &buckets_[bucket(command.tag())]; *link != nullptr;
             link = &(*link)->next_in_bucket_) {
            if (*link != &command) continue;
            *link = command.next_in_bucket_;
            command.next_in_bucket_ = nullptr;
            return;
        }
    }

  private:
    [[nodiscard]] std::size_t bucket(const srp::Tag& tag) const {
        const std::uint64_t mixed = tag.value() * 0x9E3779B97F4A7C15U;  // peers' tags differ in few bits
        return static_cast<std::size_t>(mixed >> 32U) & (buckets_.size() - 1);
    }
    std::vector<Command*> buckets_;
};

}  // namespace weft::target
