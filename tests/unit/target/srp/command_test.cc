// SPDX-License-Identifier: Apache-2.0
// Commands from the wire to the medium and back.
#include "common/block/null_device.h"
#include "common/scsi/opcode.h"
#include "tests/unit/target/srp/target_world.h"

namespace weft::test {
namespace {

using Commands = TargetWorld;
constexpr auto kGood = static_cast<std::uint8_t>(scsi::Status::good);
constexpr auto kCheck = static_cast<std::uint8_t>(scsi::Status::check_condition);

TEST_F(Commands, inquiry_with_underflow) {
    ScriptedInitiator& peer = logged_in();
    send_in(peer, 7, kDiskLun, scsi::encode_inquiry(254), 0, 254);
    const auto* answer = wait_for(peer, 7);
    ASSERT_NE(answer, nullptr);
    EXPECT_EQ(answer->status, kGood);
    EXPECT_EQ(answer->data_in.kind, srp::Residual::Kind::under);
    EXPECT_EQ(answer->data_in.bytes, 254U - 96U);
    EXPECT_EQ(peer.data[0], std::byte{0});
    EXPECT_EQ(peer.data[4], std::byte{91});
    EXPECT_EQ(answer->delta, 1);
}

TEST_F(Commands, a_buffer_too_small_is_told) {
    ScriptedInitiator& peer = logged_in();
    std::fill_n(peer.data.begin(), 4 * kBlock, std::byte{0xEE});
    send_in(peer, 7, kDiskLun, scsi::encode_read(0, 3), 0, 2 * kBlock);
    const auto* answer = wait_for(peer, 7);
    ASSERT_NE(answer, nullptr);
    EXPECT_EQ(answer->status, kGood);
    EXPECT_EQ(answer->data_in.kind, srp::Residual::Kind::over);
    EXPECT_EQ(answer->data_in.bytes, kBlock);
    EXPECT_EQ(peer.data[2 * kBlock], std::byte{0xEE});
    send_in(peer, 8, kDiskLun, scsi::encode_inquiry(96), 0, 36);
    EXPECT_EQ(wait_for(peer, 8)->data_in.kind, srp::Residual::Kind::over);
    EXPECT_EQ(wait_for(peer, 8)->data_in.bytes, 60U);
}

TEST_F(Commands, lun_without_unit) {
    ScriptedInitiator& peer = logged_in();
    send_in(peer, 1, 3, scsi::encode_inquiry(36), 0, 36);
    EXPECT_EQ(wait_for(peer, 1)->status, kGood);
    EXPECT_EQ(peer.data[0], std::byte{0x7F});
    send_in(peer, 2, 3, scsi::encode_test_unit_ready(), 0, 0);
    const auto* answer = wait_for(peer, 2);
    EXPECT_EQ(answer->status, kCheck);
    ASSERT_EQ(answer->sense.size(), 18U);
    EXPECT_EQ(answer->sense[12], std::byte{0x25});
}

TEST_F(Commands, report_luns_lists_what_the_initiator_sees) {
    ScriptedInitiator& peer = logged_in();
    send_in(peer, 1, kDiskLun, scsi::encode_report_luns(64), 0, 64);
    const auto* answer = wait_for(peer, 1);
    EXPECT_EQ(answer->status, kGood);
    EXPECT_EQ(peer.data[3], std::byte{16});
    EXPECT_EQ(peer.data[9], std::byte{0});
    EXPECT_EQ(peer.data[17], std::byte{5});
}

TEST_F(Commands, write_and_read_directly) {
    ScriptedInitiator& peer = logged_in();
    fill(peer, 0, 64 * kBlock, 3);
    write(peer, 1, 100, 64, 0);
    EXPECT_EQ(wait_for(peer, 1)->status, kGood);
    EXPECT_EQ(std::memcmp(disk.bytes.data() + 100 * kBlock, peer.data.data(), 64 * kBlock), 0);
    read(peer, 2, 100, 64, 1U << 20U);
    EXPECT_EQ(wait_for(peer, 2)->status, kGood);
    EXPECT_EQ(std::memcmp(peer.data.data() + (1U << 20U), peer.data.data(), 64 * kBlock), 0);
    const auto counters = port->status().counters;
    EXPECT_EQ(counters.commands, 2U);
    EXPECT_EQ(counters.bytes_out, 64U * kBlock);
    EXPECT_EQ(counters.bytes_in, 64U * kBlock);
}

TEST_F(Commands, memory_volume_is_read_without_a_copy) {
    std::vector<rdma::LocalBuffer> written;  // what RDMA WRITEs of the target take their data from
    target_fabric.on_post_send = [&](const rdma::SendWork& work) {
        if (work.opcode == rdma::Opcode::write)
            written.insert(written.end(), work.buffers.begin(), work.buffers.begin() + work.buffer_count);
    };
    const auto in_the_volume = [&](const rdma::LocalBuffer& buffer) {
        return buffer.address >= store->base() &&
               buffer.address + buffer.length <= store->base() + store->bytes();
    };
    ScriptedInitiator& peer = logged_in();
    for (std::size_t i = 0; i < 4096; ++i) store->base()[8192 + i] = static_cast<std::byte>(i % 251);
    world.run_for(10ms);  // registration of the volume
    send_in(peer, 1, kMemoryLun, scsi::encode_read(16, 8), 0, 4096);
    EXPECT_EQ(wait_for(peer, 1)->status, kGood);
    EXPECT_EQ(std::memcmp(peer.data.data(), store->base() + 8192, 4096), 0);
    ASSERT_EQ(written.size(), 1U);
    EXPECT_EQ(written[0].address, store->base() + 8192);
    EXPECT_EQ(written[0].length, 4096U);
    written.clear();
    send_in(peer, 2, kMemoryLun, scsi::encode_read(0, 1000), 0, 512000);  // more than one piece
    EXPECT_EQ(wait_for(peer, 2)->status, kGood);
    std::size_t bytes = 0;
    for (const auto& buffer : written) {
        EXPECT_TRUE(in_the_volume(buffer));
        bytes += buffer.length;
    }
    EXPECT_EQ(bytes, 512000U);
    EXPECT_TRUE(run_until([&] { return port->status().nexuses[0].buffer_bytes_lent == 0; }));
    written.clear();
    read(peer, 3, 16, 8, 0);  // of the other volume: out of a buffer
    EXPECT_EQ(wait_for(peer, 3)->status, kGood);
    ASSERT_EQ(written.size(), 1U);
    EXPECT_FALSE(in_the_volume(written[0]));
    target_fabric.on_post_send = nullptr;
}

// Buffers go from one command to the next as they are: a null volume may not show what they held.
class NullVolume : public TargetWorld {
  protected:
    static constexpr std::uint32_t kNullLun = 7;
    std::vector<target::Export> visible_to(const srp::PortId&) override {
        return {{.number = kDiskLun, .unit = disk_unit.get(), .read_only = false},
                {.number = kNullLun, .unit = &unit_, .read_only = false}};
    }

