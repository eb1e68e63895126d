// SPDX-License-Identifier: Apache-2.0
// The data path of a queue pair.
#include <fmt/format.h>

#include "common/core/log.h"
#include "common/verbs/queue_pair.h"

namespace weft::verbs {

bool QueuePair::flush() {
    if (queues_->closed()) return true;
    const int rc = queues_->flush(*handle_, ready_);
    if (rc == 0) return true;
    log::error("queue pair {} on {}: the device refused a post (errno {})", number_, device_->name(), rc);
    return false;
}

void QueuePair::on_entry(const WorkKey& key, const ibv_wc& entry) {
    if (entry.status != IBV_WC_SUCCESS && !queues_->closed()) [[unlikely]] {
        const std::string why =
            fmt::format("{} (vendor error {:#x})", ibv_wc_status_str(entry.status), entry.vendor_err);
        if (entry.status == IBV_WC_WR_FLUSH_ERR) {
            // It went to error without a word of why: first that, then what was flushed.
            owner_.on_queue_pair_error(why);
            if (!queues_->complete(key, entry, owner_)) return;
        } else {
            if (!queues_->complete(key, entry, owner_)) return;
            owner_.on_queue_pair_error(why);
        }
    } else if (!queues_->complete(key, entry, owner_)) {
        return;
    }
    if (queues_->closed()) owner_.on_progress();
}

void QueuePair::on_device_error(const std::string& why) { owner_.on_queue_pair_error(why); }

}  // namespace weft::verbs
