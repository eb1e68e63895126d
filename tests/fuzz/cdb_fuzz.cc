// SPDX-License-Identifier: Apache-2.0
// Any bytes as a SCSI command. Byte 0: how it comes (bit 0 immediate data, 1 read-only, 2 thick volume, 3
// absent unit, 4 unit attention pending, 5 withdrawn at once); bytes 1-2: room for data-in; 3-18: the CDB;
// the rest: data-out. The same bytes go through every decoder of what a target answers.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "common/lun/absent_unit.h"
#include "common/lun/logical_unit.h"
#include "common/scsi/designator.h"
#include "common/scsi/mode.h"
#include "common/scsi/vpd.h"
#include "tests/support/manual_executor.h"

namespace weft {
namespace {

constexpr std::size_t kHeaderBytes = 19;
constexpr std::uint32_t kBlocks = 64;

class Disk final : public block::BlockDevice {
  public:
    Disk(Executor& executor, bool thin) : BlockDevice(executor), content_(std::size_t{kBlocks} * 512) {
        geometry_ = {
            .block_size = 512, .physical_block_size = 512, .blocks = kBlocks, .volatile_cache = true};
        geometry_.discard_granularity = thin ? 1 : 0;
        geometry_.discard_zeroes = thin;
        geometry_.write_zeroes = thin;
    }
    [[nodiscard]] const block::Geometry& geometry() const override { return geometry_; }
    [[nodiscard]] std::size_t scratch_bytes() const override { return 0; }

  private:
    void do_submit(block::IoRequest& io) override {
        std::byte* at = content_.data() + io.lba * 512;
        if (io.op == block::IoOp::read) std::memcpy(io.data.base, at, io.data.length);
        if (io.op == block::IoOp::write) std::memcpy(at, io.data.base, io.data.length);
        complete(io, block::IoStatus::ok);
    }
    block::Geometry geometry_;
    std::vector<std::byte> content_;
};

// Answers every move and checks that it stays inside the initiator's buffers.
class Mover final : public lun::DataMover {
  public:
    Segment borrow(lun::Task&, std::uint32_t least, std::uint32_t most) override {
        const std::uint32_t length = std::max(least, std::min(most, 2048U));
        lent_.push_back(std::make_unique<std::byte[]>(length));
        return {lent_.back().get(), length, kNoRegion};
    }
    void give_back(lun::Task&, Segment buffer) override {
        std::erase_if(lent_, [&](const auto& memory) { return memory.get() == buffer.base; });
    }
    void fetch(lun::Task& task, std::uint32_t token, std::uint64_t offset, Segment into) override {
        WEFT_CHECK(offset + into.length <= data_out.size() && !task.aborted());
        std::memcpy(into.base, data_out.data() + offset, into.length);
        moves_.push_back({false, token});
    }
    void deliver(lun::Task& task, std::uint32_t token, std::uint64_t offset, Segment from) override {
        WEFT_CHECK(offset + from.length <= data_in.size() && !task.aborted());
        std::memcpy(data_in.data() + offset, from.base, from.length);
        moves_.push_back({true, token});
    }
    [[nodiscard]] bool reaches(RegionId) const override { return false; }
    void finished(lun::Task& task) override {
        WEFT_CHECK(++finished_times == 1);
        WEFT_CHECK(task.data_in_done <= data_in.size() && task.data_out_done <= data_out.size());
        WEFT_CHECK((task.sense.length != 0) == (task.status == scsi::Status::check_condition));
    }
    void answer(lun::Task& task) {
        while (!moves_.empty()) {
            const auto [in, token] = moves_.front();
            moves_.pop_front();
            if (in)
                task.on_delivered(token, true);
            else
                task.on_fetched(token, true);
        }
    }
    [[nodiscard]] bool idle() const { return moves_.empty(); }
    [[nodiscard]] bool all_back() const { return lent_.empty(); }

