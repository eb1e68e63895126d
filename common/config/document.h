// SPDX-License-Identifier: Apache-2.0
// YAML text as a small tree that remembers lines. The one place where yaml-cpp is used: it throws, resolves
// aliases and keeps duplicate keys silently, none of which gets past here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/result.h"

namespace weft::config {

inline constexpr std::size_t kNodesMax = 100'000;
inline constexpr std::size_t kNestingMax = 12;

enum class NodeKind : std::uint8_t { nothing, scalar, list, map };

struct Node {
    NodeKind kind = NodeKind::nothing;
    int line = 0;         // from 1
    bool quoted = false;  // a scalar written in quotes is text, never a number
    std::string text;     // scalar
    // list: its items; map: key, value, key, value, ... in the order written, duplicates included
    std::vector<std::uint32_t> children;
};

// Immutable. Aliases share nodes, so it is a graph without cycles: walk it by the schema, with bounded lists.
class Document {
  public:
    // One line "file:line: what, and what to do" on failure. `file` only names it.
    [[nodiscard]] static Result<Document> parse(std::string_view text, const std::string& file);

    [[nodiscard]] const Node& root() const { return nodes_.at(root_); }
    [[nodiscard]] const Node& at(std::uint32_t index) const { return nodes_.at(index); }

  private:
    Document() = default;
    std::vector<Node> nodes_;
    std::uint32_t root_ = 0;
};

}  // namespace weft::config
