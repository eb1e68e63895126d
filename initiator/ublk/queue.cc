// SPDX-License-Identifier: Apache-2.0
#include "initiator/ublk/queue.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/core/check.h"
#include "common/core/log.h"
#include "initiator/ublk/descriptor.h"

namespace weft::ublk {

// Operation: what the ring completes. IoRequest: what the tree completes. Never both at once.
class Queue::Tag final : public block::IoRequest, public uring::Operation {
  public:
    void bind(Queue& queue, std::uint16_t number) {
        queue_ = &queue;
        number_ = number;
        done = [](block::IoRequest& io) {
            Tag& tag = static_cast<Tag&>(io);
            tag.queue_->on_served(tag);
        };
    }
    void complete(std::int32_t result, std::uint32_t) override { queue_->on_fetched(*this, result); }

  private:
    friend class Queue;
    Queue* queue_ = nullptr;
    std::uint16_t number_ = 0;
    TagState state_ = TagState::idle;
    Instant arrived_{};
};

bool may_follow(TagState from, TagState to) {
    using enum TagState;
    switch (from) {
        case idle: return to == kernel;
        case kernel: return to == tree || to == parked || to == gone || to == kernel;  // answered at once
        case tree: return to == kernel;
        case parked: return to == kernel || to == tree;
        case gone: return false;
    }
    WEFT_UNREACHABLE("TagState");
}

std::uint64_t QueueShape::memory_bytes() const {
    return std::uint64_t{depth} * (io_bytes_max + scratch_bytes);
}

Result<std::unique_ptr<Queue>> Queue::create(block::BlockDevice& root, RegionDirectory& regions,
                                             const QueueShape& shape, std::string name) {
    WEFT_CHECK(shape.depth >= 1 && shape.depth <= abi::kQueueDepthMax);
    WEFT_CHECK(shape.io_bytes_max >= 4096 && shape.io_bytes_max % 4096 == 0);
    WEFT_CHECK(shape.scratch_bytes % 16 == 0);
    auto buffers = Slab::allocate(std::size_t{shape.depth} * shape.io_bytes_max);
    if (!buffers) return Failure(std::move(buffers).error());
    Slab scratch;
    if (shape.scratch_bytes > 0) {
        auto allocated = Slab::allocate(shape.depth * shape.scratch_bytes);
        if (!allocated) return Failure(std::move(allocated).error());
        scratch = std::move(*allocated);
    }
    return std::unique_ptr<Queue>(
        new Queue(root, regions, shape, std::move(name), std::move(*buffers), std::move(scratch)));
}

Queue::Queue(block::BlockDevice& root, RegionDirectory& regions, const QueueShape& shape, std::string name,
             Slab buffers, Slab scratch)
    : root_(root),
      regions_(regions),
      shape_(shape),
      name_(std::move(name)),
      buffers_(std::move(buffers)),
      scratch_(std::move(scratch)),
      tags_(std::make_unique<Tag[]>(shape.depth)) {
    for (std::uint16_t number = 0; number < shape_.depth; ++number) {
        Tag& tag = tags_[number];
        tag.bind(*this, number);
        tag.data.base = buffers_.data() + std::size_t{number} * shape_.io_bytes_max;
        if (shape_.scratch_bytes > 0) tag.scratch = scratch_.data() + number * shape_.scratch_bytes;
    }
    counts_[static_cast<std::size_t>(TagState::idle)] = shape_.depth;
}

Queue::~Queue() {
    WEFT_CHECK(drained());
    if (region_ != kNoRegion) regions_.remove(region_);
}

void Queue::register_memory() {
    root_.executor().check_current();
    WEFT_CHECK(region_ == kNoRegion && root_.scratch_bytes() <= shape_.scratch_bytes);
    region_ = regions_.add(buffers_.data(), buffers_.size());
    for (std::uint16_t number = 0; number < shape_.depth; ++number) tags_[number].data.region = region_;
}

void Queue::fetch_all(QueuePort& port, std::span<const abi::IoDescriptor> descriptors) {
    root_.executor().check_current();
    WEFT_CHECK(region_ != kNoRegion && port_ == nullptr && descriptors.size() >= shape_.depth);
    port_ = &port;
    descriptors_ = descriptors;
    for (std::uint16_t number = 0; number < shape_.depth; ++number) issue(tags_[number], abi::kFetch, 0);
}

void Queue::set_intake(Intake intake) {
    root_.executor().check_current();
    intake_ = intake;
    if (intake == Intake::park) return;
    for (std::uint16_t number = 0; number < shape_.depth; ++number)
        if (tags_[number].state_ == TagState::parked) take(tags_[number]);
}

Duration Queue::oldest_held() const {
    Duration oldest{0};
    const Instant now = root_.executor().now();
    for (std::uint16_t number = 0; number < shape_.depth; ++number)
        if (tags_[number].state_ == TagState::tree) oldest = std::max(oldest, now - tags_[number].arrived_);
    return oldest;
}

void Queue::on_fetched(Tag& tag, std::int32_t result) {
    WEFT_CHECK(tag.state_ == TagState::kernel);
    if (result == 0) {
        ++counters_.requests;
        tag.arrived_ = root_.executor().now();
        if (intake_ == Intake::park)
            enter(tag, TagState::parked);
        else
            take(tag);
        return;
    }
    enter(tag, TagState::gone);
    if (result == -ENODEV) return;  // the device goes, or changes servers
    if (failure_ == 0) {
        failure_ = result < 0 ? -result : EPROTO;
        log::error("{}: ublk answered {} to the fetch of tag {}; it serves no more", name_, result,
                   tag.number_);
    }
}

// A request that has arrived, or was parked.
void Queue::take(Tag& tag) {
    if (intake_ == Intake::refuse) {
        ++counters_.refused;
        commit(tag, -EIO);
        return;
    }
    const std::uint32_t block_size = root_.geometry().block_size;
    const int code = decode(descriptors_[tag.number_], block_size, shape_.io_bytes_max, tag);
    if (code != 0) {
        if (counters_.unknown++ == 0)
            log::warn("{}: ublk sent an operation that weft does not know ({:#x}, {} sectors at {})", name_,
                      descriptors_[tag.number_].operation_and_flags, descriptors_[tag.number_].sectors,
                      descriptors_[tag.number_].first_sector);
        commit(tag, -code);
        return;
    }
    enter(tag, TagState::tree);
    root_.submit(tag);
}

void Queue::on_served(Tag& tag) {
    WEFT_CHECK(tag.state_ == TagState::tree);
    commit(tag, result_of(tag));
}

void Queue::commit(Tag& tag, std::int32_t result) {
    if (result < 0)
        ++counters_.errors;
    else
        counters_.bytes += static_cast<std::uint64_t>(result);
    issue(tag, abi::kCommitAndFetch, result);
}

void Queue::issue(Tag& tag, std::uint32_t opcode, std::int32_t result) {
    enter(tag, TagState::kernel);
    abi::IoCommand command;
    command.tag = tag.number_;
    command.result = result;
    command.address = reinterpret_cast<std::uint64_t>(tag.data.base);
    port_->issue(tag, opcode, command);
}

void Queue::enter(Tag& tag, TagState state) {
    WEFT_CHECK(may_follow(tag.state_, state));
    --counts_[static_cast<std::size_t>(tag.state_)];
    ++counts_[static_cast<std::size_t>(state)];
    tag.state_ = state;
}

}  // namespace weft::ublk
