// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <infiniband/verbs.h>

#include <functional>
#include <string>
#include <vector>

namespace weft::verbs {

// The contexts that librdmacm has opened for itself. It keeps one of every device it has seen, for ever, and
// is not told when the device is removed; but soft-RoCE's removal waits in the kernel until everybody has let
// go. Owner: a fabric. Thread: its reactor's.
class CmContexts {
  public:
    // It has opened this one. Idempotent.
    void note(ibv_context& context);
    // Makes librdmacm let go of devices that are gone, except those that are still `used` (by path)
    // otherwise. To be called now and then as long as any() is true.
    void let_go(const std::function<bool(const std::string& path)>& used);
    [[nodiscard]] bool any() const { return !held_.empty(); }

  private:
    struct Held {
        ibv_context* context;
        std::string path;  // of the device in sysfs
    };
    void refresh();

    std::vector<Held> held_;
};

// Whether the kernel still shows the device that has this path in sysfs ("": no way to tell, so yes).
[[nodiscard]] bool is_present(const char* path);

}  // namespace weft::verbs
