// SPDX-License-Identifier: Apache-2.0
// Reads one map of a configuration file, key by key. Each read declares the key: its type, default and range
// are said once, where it is read, and unknown keys, suggestions and the reference for people follow from it.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config/document.h"
#include "common/config/findings.h"
#include "common/config/parse.h"
#include "common/config/scalar.h"
#include "common/config/schema.h"

namespace weft::config {

// One reading of one document. `reference` collects the declared keys, if given.
struct Reading {
    const Document& document;
    Findings& findings;
    std::vector<KeyReference>* reference = nullptr;
};

enum class Need : std::uint8_t {
    optional,
    filled,  // optional, but not empty where it is
    required,
};

template <class E>
using Choice = std::pair<std::string_view, E>;

template <class T>
struct Range {
    T min{};
    T max = std::numeric_limits<T>::max();
    T multiple_of{};  // 0: any
};

// Owner: a parse function, on its stack. A Section of an absent map reads nothing, finds nothing and still
// declares its keys. The destructor reports the keys that nobody declared and those that are missing: only
// then is it known whether a missing key is one that stands there misspelt, which is one mistake.
class Section {
  public:
    // The whole document.
    explicit Section(Reading& reading);
    Section(const Section&) = delete;
    Section& operator=(const Section&) = delete;
    ~Section();

    [[nodiscard]] bool present() const { return node_ != nullptr; }
    [[nodiscard]] bool has(std::string_view key) const;
    [[nodiscard]] Place place() const;                      // of the map
    [[nodiscard]] Place place(std::string_view key) const;  // of the key's value, else of the map
    [[nodiscard]] std::string path(std::string_view key) const;
    // Reports "PATH: what" at the key's line, or "what" at the map's.
    void find(std::string_view key, const std::string& what);

    // The readers leave the value alone when the key is absent or wrong; true: it was read and is good.
    using TextForm = Scalar<std::string> (*)(std::string_view);
    bool text(std::string_view key, std::string& value, TextForm form, Need need, std::string_view type,
              std::string_view fallback = "");
    template <std::unsigned_integral T>
    bool count(std::string_view key, T& value, Range<T> range, std::string_view fallback = "") {
        std::uint64_t wide = value;
        const bool good = wide_count(key, wide, {range.min, range.max, range.multiple_of}, fallback);
        if (good) value = static_cast<T>(wide);
        return good;
    }
    template <std::integral T>
    void count(std::string_view key, std::optional<T>& value, Range<std::uint64_t> range,
               std::string_view fallback) {
        std::uint64_t wide = 0;
        if (wide_count(key, wide, range, fallback)) value = static_cast<T>(wide);
    }
    bool size(std::string_view key, std::uint64_t& value, Range<std::uint64_t> range, Need need);
    void duration(std::string_view key, std::chrono::milliseconds& value,
                  Range<std::chrono::milliseconds> range);
    void fraction(std::string_view key, double& value, double min, double max);
    void flag(std::string_view key, bool& value);
    void uuid(std::string_view key, std::optional<Uuid>& value, std::string_view fallback);
    void port_id(std::string_view key, std::optional<PortId>& value, std::string_view fallback);
    template <class E, std::size_t N>
    void choice(std::string_view key, E& value, const std::array<Choice<E>, N>& choices) {
        std::array<std::string_view, N> words;
        std::size_t index = 0;
        for (std::size_t i = 0; i < N; ++i) {
            words[i] = choices[i].first;
            if (choices[i].second == value) index = i;
        }
        if (word(key, index, words.data(), N)) value = choices[index].second;
    }

    // A map below this one. An absent one, and an empty optional one, reads as its defaults.
    [[nodiscard]] Section section(std::string_view key, Need need);

    // Calls visit for each item; items that must be maps come as a Section. An absent list is one error if it
    // is required; an empty one always is.
    void list(std::string_view key, std::size_t max, Need need, const std::function<void(Section&)>& visit);
    // The same where an item may also be a single word.
    using WordVisit = std::function<void(const std::string& word, Place place, const std::string& path)>;
    void list_or_word(std::string_view key, std::size_t max, Need need, std::string_view word_type,
                      const std::function<void(Section&)>& visit, const WordVisit& visit_word);

    // Exactly one of these keys must be there.
    void exactly_one(std::initializer_list<std::string_view> keys);
    // A key that is known to people but not to this version.
    void refuse(std::string_view key, const std::string& why);

  private:
    Section(Reading& reading, const Node* node, std::string path, std::string pattern);
    [[nodiscard]] const Node* value_of(std::string_view key) const;
    // The scalar of a declared key, or nullopt after reporting what it is instead.
    std::optional<std::string> scalar(std::string_view key, bool plain_only);
    void declare(std::string_view key, std::string_view type, std::string fallback, std::string range);
    void require(std::string_view key, Need need);
    bool wide_count(std::string_view key, std::uint64_t& value, Range<std::uint64_t> range,
                    std::string_view fallback);
    bool word(std::string_view key, std::size_t& index, const std::string_view* words, std::size_t count);
    const Node* list_node(std::string_view key, std::size_t max, Need need);
    void report_unknown_keys();
    void report_missing_keys();
    // What to do about an unknown key; whoever misses the key it was meant to be is content.
    [[nodiscard]] std::string suggestion(const std::string& key);

    Reading& reading_;
    const Node* node_;
    std::string path_;     // "volumes[2].file"
    std::string pattern_;  // "volumes[].file"
    std::vector<std::string> known_;
    struct Missing {
        std::vector<std::string> keys;  // one of them has to be there
        std::string what;
    };
    std::vector<Missing> missing_;
};

}  // namespace weft::config
