// SPDX-License-Identifier: Apache-2.0
#include "common/config/section.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/config/suggestion.h"
#include "common/core/check.h"

namespace weft::config {

namespace {

constexpr std::size_t kSeenMax = 256;  // keys of one map that are remembered to find duplicates

std::string joined(const std::string& path, std::string_view key) {
    return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

const char* kind_name(NodeKind kind) {
    switch (kind) {
        case NodeKind::nothing: return "nothing";
        case NodeKind::scalar: return "a single value";
        case NodeKind::list: return "a list";
        case NodeKind::map: return "a map of keys";
    }
    WEFT_UNREACHABLE("kind of node");
}

std::string range_text(Range<std::uint64_t> range, std::string (*format)(std::uint64_t)) {
    std::string text = format(range.min);
    if (range.max == std::numeric_limits<std::uint64_t>::max())
        text = range.min == 0 ? "" : fmt::format("at least {}", text);
    else
        text += ".." + format(range.max);
    if (range.multiple_of > 1)
        text += fmt::format("{}multiple of {}", text.empty() ? "" : ", ", format(range.multiple_of));
    return text;
}

std::string plain(std::uint64_t value) { return fmt::format("{}", value); }

// Why `value` is outside of `range`, or nothing.
std::optional<std::string> outside(std::uint64_t value, Range<std::uint64_t> range,
                                   std::string (*format)(std::uint64_t)) {
    const bool misses = range.multiple_of > 1 && value % range.multiple_of != 0;
    if (value >= range.min && value <= range.max && !misses) return std::nullopt;
    return fmt::format("{} is not allowed; use {}", format(value), range_text(range, format));
}

}  // namespace

Section::Section(Reading& reading) : Section(reading, &reading.document.root(), "", "") {
    if (node_->kind == NodeKind::map) return;
    reading_.findings.add(node_->line,
                          fmt::format("the file holds {}; it must be a map of keys", kind_name(node_->kind)));
    node_ = nullptr;
}

Section::Section(Reading& reading, const Node* node, std::string path, std::string pattern)
    : reading_(reading), node_(node), path_(std::move(path)), pattern_(std::move(pattern)) {}

Section::~Section() {
    report_unknown_keys();
    report_missing_keys();
}

const Node* Section::value_of(std::string_view key) const {
    if (node_ == nullptr) return nullptr;
    for (std::size_t i = 0; i + 1 < node_->children.size(); i += 2)
        if (reading_.document.at(node_->children[i]).text == key)
            return &reading_.document.at(node_->children[i + 1]);
    return nullptr;
}

bool Section::has(std::string_view key) const { return value_of(key) != nullptr; }
std::string Section::path(std::string_view key) const { return joined(path_, key); }

Place Section::place() const { return {reading_.findings.file(), node_ == nullptr ? 1 : node_->line}; }

Place Section::place(std::string_view key) const {
    const Node* node = value_of(key);
    return node == nullptr ? place() : Place{reading_.findings.file(), node->line};
}

void Section::find(std::string_view key, const std::string& what) {
    reading_.findings.add(place(key), fmt::format("{}: {}", path(key), what));
}

void Section::declare(std::string_view key, std::string_view type, std::string fallback, std::string range) {
    known_.emplace_back(key);
    if (reading_.reference == nullptr) return;
    const std::string name = joined(pattern_, key);
    for (const KeyReference& known : *reading_.reference)
        if (known.key == name) return;
    reading_.reference->push_back({name, std::string(type), std::move(fallback), std::move(range)});
}

void Section::require(std::string_view key, Need need) {
    if (need == Need::required && present() && !has(key))
        missing_.push_back({{std::string(key)}, fmt::format("{}: is missing; add it", path(key))});
}

std::optional<std::string> Section::scalar(std::string_view key, bool plain_only) {
    const Node* node = value_of(key);
    if (node == nullptr) return std::nullopt;
    if (node->kind == NodeKind::nothing) {
        find(key, "has no value; give it one, or remove the key for the default");
        return std::nullopt;
    }
    if (node->kind != NodeKind::scalar) {
        find(key, fmt::format("holds {}; it must be a single value", kind_name(node->kind)));
        return std::nullopt;
    }
    if (plain_only && node->quoted) {
        find(key, "is text because of its quotes; remove them");
        return std::nullopt;
    }
    return node->text;
}

bool Section::text(std::string_view key, std::string& value, TextForm form, Need need, std::string_view type,
                   std::string_view fallback) {
    std::string shown(fallback);
    if (shown.empty()) shown = value.empty() ? "none" : value;
    declare(key, type, need == Need::required ? "required" : shown, "");
    require(key, need);
    const auto found = scalar(key, false);
    if (!found) return false;
    value = *found;  // also a wrong one: what refers to it should not be reported as well
    const auto good = form(*found);
    if (!good) find(key, good.error());
    return good.has_value();
}

bool Section::wide_count(std::string_view key, std::uint64_t& value, Range<std::uint64_t> range,
                         std::string_view fallback) {
    declare(key, "integer", fallback.empty() ? plain(value) : std::string(fallback),
            range_text(range, plain));
    const auto found = scalar(key, true);
    if (!found) return false;
    const auto number = parse_count(*found);
    std::optional<std::string> wrong;
    if (!number)
        wrong = fmt::format("{} ({})", number.error(), range_text(range, plain));
    else
        wrong = outside(*number, range, plain);
    if (wrong)
        find(key, *wrong);
    else
        value = *number;
    return !wrong;
}

bool Section::size(std::string_view key, std::uint64_t& value, Range<std::uint64_t> range, Need need) {
    declare(key, "size", need == Need::required ? "required" : format_size(value),
            range_text(range, format_size));
    require(key, need);
    const auto found = scalar(key, true);
    if (!found) return false;
    const auto bytes = parse_size(*found);
    const auto wrong =
        bytes ? outside(*bytes, range, format_size) : std::optional<std::string>(bytes.error());
    if (wrong)
        find(key, *wrong);
    else
        value = *bytes;
    return !wrong;
}

void Section::duration(std::string_view key, std::chrono::milliseconds& value,
                       Range<std::chrono::milliseconds> range) {
    const std::string limits = fmt::format("{}..{}", format_duration(range.min), format_duration(range.max));
    declare(key, "duration", format_duration(value), limits);
    const auto found = scalar(key, true);
    if (!found) return;
    const auto duration = parse_duration(*found);
    if (!duration)
        find(key, duration.error());
    else if (*duration < range.min || *duration > range.max)
        find(key, fmt::format("{} is not allowed; use {}", *found, limits));
    else
        value = *duration;
}

void Section::fraction(std::string_view key, double& value, double min, double max) {
    const std::string limits = fmt::format("{}..{}", min, max);
    declare(key, "number", fmt::format("{}", value), limits);
    const auto found = scalar(key, true);
    if (!found) return;
    const auto number = parse_fraction(*found);
    if (!number)
        find(key, number.error());
    else if (*number < min || *number > max)
        find(key, fmt::format("{} is not allowed; use {}", *found, limits));
    else
        value = *number;
}

void Section::flag(std::string_view key, bool& value) {
    declare(key, "boolean", value ? "true" : "false", "true, false");
    const auto found = scalar(key, true);
    if (!found) return;
    const auto flag = parse_flag(*found);
    if (flag)
        value = *flag;
    else
        find(key, flag.error());
}

void Section::uuid(std::string_view key, std::optional<Uuid>& value, std::string_view fallback) {
    declare(key, "UUID", std::string(fallback), "");
    const auto found = scalar(key, false);
    if (!found) return;
    if (const auto uuid = parse_uuid(*found))
        value = *uuid;
    else
        find(key, uuid.error());
}

void Section::port_id(std::string_view key, std::optional<PortId>& value, std::string_view fallback) {
    declare(key, "port id", std::string(fallback), "32 hexadecimal digits");
    const auto found = scalar(key, false);
    if (!found) return;
    if (const auto id = parse_port_id(*found))
        value = *id;
    else
        find(key, id.error());
}

bool Section::word(std::string_view key, std::size_t& index, const std::string_view* words,
                   std::size_t count) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) all += fmt::format("{}{}", i == 0 ? "" : ", ", words[i]);
    declare(key, "word", std::string(words[index]), all);
    const auto found = scalar(key, false);
    if (!found) return false;
    for (std::size_t i = 0; i < count; ++i) {
        if (words[i] != *found) continue;
        index = i;
        return true;
    }
    const std::vector<std::string> known(words, words + count);
    const auto near = nearest(*found, known);
    find(key, fmt::format("\"{:.64}\" is not one of {}{}", *found, all,
                          near ? fmt::format("; did you mean {}?", *near) : "; use one of them"));
    return false;
}

