// SPDX-License-Identifier: Apache-2.0
#include "initiator/srp/unit_probe.h"

#include <algorithm>
#include <utility>

#include "common/scsi/capacity.h"
#include "common/scsi/designator.h"
#include "common/scsi/inquiry.h"
#include "common/scsi/lun.h"
#include "common/scsi/mode.h"
#include "common/scsi/vpd.h"

namespace weft::initiator {

namespace {

constexpr std::uint32_t kAttemptsMax = 20;
constexpr Duration kRetryDelay = 100ms;
constexpr std::uint16_t kPageBytes = scsi::kVpdBytesMax;
constexpr std::uint8_t kModeBytes = 192;

}  // namespace

// --- Question ---

Question::Question(Session& session, SessionUser& user, std::function<void()> answered)
    : session_(session), answered_(std::move(answered)) {
    command_.question = this;
    command_.user = &user;
    command_.direction = Direction::in;
    command_.done = [](Command& command) { static_cast<Asked&>(command).question->on_done(); };
}

Question::~Question() {
    session_.executor().cancel(retry_timer_);
    WEFT_CHECK(command_.state() == CommandState::idle);
}

void Question::ask(const srp::Lun& lun, const scsi::Cdb& cdb, std::uint32_t length) {
    WEFT_CHECK(!asking_);
    asking_ = true;
    refused_ = false;
    attempts_ = 0;
    problem_.clear();
    buffer_ = session_.parameter_buffer();
    WEFT_CHECK(length > 0 && length <= buffer_.length);
    buffer_.length = length;
    command_.lun = lun;
    command_.cdb = cdb;
    command_.data = buffer_;
    send();
}

void Question::send() {
    // A short answer must not show what an earlier one left behind.
    std::fill_n(buffer_.base, buffer_.length, std::byte{0});
    session_.submit(command_);
}

void Question::on_done() {
    switch (command_.outcome) {
        case Outcome::resend: send(); return;  // waits in the session until it is live
        case Outcome::withdrawn: end("the session was stopped"); return;
        case Outcome::unregistered: end("no memory could be registered with the RDMA device"); return;
        case Outcome::timed_out: again(false, "it does not answer"); return;
        case Outcome::answered: break;
    }
    const auto sense = scsi::decode_sense(command_.sense.span());
    const scsi::Verdict verdict = scsi::judge(command_.status, sense);
    if (verdict.status == block::IoStatus::ok) {
        end("");
        return;
    }
    const std::string why = "it answers " + std::string(block::to_string(verdict.status));
    if (verdict.retry != scsi::Retry::no)
        again(verdict.retry == scsi::Retry::later, why);
    else
        end(why, sense && sense->key == scsi::SenseKey::illegal_request);
}

void Question::again(bool later, const std::string& why) {
    if (++attempts_ >= kAttemptsMax)
        end(why);
    else if (later)
        session_.executor().start(retry_timer_, kRetryDelay);
    else
        send();
}

void Question::end(std::string problem, bool refused) {
    session_.executor().cancel(retry_timer_);
    problem_ = std::move(problem);
    refused_ = refused;
    asking_ = false;
    answered_();
}

std::span<const std::byte> Question::reply() const {
    WEFT_CHECK(good() && !asking_);
    return {buffer_.base, buffer_.length - std::min(command_.residual, buffer_.length)};
}

// --- UnitProbe ---

UnitProbe::UnitProbe(Session& session, SessionUser& user)
    : question_(session, user, [this] { on_answered(); }) {}

void UnitProbe::start(std::uint32_t number, Done done) {
    WEFT_CHECK(!busy());
    done_ = std::move(done);
    unit_ = RemoteUnit{};
    unit_.number = number;
    unit_.lun = scsi::encode_lun({.number = static_cast<std::uint16_t>(number)});
    pages_.clear();
    thin_ = false;
    thin_zeroes_ = false;
    unmap_extents_max_ = 0;
    transfer_max_ = 0;
    write_same_unmap_ = false;
    ask(Step::inquiry);
}

void UnitProbe::ask(Step step) {
    step_ = step;
    const auto page = [this](std::uint8_t code) {
        question_.ask(unit_.lun, scsi::encode_inquiry_vpd(code, kPageBytes), kPageBytes);
    };
    switch (step) {
        case Step::inquiry:
            question_.ask(unit_.lun, scsi::encode_inquiry(scsi::kInquiryBytes), scsi::kInquiryBytes);
            return;
        case Step::pages: page(scsi::kVpdSupportedPages); return;
        case Step::serial: page(scsi::kVpdSerialNumber); return;
        case Step::identification: page(scsi::kVpdIdentification); return;
        case Step::limits: page(scsi::kVpdBlockLimits); return;
        case Step::characteristics: page(scsi::kVpdCharacteristics); return;
        case Step::provisioning: page(scsi::kVpdProvisioning); return;
        case Step::epoch: page(scsi::kVpdEpoch); return;
        case Step::capacity_16:
            question_.ask(unit_.lun, scsi::encode_read_capacity_16(scsi::kCapacity16Bytes),
                          scsi::kCapacity16Bytes);
            return;
        case Step::capacity_10:
            question_.ask(unit_.lun, scsi::encode_read_capacity_10(), scsi::kCapacity10Bytes);
            return;
        case Step::mode:
            question_.ask(unit_.lun, scsi::encode_mode_sense_6(scsi::kModePageCaching, 0, kModeBytes),
                          kModeBytes);
            return;
    }
    WEFT_UNREACHABLE("Step");
}

bool UnitProbe::has_page(std::uint8_t page) const {
    return std::find(pages_.begin(), pages_.end(), page) != pages_.end();
}

// The next of the pages that the unit said it has; then its capacity.
void UnitProbe::next_page() {
    static constexpr std::pair<Step, std::uint8_t> kOrder[] = {
        {Step::serial, scsi::kVpdSerialNumber},       {Step::identification, scsi::kVpdIdentification},
        {Step::limits, scsi::kVpdBlockLimits},        {Step::characteristics, scsi::kVpdCharacteristics},
        {Step::provisioning, scsi::kVpdProvisioning}, {Step::epoch, scsi::kVpdEpoch},
    };
    for (const auto& [step, page] : kOrder) {
        if (step > step_ && has_page(page)) {
            ask(step);
            return;
        }
    }
    ask(Step::capacity_16);
}

void UnitProbe::on_answered() {
    // A unit may lack any page; then what it would say keeps its cautious default.
    if (!question_.good() && (!question_.refused() || step_ == Step::inquiry || step_ == Step::capacity_10)) {
        fail_with(question_.problem());
        return;
    }
    const std::span<const std::byte> reply =
        question_.good() ? question_.reply() : std::span<const std::byte>{};
    switch (step_) {
        case Step::inquiry: {
            const auto inquiry = scsi::decode_inquiry_data(reply);
            if (!inquiry || inquiry->peripheral != scsi::kPeripheralDisk) {
                fail_with("it is not a disk");
                return;
            }
            unit_.vendor = inquiry->vendor;
            unit_.product = inquiry->product;
            ask(Step::pages);
            return;
        }
        case Step::pages:
            if (auto pages = scsi::decode_supported_pages(reply)) pages_ = std::move(*pages);
            break;
        case Step::serial:
            if (auto serial = scsi::decode_serial_number(reply)) unit_.serial = std::move(*serial);
            if (!unit_.uuid) unit_.uuid = Uuid::parse(unit_.serial);
            break;
        case Step::identification: take_identification(reply); break;
        case Step::limits: take_limits(reply); break;
        case Step::characteristics:
            if (const auto what = scsi::decode_characteristics(reply))
                unit_.geometry.rotational = what->rotation_rate > 1;
            break;
        case Step::provisioning:
            if (const auto what = scsi::decode_provisioning(reply)) {
                unit_.unmap = what->unmap;
                write_same_unmap_ = what->write_same_16;
            }
            break;
        case Step::epoch:
            if (const auto epoch = scsi::decode_epoch(reply)) unit_.epoch = *epoch;
            break;
        case Step::capacity_16:
        case Step::capacity_10: {
            const bool ten = step_ == Step::capacity_10;
            if (!question_.good()) {
                ask(Step::capacity_10);
            } else if (take_capacity(ten ? scsi::decode_capacity_10(reply)
                                         : scsi::decode_capacity_16(reply))) {
                ask(Step::mode);
            } else {
                fail_with("its capacity cannot be used");
            }
            return;
        }
        case Step::mode: {
            const auto mode = scsi::decode_mode(reply, false);
            // Not known is treated as a volatile cache: flushes are sent, and only a good answer counts.
            unit_.geometry.volatile_cache = !mode || !mode->write_cache || *mode->write_cache;
            unit_.geometry.read_only = mode && mode->write_protected;
            unit_.fua = mode && mode->dpo_fua;
            finish();
            return;
        }
    }
    next_page();
}

void UnitProbe::take_identification(std::span<const std::byte> reply) {
    const auto designators = scsi::decode_identification(reply);
    if (!designators) return;
    if (const auto volume = scsi::find_weft_volume(*designators)) {
        unit_.name = volume->name;
        unit_.uuid = volume->uuid;
    }
    // What names the medium most surely, by whatever way it is reached.
    const auto rank = [](const scsi::Designator& designator) {
        if (designator.association != scsi::DesignatorAssociation::logical_unit) return 0;
        switch (designator.type) {
            case scsi::DesignatorType::naa: return 4;
            case scsi::DesignatorType::eui_64: return 3;
            case scsi::DesignatorType::scsi_name_string: return 2;
            case scsi::DesignatorType::t10_vendor_id: return 1;
            default: return 0;
        }
    };
    int best = 0;
    for (const scsi::Designator& designator : *designators) {
        if (rank(designator) <= best) continue;
        best = rank(designator);
        unit_.designator.clear();
        for (const std::byte byte : designator.bytes) {
            static constexpr char kDigits[] = "0123456789abcdef";
            unit_.designator += kDigits[std::to_integer<unsigned>(byte) >> 4U];
            unit_.designator += kDigits[std::to_integer<unsigned>(byte) & 0xFU];
        }
    }
}

void UnitProbe::take_limits(std::span<const std::byte> reply) {
    const auto limits = scsi::decode_block_limits(reply);
    if (!limits) return;
    transfer_max_ = limits->transfer_max;
    unmap_extents_max_ = limits->unmap_extents_max;
    unit_.unmap_blocks_max = limits->unmap_blocks_max;
    unit_.write_same_blocks_max = limits->write_same_max;
    unit_.geometry.optimal_blocks = limits->transfer_optimal;
    unit_.geometry.discard_granularity = std::max<std::uint32_t>(limits->unmap_granularity, 1);
}

bool UnitProbe::take_capacity(const std::optional<scsi::Capacity>& capacity) {
    if (!capacity || capacity->beyond_32_bits) return false;
    if (capacity->block_size != 512 && capacity->block_size != 4096) return false;
    unit_.geometry.blocks = capacity->blocks;
    unit_.geometry.block_size = capacity->block_size;
    unit_.geometry.physical_block_size = capacity->block_size
                                         << std::min<unsigned>(capacity->physical_exponent, 8);
    thin_ = capacity->thin;
    thin_zeroes_ = capacity->unmapped_zeroes;
    return true;
}

void UnitProbe::finish() {
    block::Geometry& geometry = unit_.geometry;
    const std::uint32_t most = kTransferBytesMax / geometry.block_size;
    geometry.transfer_blocks_max = transfer_max_ == 0 ? most : std::min(most, transfer_max_);
    // UNMAP needs both of its limits (SBC-3 6.6.4); a request larger than them is split.
    unit_.unmap = unit_.unmap && thin_ && unit_.unmap_blocks_max > 0 && unmap_extents_max_ > 0;
    unit_.write_same_unmap = write_same_unmap_ && thin_zeroes_;
    if (!unit_.unmap) geometry.discard_granularity = 0;
    geometry.discard_zeroes = unit_.unmap && thin_zeroes_;
    geometry.discard_blocks_max = 0;
    // LIO and weft say how much a WRITE SAME may cover; a unit that says nothing may not know it at all.
    geometry.write_zeroes = !unit_.name.empty() || unit_.write_same_blocks_max > 0 || write_same_unmap_;
    geometry.zero_blocks_max = 0;
    if (auto done = std::exchange(done_, nullptr)) done(std::move(unit_));
}

void UnitProbe::fail_with(std::string why) {
    if (auto done = std::exchange(done_, nullptr))
        done(fail("LUN " + std::to_string(unit_.number) + ": " + std::move(why)));
}

}  // namespace weft::initiator
