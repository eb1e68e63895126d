// SPDX-License-Identifier: Apache-2.0
// What a restarted daemon must know of a volume's ublk device, kept in a file of the state directory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/clock.h"
#include "common/core/result.h"
#include "common/core/unique_fd.h"
#include "common/core/uuid.h"

namespace weft::ublk {

// As text: one "key=value" per line after the line "weft-ublk 1".
struct Record {
    std::string name;  // of the volume
    Uuid uuid;
    std::string boot;  // of which boot of this machine the device number is
    std::uint32_t number = 0;
    std::uint16_t queue_depth = 0;
    std::uint32_t io_bytes_max = 0;
    std::uint32_t block_size = 0;
    std::uint64_t blocks = 0;
    std::uint64_t flags = 0;  // of the device, as the kernel granted them
    bool going = false;       // a forced stop has begun: not to be taken over again

    friend bool operator==(const Record&, const Record&) = default;

    [[nodiscard]] std::string to_text() const;
    // Error: not such a text; unknown keys are an error too (a newer weft's).
    [[nodiscard]] static Result<Record> parse(std::string_view text);
};

// The record of one volume and, beside it, the mark of a recovery under way. Writes are atomic and reach the
// disk before they return. Thread: any, one at a time.
class RecordFile {
  public:
    // DIRECTORY/NAME.ublk and DIRECTORY/NAME.ublk.recovering
    RecordFile(std::string directory, const std::string& name);

    // Keeps other processes off this volume until the descriptor is closed. Waits for `limit` for one that is
    // just ending. Makes the directory if missing. Error: another process has the volume (EBUSY).
    [[nodiscard]] Result<UniqueFd> lock(Duration limit) const;
    // nullopt: there is none.
    [[nodiscard]] Result<std::optional<Record>> load() const;
    [[nodiscard]] Result<void> save(const Record& record) const;
    // The mark of device `number` in boot `boot`; set before the recovery begins, cleared after its end, so
    // that its presence at start means: a recovery was cut short.
    [[nodiscard]] Result<void> mark_recovery(std::uint32_t number, const std::string& boot) const;
    [[nodiscard]] Result<void> clear_recovery() const;
    [[nodiscard]] bool recovery_marked(std::uint32_t number, const std::string& boot) const;
    // Removes both, and the lock's file. REQUIRES: locked by us.
    [[nodiscard]] Result<void> remove() const;

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    [[nodiscard]] Result<void> write(const std::string& path, const std::string& text) const;

    std::string directory_;
    std::string path_;
};

// The names of the volumes that have a record in `directory`.
[[nodiscard]] std::vector<std::string> recorded(const std::string& directory);

}  // namespace weft::ublk