Section Section::section(std::string_view key, Need need) {
    declare(key, "map", need == Need::required ? "required" : "none", "");
    require(key, need);
    const Node* node = value_of(key);
    if (node != nullptr && node->kind == NodeKind::nothing) {
        if (need != Need::optional) find(key, "is empty; give it its keys");
        node = nullptr;
    }
    if (node != nullptr && node->kind != NodeKind::map) {
        find(key, fmt::format("holds {}; it must be a map of keys", kind_name(node->kind)));
        node = nullptr;
    }
    return {reading_, node, path(key), joined(pattern_, key)};
}

const Node* Section::list_node(std::string_view key, std::size_t max, Need need) {
    declare(key, "list", need == Need::required ? "required" : "none", fmt::format("1..{} items", max));
    require(key, need);
    const Node* node = value_of(key);
    if (node == nullptr) return nullptr;
    const bool empty =
        node->kind == NodeKind::nothing || (node->kind == NodeKind::list && node->children.empty());
    if (empty)
        find(key, fmt::format("the list is empty; add an item{}",
                              need == Need::required ? "" : ", or remove the key"));
    else if (node->kind != NodeKind::list)
        find(key, fmt::format("holds {}; it must be a list (each item after a '-')", kind_name(node->kind)));
    else if (node->children.size() > max)
        find(key, fmt::format("{} items are too many; at most {} are allowed", node->children.size(), max));
    else
        return node;
    return nullptr;
}

