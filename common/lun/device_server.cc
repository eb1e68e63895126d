// SPDX-License-Identifier: Apache-2.0
#include "common/lun/device_server.h"

#include <algorithm>
#include <cstring>

#include "common/scsi/cdb.h"

namespace weft::lun {

DeviceServer::~DeviceServer() { WEFT_CHECK(tasks_ == 0); }

void DeviceServer::accept(Task& task) {
    executor_.check_current();
    task.begin(*this);
    ++tasks_;
}

void DeviceServer::leave(const Task& task) {
    WEFT_CHECK(tasks_ > 0);
    --tasks_;
    if (!task.used_medium()) return;
    if (task.aborted()) {
        ++counters_.aborted;
        return;
    }
    if (task.status == scsi::Status::check_condition) ++counters_.errors;
    if (task.data_in_done > 0) ++counters_.reads;
    if (task.data_out_done > 0) ++counters_.writes;
    counters_.read_bytes += task.data_in_done;
    counters_.write_bytes += task.data_out_done;
}

Counters DeviceServer::counters() const {
    Counters counters = counters_;
    counters.in_flight = tasks_;
    return counters;
}

void DeviceServer::end(Task& task, scsi::Status status) { task.end_with(status); }

void DeviceServer::refuse(Task& task, scsi::SenseKey key, scsi::SenseCode code) {
    task.end_with(scsi::Sense{.key = key, .code = code});
}

void DeviceServer::answer(Task& task, std::size_t bytes, std::size_t allocation) {
    task.end_with_answer(std::min(bytes, allocation));
}

void DeviceServer::fetch_parameters(Task& task, std::uint32_t length) { task.fetch_parameters(length); }

void DeviceServer::transfer(Task& task, block::BlockDevice& device, const MediaPlan& plan) {
    task.start(device, plan);
}

void DeviceServer::report_luns(Task& task, const LunInventory& inventory) {
    // SELECT REPORT (SPC-4 6.33): 0 all but well-known units, 1 those only, 2 all.
    constexpr std::uint8_t kWellKnownOnly = 1;
    constexpr std::uint8_t kSelectMax = 2;
    const auto cdb = scsi::decode_report_luns(task.cdb);
    if (!cdb || cdb->select > kSelectMax) {
        refuse(task, scsi::SenseKey::illegal_request, scsi::SenseCode::invalid_field_in_cdb);
        return;
    }
    // No well-known unit is claimed to exist, though C1 01 answers this very command.
    const auto luns = cdb->select == kWellKnownOnly ? std::span<const scsi::Lun>() : inventory.luns();
    answer(task, scsi::encode_report_luns(luns, task.parameter), cdb->allocation);
}

void DeviceServer::report_sense(Task& task, const scsi::Sense& sense) {
    const auto cdb = scsi::decode_request_sense(task.cdb);
    if (!cdb) {
        refuse(task, scsi::SenseKey::illegal_request, scsi::SenseCode::invalid_field_in_cdb);
        return;
    }
    const auto data =
        scsi::encode_sense(sense, cdb->descriptor ? scsi::SenseFormat::descriptor : scsi::SenseFormat::fixed);
    std::memcpy(task.parameter.data(), data.bytes.data(), data.length);
    answer(task, data.length, cdb->allocation);
}

}  // namespace weft::lun
