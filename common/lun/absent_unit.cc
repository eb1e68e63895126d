// SPDX-License-Identifier: Apache-2.0
#include "common/lun/absent_unit.h"

#include "common/lun/unit_pages.h"
#include "common/scsi/cdb.h"
#include "common/scsi/inquiry.h"

namespace weft::lun {

using scsi::Opcode;
using scsi::SenseCode;
using scsi::SenseKey;

void AbsentUnit::execute(Task& task, const LunInventory& inventory, bool well_known) {
    accept(task);
    switch (static_cast<Opcode>(task.cdb[0])) {
        case Opcode::inquiry: inquiry(task, well_known); return;
        case Opcode::report_luns: report_luns(task, inventory); return;
        case Opcode::request_sense:
            if (well_known)
                report_sense(task, {});
            else
                report_sense(task, {SenseKey::illegal_request, SenseCode::unit_not_supported});
            return;
        case Opcode::test_unit_ready:
            if (!well_known) break;
            end(task);
            return;
        default:
            if (!well_known) break;
            refuse(task, SenseKey::illegal_request, SenseCode::invalid_opcode);
            return;
    }
    refuse(task, SenseKey::illegal_request, SenseCode::unit_not_supported);
}

void AbsentUnit::inquiry(Task& task, bool well_known) {
    const auto cdb = scsi::decode_inquiry(task.cdb);
    if (!cdb || cdb->evpd || cdb->page != 0) {
        refuse(task, SenseKey::illegal_request, SenseCode::invalid_field_in_cdb);
        return;
    }
    const std::uint8_t peripheral = well_known ? scsi::kPeripheralWellKnown : scsi::kPeripheralNone;
    answer(task, encode_standard_inquiry(peripheral, {}, task.parameter), cdb->allocation);
}

void AbsentUnit::on_parameters(Task&, std::span<const std::byte>) {
    WEFT_UNREACHABLE("no parameters are asked for");
}

}  // namespace weft::lun