    block::NullDevice null_{target_node,
                            {.block_size = kBlock, .physical_block_size = kBlock, .blocks = 8192}};
    lun::LogicalUnit unit_{null_, lun::Identity{.name = "null"}};
};

TEST_F(NullVolume, reads_zeroes_out_of_a_used_buffer) {
    ScriptedInitiator& peer = logged_in();
    constexpr std::uint32_t kBlocks = 256;  // of 512: eight of these fill the buffers of the nexus
    constexpr std::size_t kBytes = kBlocks * kBlock;
    fill(peer, 0, kBytes, 1);
    disk.hold = true;
    for (std::uint64_t tag = 1; tag <= 8; ++tag) write(peer, tag, (tag - 1) * kBlocks, kBlocks, 0);
    world.run_for(100ms);
    EXPECT_EQ(port->status().nexuses[0].buffer_bytes_lent, settings.nexus_buffer_bytes);
    disk.hold = false;
    disk.release_all();
    for (std::uint64_t tag = 1; tag <= 8; ++tag) EXPECT_EQ(wait_for(peer, tag)->status, kGood);
    std::fill_n(peer.data.begin(), 2 * kBytes, std::byte{0xEE});
    send_in(peer, 20, kNullLun, scsi::encode_read(3, kBlocks), 0, kBytes);
    EXPECT_EQ(wait_for(peer, 20)->status, kGood);
    EXPECT_EQ(std::count(peer.data.begin(), peer.data.begin() + kBytes, std::byte{0}),
              static_cast<std::ptrdiff_t>(kBytes));
    EXPECT_EQ(peer.data[kBytes], std::byte{0xEE});
}

// Descriptors of odd lengths at odd places, all in the IU.
TEST_F(Commands, indirect_descriptors) {
    ScriptedInitiator& peer = logged_in();
    fill(peer, 0, 8192, 9);
    const std::vector<srp::MemoryDescriptor> pieces{peer.at(1, 1000), peer.at(2000, 0), peer.at(3000, 3096)};
    const srp::BufferContent buffer{
        .format = srp::BufferFormat::indirect,
        .length = 4096,
        .descriptors = pieces,
        .table = {.address = 0x1234, .rkey = 99, .length = 48}};  // unused: everything is in the IU
    peer.send(
        srp::CommandContent{.tag = srp::Tag::of(1), .cdb = scsi::encode_write(8, 8), .data_out = buffer});
    EXPECT_EQ(wait_for(peer, 1)->status, kGood);
    EXPECT_EQ(std::memcmp(disk.bytes.data() + 8 * kBlock, peer.data.data() + 1, 1000), 0);
    EXPECT_EQ(std::memcmp(disk.bytes.data() + 8 * kBlock + 1000, peer.data.data() + 3000, 3096), 0);

    const std::vector<std::byte> before(peer.data.begin(), peer.data.begin() + 8192);
    std::fill(peer.data.begin(), peer.data.begin() + 8192, std::byte{0xEE});
    peer.send(srp::CommandContent{.tag = srp::Tag::of(2), .cdb = scsi::encode_read(8, 8), .data_in = buffer});
    EXPECT_EQ(wait_for(peer, 2)->status, kGood);
    EXPECT_EQ(std::memcmp(peer.data.data() + 1, before.data() + 1, 1000), 0);
    EXPECT_EQ(std::memcmp(peer.data.data() + 3000, before.data() + 3000, 3096), 0);
    EXPECT_EQ(peer.data[0], std::byte{0xEE});
    EXPECT_EQ(peer.data[1001], std::byte{0xEE});
    EXPECT_EQ(peer.data[3000 + 3096], std::byte{0xEE});
}

// More descriptors than send queue entries, read from the initiator's memory first.
TEST_F(Commands, external_descriptor_table) {
    ScriptedInitiator& peer = logged_in();
    constexpr std::size_t kPieces = 1024;
    constexpr std::uint32_t kPieceBytes = 128;
    const std::size_t table_at = 1U << 20U;
    std::vector<srp::MemoryDescriptor> pieces;
    for (std::size_t i = 0; i < kPieces; ++i) pieces.push_back(peer.at(i * 200, kPieceBytes));
    srp::encode_descriptors(std::span(peer.data).subspan(table_at), pieces);
    fill(peer, 0, kPieces * 200, 5);
    const srp::BufferContent buffer{.format = srp::BufferFormat::indirect,
                                    .length = kPieces * kPieceBytes,
                                    .descriptors = std::span(pieces).first(3),
                                    .table = peer.at(table_at, kPieces * 16)};
    peer.send(
        srp::CommandContent{.tag = srp::Tag::of(1), .cdb = scsi::encode_write(0, 256), .data_out = buffer});
    EXPECT_EQ(wait_for(peer, 1)->status, kGood);
    for (std::size_t i = 0; i < kPieces; ++i)
        ASSERT_EQ(std::memcmp(disk.bytes.data() + i * kPieceBytes, peer.data.data() + i * 200, kPieceBytes),
                  0)
            << i;
    std::fill(peer.data.begin(), peer.data.begin() + kPieces * 200, std::byte{0});
    peer.send(
        srp::CommandContent{.tag = srp::Tag::of(2), .cdb = scsi::encode_read(0, 256), .data_in = buffer});
    EXPECT_EQ(wait_for(peer, 2)->status, kGood);
    for (std::size_t i = 0; i < kPieces; ++i)
        ASSERT_EQ(std::memcmp(disk.bytes.data() + i * kPieceBytes, peer.data.data() + i * 200, kPieceBytes),
                  0)
            << i;
    EXPECT_TRUE(run_until([&] { return port->status().nexuses[0].buffer_bytes_lent == 0; }));
}

TEST_F(Commands, immediate_data) {
    ScriptedInitiator& peer = logged_in();
    std::vector<std::byte> data(8192);
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 3);
    const scsi::Cdb cdb = scsi::encode_write(32, 16);
    const srp::CommandContent content{.tag = srp::Tag::of(1),
                                      .cdb = cdb,
                                      .data_out = {.format = srp::BufferFormat::immediate, .length = 8192},
                                      .immediate_offset = 68};
    std::vector<std::byte> iu(srp::encoded_bytes(content));
    srp::encode(iu, content);
    iu.insert(iu.end(), data.begin(), data.end());
    ASSERT_EQ(iu.size(), 8260U);
    peer.send(iu);
    EXPECT_EQ(wait_for(peer, 1)->status, kGood);
    EXPECT_EQ(std::memcmp(disk.bytes.data() + 32 * kBlock, data.data(), data.size()), 0);
}

TEST_F(Commands, read_only_initiator) {
    ScriptedInitiator& peer = logged_in(login_request("reader"));
    write(peer, 1, 0, 1, 0);
    const auto* answer = wait_for(peer, 1);
    EXPECT_EQ(answer->status, kCheck);
    EXPECT_EQ(answer->sense[12], std::byte{0x27});
    EXPECT_TRUE(disk.log.empty());
    EXPECT_EQ(answer->data_out.kind, srp::Residual::Kind::under);
}

TEST_F(Commands, medium_error_becomes_sense) {
    ScriptedInitiator& peer = logged_in();
    disk.status = block::IoStatus::medium_error;
    read(peer, 1, 4, 1, 0);
    const auto* answer = wait_for(peer, 1);
    EXPECT_EQ(answer->status, kCheck);
    ASSERT_GE(answer->sense.size(), 18U);
    EXPECT_EQ(answer->sense[2], std::byte{3});
    EXPECT_EQ(port->status().counters.check_conditions, 1U);
}

// A nexus whose buffers hold a quarter of what is asked for at once: everything gets its turn.
TEST_F(Commands, buffers_are_waited_for_in_turn) {
    ScriptedInitiator& peer = logged_in();
    fill(peer, 0, 1U << 20U, 1);
    std::memcpy(disk.bytes.data(), peer.data.data(), 1U << 20U);
    disk.hold = true;
    for (std::uint64_t tag = 1; tag <= 15; ++tag)
        read(peer, tag, (tag - 1) * 128, 512, (tag - 1) * (128U << 10U));
    ASSERT_TRUE(run_until([&] { return disk.held() > 0; }));
    world.run_for(10ms);
    bool waits = false;
    const auto status = port->status();
    for (const auto& wait : status.nexuses[0].waits)
        waits = waits || wait.reason.find("buffer") != std::string::npos;
    EXPECT_TRUE(waits);
    disk.hold = false;
    disk.release_all();
    for (std::uint64_t tag = 1; tag <= 15; ++tag) {
        EXPECT_EQ(wait_for(peer, tag)->status, kGood);
    }
    EXPECT_TRUE(run_until([&] { return port->status().nexuses[0].buffer_bytes_lent == 0; }));
}

// Random reads and writes at full depth against a plain array.
TEST_F(Commands, many_at_once_keep_the_data_and_the_credits) {
    ScriptedInitiator& peer = logged_in();
    std::vector<std::byte> model(disk.bytes.size());
    constexpr std::size_t kSlots = 15;
    constexpr std::size_t kSlotBytes = 64 * kBlock;
    struct Slot {
        std::uint64_t tag = 0;
        bool write = false;
        std::uint64_t lba = 0;
        std::uint32_t blocks = 0;
    };
    std::array<Slot, kSlots> slots;
    std::uint64_t next_tag = 1;
    std::size_t done = 0;
    while (done < 2000) {
        for (std::size_t i = 0; i < kSlots; ++i) {
            Slot& slot = slots[i];
            if (slot.tag != 0) {
                const auto* answer = peer.answer_to(slot.tag);
                if (answer == nullptr) continue;
                ASSERT_EQ(answer->status, kGood);
                if (!slot.write) {
                    ASSERT_EQ(std::memcmp(peer.data.data() + i * kSlotBytes, model.data() + slot.lba * kBlock,
                                          slot.blocks * kBlock),
                              0);
                }
                slot.tag = 0;
                ++done;
            }
            // Each slot has its own part of the disk, so that the model knows the order.
            slot.lba = i * 500 + world.random().below(400);
            slot.blocks = static_cast<std::uint32_t>(world.random().between(1, 64));
            slot.write = world.random().chance(0.5);
            slot.tag = next_tag++;
            ASSERT_GT(peer.credits--, 0);
            if (slot.write) {
                fill(peer, i * kSlotBytes, slot.blocks * kBlock, static_cast<unsigned>(slot.tag));
                std::memcpy(model.data() + slot.lba * kBlock, peer.data.data() + i * kSlotBytes,
                            slot.blocks * kBlock);
                write(peer, slot.tag, slot.lba, slot.blocks, i * kSlotBytes);
            } else {
                read(peer, slot.tag, slot.lba, slot.blocks, i * kSlotBytes);
            }
        }
        peer.answers.erase(
            peer.answers.begin(),
            peer.answers.begin() + static_cast<std::ptrdiff_t>(peer.answers.size() > 200 ? 100 : 0));
        ASSERT_TRUE(world.step());
        ASSERT_EQ(peer.state, ScriptedInitiator::State::live) << world.recent();
    }
    ASSERT_TRUE(run_until([&] { return peer.credits == 16; }));
    EXPECT_TRUE(run_until([&] { return port->status().nexuses[0].buffer_bytes_lent == 0; }));
    EXPECT_EQ(port->status().nexuses[0].channels[0].granted, 16U);
}

}  // namespace
}  // namespace weft::test
