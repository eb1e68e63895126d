// SPDX-License-Identifier: Apache-2.0
#include "common/verbs/cm_contexts.h"

#include <fcntl.h>
#include <rdma/rdma_cma.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/core/log.h"
#include "common/core/unique_fd.h"

namespace weft::verbs {

bool is_present(const char* path) { return *path == 0 || ::access(path, F_OK) == 0 || errno != ENOENT; }

void CmContexts::note(ibv_context& context) {
    const std::string path = context.device->dev_path;
    // A device made anew may have the old one's path.
    std::erase_if(held_, [&](const Held& held) { return held.path == path; });
    held_.push_back({.context = &context, .path = path});
}

void CmContexts::let_go(const std::function<bool(const std::string& path)>& used) {
    const bool gone = std::any_of(held_.begin(), held_.end(), [&](const Held& held) {
        return !is_present(held.path.c_str()) && !used(held.path);
    });
    if (gone) refresh();
}

void CmContexts::refresh() {
    // This looks which devices are still there and closes the others. But it opens all that are there: from
    // now on they are to be looked after as well.
    int count = 0;
    if (ibv_context** contexts = rdma_get_devices(&count)) {
        held_.clear();
        for (int i = 0; i < count; ++i) note(*contexts[i]);
        rdma_free_devices(contexts);
        return;
    }
    // Not if there is none at all. Then we take the kernel's files from the contexts and leave it the rest,
    // which is closed when there is a device again. Nothing uses it meanwhile: our objects have contexts of
    // their own.
    ibv_device** devices = ibv_get_device_list(&count);
    if (devices != nullptr) ibv_free_device_list(devices);
    const UniqueFd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (devices != nullptr && count > 0) {
        // One came meanwhile and librdmacm could not open it, but it has closed the old ones.
        std::erase_if(held_, [](const Held& held) { return !is_present(held.path.c_str()); });
        return;
    }
    if (devices == nullptr || !nothing) return;  // tried again at the next call
    for (const Held& held : held_) {
        for (const int fd : {held.context->async_fd, held.context->cmd_fd}) {
            if (::dup3(nothing.get(), fd, O_CLOEXEC) < 0) log::warn("cannot let go of a removed RDMA device");
        }
    }
    held_.clear();
}

}  // namespace weft::verbs
