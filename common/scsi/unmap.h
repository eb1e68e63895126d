// SPDX-License-Identifier: Apache-2.0
// UNMAP parameter list (SBC-3 5.28).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace weft::scsi {

struct UnmapExtent {
    std::uint64_t lba = 0;
    std::uint32_t blocks = 0;

    friend bool operator==(const UnmapExtent&, const UnmapExtent&) = default;
};

inline constexpr std::size_t kUnmapHeaderBytes = 8;
inline constexpr std::size_t kUnmapExtentBytes = 16;

[[nodiscard]] constexpr std::size_t unmap_list_bytes(std::size_t extents) {
    return kUnmapHeaderBytes + extents * kUnmapExtentBytes;
}

// REQUIRES: unmap_list_bytes(extents.size()) <= out.size() and <= 65535. Returns the bytes written.
std::size_t encode_unmap_list(std::span<const UnmapExtent> extents, std::span<std::byte> out);

// A view into the bytes of a list; whole descriptors only (a truncated list is not an error).
class UnmapList {
  public:
    // `bytes`: the list, or its beginning; `list_length`: the PARAMETER LIST LENGTH of the command. Nothing
    // if `bytes` holds no header.
    [[nodiscard]] static std::optional<UnmapList> decode(std::span<const std::byte> bytes,
                                                         std::size_t list_length);

    // Descriptors in the whole list; size() of them are in `bytes`.
    [[nodiscard]] std::size_t announced() const { return announced_; }
    [[nodiscard]] std::size_t size() const { return extents_.size() / kUnmapExtentBytes; }
    [[nodiscard]] UnmapExtent at(std::size_t index) const;  // REQUIRES: index < size()

  private:
    UnmapList(std::span<const std::byte> extents, std::size_t announced)
        : extents_(extents), announced_(announced) {}
    std::span<const std::byte> extents_;
    std::size_t announced_;
};

}  // namespace weft::scsi