void Section::list(std::string_view key, std::size_t max, Need need,
                   const std::function<void(Section&)>& visit) {
    list_or_word(key, max, need, "", visit, nullptr);
}

void Section::list_or_word(std::string_view key, std::size_t max, Need need, std::string_view word_type,
                           const std::function<void(Section&)>& visit, const WordVisit& visit_word) {
    const Node* node = list_node(key, max, need);
    const std::string pattern = joined(pattern_, key) + "[]";
    if (visit_word && reading_.reference != nullptr)
        reading_.reference->push_back({pattern, std::string(word_type), "", ""});
    if (node == nullptr) {
        Section absent{reading_, nullptr, pattern, pattern};
        visit(absent);
        return;
    }
    for (std::size_t i = 0; i < node->children.size(); ++i) {
        const Node& item = reading_.document.at(node->children[i]);
        const std::string item_path = fmt::format("{}[{}]", path(key), i);
        if (item.kind == NodeKind::map) {
            Section section{reading_, &item, item_path, pattern};
            visit(section);
        } else if (item.kind == NodeKind::scalar && visit_word) {
            visit_word(item.text, {reading_.findings.file(), item.line}, item_path);
        } else {
            reading_.findings.add(item.line, fmt::format("{}: holds {}; it must be a map of keys", item_path,
                                                         kind_name(item.kind)));
        }
    }
}

void Section::exactly_one(std::initializer_list<std::string_view> keys) {
    if (!present()) return;
    std::string all;
    std::string_view first;
    for (const std::string_view key : keys) {
        all += fmt::format("{}{}", all.empty() ? "" : ", ", key);
        if (!has(key)) continue;
        if (!first.empty()) find(key, fmt::format("stands beside {}; keep one of the two", first));
        first = key;
    }
    if (first.empty())
        missing_.push_back({{keys.begin(), keys.end()},
                            fmt::format("{}: none of {} is there; add one of them", path_, all)});
}

void Section::refuse(std::string_view key, const std::string& why) {
    if (!has(key)) return;
    known_.emplace_back(key);
    find(key, why);
}

std::string Section::suggestion(const std::string& key) {
    if (key == "<<") return "merge keys are not supported; write the keys out";
    if (const auto near = nearest(key, known_)) {
        std::erase_if(missing_, [&](const Missing& missing) {
            return std::find(missing.keys.begin(), missing.keys.end(), *near) != missing.keys.end();
        });
        return fmt::format("did you mean \"{}\"?", *near);
    }
    std::string all;
    for (const std::string& known : known_) all += (all.empty() ? "" : ", ") + known;
    return "the keys here are " + all;
}

void Section::report_unknown_keys() {
    if (node_ == nullptr) return;
    std::vector<std::pair<std::string, int>> seen;
    for (std::size_t i = 0; i + 1 < node_->children.size(); i += 2) {
        const Node& key = reading_.document.at(node_->children[i]);
        const auto before =
            std::find_if(seen.begin(), seen.end(), [&](const auto& s) { return s.first == key.text; });
        const std::string in = path_.empty() ? "" : path_ + ": ";
        if (before != seen.end())
            reading_.findings.add(
                key.line, fmt::format("{}the key \"{:.64}\" stands here again (first in line {}); keep one",
                                      in, key.text, before->second));
        else if (std::find(known_.begin(), known_.end(), key.text) == known_.end())
            reading_.findings.add(
                key.line, fmt::format("{}unknown key \"{:.64}\"; {}", in, key.text, suggestion(key.text)));
        if (before == seen.end() && seen.size() < kSeenMax) seen.emplace_back(key.text, key.line);
    }
}

void Section::report_missing_keys() {
    for (const Missing& missing : missing_) reading_.findings.add(place(), missing.what);
}

}  // namespace weft::config