    std::vector<std::byte> data_in;
    std::vector<std::byte> data_out;
    int finished_times = 0;

  private:
    struct Move {
        bool in;
        std::uint32_t token;
    };
    std::deque<Move> moves_;
    std::vector<std::unique_ptr<std::byte[]>> lent_;
};

struct Inventory final : lun::LunInventory {
    [[nodiscard]] std::span<const scsi::Lun> luns() const override { return list; }
    std::vector<scsi::Lun> list = {{.number = 0}, {.number = 256}};
};

void execute(std::span<const std::byte> input) {
    const auto how = std::to_integer<unsigned>(input[0]);
    test::ManualExecutor executor;
    Disk disk(executor, (how & 4U) == 0);
    lun::LogicalUnit unit(disk, {.uuid = Uuid::from_name("fuzz", "unit"), .name = "fuzz", .target_port = {}});
    lun::AbsentUnit absent(executor);
    Inventory inventory;
    lun::NexusUnit nexus(inventory);
    nexus.read_only = (how & 2U) != 0;
    if ((how & 16U) != 0) nexus.raise(lun::NexusUnit::Attention::luns_changed);

    Mover mover;
    mover.data_in.resize(std::to_integer<std::size_t>(input[1]) << 8U |
                         std::to_integer<std::size_t>(input[2]));
    const auto rest = input.subspan(kHeaderBytes);
    mover.data_out.assign(rest.begin(), rest.end());
    std::vector<std::byte> cdb(input.begin() + 3, input.begin() + kHeaderBytes);
    std::vector<std::byte> parameter(lun::Task::kParameterBytes);

    lun::Task task(mover);
    task.cdb = cdb;
    task.parameter = parameter;
    task.data_in_length = mover.data_in.size();
    task.data_out_length = mover.data_out.size();
    if ((how & 1U) != 0 && !mover.data_out.empty())
        task.immediate = {mover.data_out.data(), static_cast<std::uint32_t>(mover.data_out.size()),
                          kNoRegion};
    if ((how & 8U) != 0)
        absent.execute(task, inventory, (how & 4U) != 0);
    else
        unit.execute(task, nexus);
    if ((how & 32U) != 0) task.abort();
    do {
        mover.answer(task);
        executor.run();
    } while (!mover.idle());
    WEFT_CHECK(mover.finished_times == 1 && task.quiet() && mover.all_back());
    WEFT_CHECK(task.aborted() == ((how & 32U) != 0));
}

void decode(std::span<const std::byte> bytes) {
    static_cast<void>(scsi::decode_inquiry_data(bytes));
    static_cast<void>(scsi::decode_supported_pages(bytes));
    static_cast<void>(scsi::decode_serial_number(bytes));
    static_cast<void>(scsi::decode_block_limits(bytes));
    static_cast<void>(scsi::decode_characteristics(bytes));
    static_cast<void>(scsi::decode_provisioning(bytes));
    static_cast<void>(scsi::decode_capacity_10(bytes));
    static_cast<void>(scsi::decode_capacity_16(bytes));
    static_cast<void>(scsi::decode_report_luns_list(bytes));
    static_cast<void>(scsi::decode_mode(bytes, false));
    static_cast<void>(scsi::decode_mode(bytes, true));
    if (const auto designators = scsi::decode_identification(bytes))
        static_cast<void>(scsi::find_weft_volume(*designators));
    if (const auto sense = scsi::decode_sense(bytes)) {
        const auto again = scsi::encode_sense(*sense, scsi::SenseFormat::descriptor);
        WEFT_CHECK(scsi::decode_sense(again.span()) == sense);
        static_cast<void>(scsi::judge(scsi::Status::check_condition, sense));
    }
}

}  // namespace
}  // namespace weft

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const auto input = std::as_bytes(std::span(bytes, size));
    weft::decode(input);
    if (size >= weft::kHeaderBytes) weft::execute(input);
    return 0;
}
