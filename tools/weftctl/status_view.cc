// SPDX-License-Identifier: Apache-2.0
#include "tools/weftctl/status_view.h"

#include <fmt/format.h>

#include <sstream>

#include "tools/weftctl/document.h"
#include "tools/weftctl/quantity.h"
#include "tools/weftctl/table.h"

namespace weft::ctl {

namespace {

// Two documents of one daemon, some time apart.
struct Sample {
    const Json& now;
    const Json& earlier;
    double seconds;

    // The item of `earlier` with the same value of `key`, or null.
    [[nodiscard]] const Json& same(const char* items, const char* key, const Json& item) const {
        static const Json kNone;
        for (const Json& other : list(earlier, items))
            if (!member(item, key).is_null() && member(other, key) == member(item, key)) return other;
        return kNone;
    }
    // Growth per second of a sum of counters.
    [[nodiscard]] std::optional<double> rate(const Json& item, const Json& before,
                                             std::initializer_list<const char*> keys) const {
        if (seconds <= 0) return std::nullopt;
        std::uint64_t grown = 0;
        for (const char* key : keys) {
            const auto a = number(before, key);
            const auto b = number(item, key);
            if (!a || !b || *b < *a) return std::nullopt;  // restarted in between
            grown += *b - *a;
        }
        return static_cast<double>(grown) / seconds;
    }
};

std::string text_of(const std::optional<double>& value, std::string (*format)(double)) {
    return value ? format(*value) : "-";
}

// Reads per second, writes per second, MB/s in and out, of a volume.
std::vector<std::string> rates(const Sample& sample, const Json& volume) {
    const Json& before = sample.same("volumes", "name", volume);
    return {text_of(sample.rate(volume, before, {"reads"}), rate_text),
            text_of(sample.rate(volume, before, {"writes"}), rate_text),
            text_of(sample.rate(volume, before, {"read_bytes"}), throughput_text),
            text_of(sample.rate(volume, before, {"write_bytes"}), throughput_text)};
}

void append(std::vector<std::string>& cells, std::vector<std::string> more) {
    cells.insert(cells.end(), more.begin(), more.end());
}

std::string section(const char* title, const Table& table) {
    return table.empty() ? fmt::format("{}: none\n", title) : fmt::format("{}\n{}", title, table.text());
}

std::string head(const Json& now) {
    std::string text =
        fmt::format("weft {} {} ({}), up {}\n", word(now, "kind"), word(now, "name"), word(now, "version"),
                    number(now, "uptime_s") ? age_text(*number(now, "uptime_s") * 1000) : "-");
    const Json& memory = member(now, "memory");
    text += fmt::format("memory: {} used of {} at most\n", bytes(memory, "used_bytes"),
                        bytes(memory, "budget_bytes"));
    if (word(now, "login") != "-") text += fmt::format("login of ib_srp: {}\n", word(now, "login"));
    if (const Json& promise = member(now, "kernel_promise"); promise.is_string()) {
        std::istringstream lines(promise.get<std::string>());
        const char* before = "kernel: ";
        for (std::string line; std::getline(lines, line); before = "        ")
            text += before + printable(line) + "\n";
    }
    return text + "\n";
}

std::string initiator_volumes(const Sample& sample) {
    Table volumes({"VOLUME", "DEVICE", ">SIZE", "STATE", ">IN FLIGHT", ">READ/S", ">WRITE/S", ">READ MB/S",
                   ">WRITE MB/S", ">ERRORS"});
    Table legs({"VOLUME", ">LEG", "KIND", "TARGET", "UNIT", ">SIZE", "STATE"});
    for (const Json& volume : list(sample.now, "volumes")) {
        std::vector<std::string> cells = {word(volume, "name"), word(volume, "device"),
                                          bytes(volume, "size_bytes"), word(volume, "state"),
                                          word(volume, "in_flight")};
        append(cells, rates(sample, volume));
        cells.push_back(word(volume, "errors"));
        volumes.add(std::move(cells));
        std::size_t index = 0;
        for (const Json& leg : list(volume, "legs"))
            legs.add({word(volume, "name"), fmt::format("{}", index++), word(leg, "kind"),
                      word(leg, "target"), word(leg, "unit"), bytes(leg, "size_bytes"), word(leg, "state")});
    }
    return section("volumes", volumes) + "\n" + section("legs", legs) + "\n";
}

std::string target_volumes(const Sample& sample) {
    Table volumes({"VOLUME", ">LUN", "BACKEND", ">SIZE", ">BLOCK", "READ-ONLY", "STATE", ">IN FLIGHT",
                   ">READ/S", ">WRITE/S", ">READ MB/S", ">WRITE MB/S", ">ERRORS"});
    for (const Json& volume : list(sample.now, "volumes")) {
        std::vector<std::string> cells = {word(volume, "name"),       word(volume, "lun"),
                                          word(volume, "backend"),    bytes(volume, "size_bytes"),
                                          word(volume, "block_size"), word(volume, "read_only"),
                                          word(volume, "state"),      word(volume, "in_flight")};
        append(cells, rates(sample, volume));
        cells.push_back(word(volume, "errors"));
        volumes.add(std::move(cells));
    }
    return section("volumes", volumes) + "\n";
}

// A peer by the name it gave, else by its port.
std::string peer_name(const Json& peer, const char* key) {
    return word(peer, key) == "-" ? word(peer, "port_id") : word(peer, key);
}

// Sessions of an initiator or nexuses of a target: the channels to one peer each.
std::string channels(const Sample& sample, const char* items, const char* peer_key, const char* title) {
    std::vector<std::string> headings{title, "STATE", ">CHANNELS", ">IN FLIGHT"};
    const bool placed = std::string_view(items) == "nexuses";  // each on one reactor
    if (placed) headings.emplace_back("REACTOR");
    Table peers(headings);
    Table table({title, ">INDEX", "PATH", "STATE", ">AGE", ">IN FLIGHT", ">CREDITS", ">CMD/S", ">MB/S",
                 ">RETRIES", ">RECONNECTS"});
    for (const Json& peer : list(sample.now, items)) {
        const std::string name = peer_name(peer, peer_key);
        const Json& before = sample.same(items, word(peer, peer_key) == "-" ? "port_id" : peer_key, peer);
        std::uint64_t in_flight = 0;
        for (const Json& channel : list(peer, "channels")) {
            in_flight += number(channel, "in_flight").value_or(0);
            const Sample inner{peer, before, sample.seconds};
            const Json& old = inner.same("channels", "index", channel);
            table.add({name, word(channel, "index"), word(channel, "path"), word(channel, "state"),
                       age(channel, "age_ms"), word(channel, "in_flight"), word(channel, "credits"),
                       text_of(sample.rate(channel, old, {"commands"}), rate_text),
                       text_of(sample.rate(channel, old, {"bytes"}), throughput_text),
                       word(channel, "retries"), word(channel, "reconnects")});
        }
        std::vector<std::string> cells{
            name, word(peer, "state"), fmt::format("{}", list(peer, "channels").size()),
            number(peer, "in_flight") ? word(peer, "in_flight") : fmt::format("{}", in_flight)};
        if (placed) cells.push_back(word(peer, "reactor"));
        peers.add(std::move(cells));
    }
    return section(items, peers) + "\n" + section("channels", table) + "\n";
}

void add_waits(Table& table, const Json& holder, const std::string& name) {
    for (const Json& wait : list(holder, "waits")) {
        const bool ends = number(wait, "limit_ms").has_value();
        table.add({name, word(wait, "reason"), age(wait, "age_ms"), word(wait, "count"),
                   ends ? fmt::format("at {}: {}", age(wait, "limit_ms"), word(wait, "then")) : "-"});
    }
}

void add_peer_waits(Table& table, const Json& peer, const char* kind, const std::string& name) {
    add_waits(table, peer, fmt::format("{} {}", kind, name));
    for (const Json& channel : list(peer, "channels"))
        add_waits(table, channel, fmt::format("channel {}/{}", name, word(channel, "index")));
}

std::string waits(const Json& now) {
    Table table({"WHO", "WAITS FOR", ">AGE", ">COUNT", "ENDS"});
    for (const Json& volume : list(now, "volumes"))
        add_waits(table, volume, "volume " + word(volume, "name"));
    for (const Json& session : list(now, "sessions"))
        add_peer_waits(table, session, "session", peer_name(session, "target"));
    for (const Json& nexus : list(now, "nexuses"))
        add_peer_waits(table, nexus, "nexus", peer_name(nexus, "initiator"));
    return section("waits", table);
}

// What is wrong with what is not ready, in the daemon's words; nothing if nothing is.
std::string problems(const Json& now) {
    Table table({"WHO", "PROBLEM"});
    const auto add = [&](const Json& holder, const std::string& name) {
        if (word(holder, "state") != "ready" && word(holder, "problem") != "-")
            table.add({name, word(holder, "problem")});
    };
    for (const Json& volume : list(now, "volumes")) {
        add(volume, "volume " + word(volume, "name"));
        std::size_t index = 0;
        for (const Json& leg : list(volume, "legs"))
            add(leg, fmt::format("leg {}/{}", word(volume, "name"), index++));
    }
    for (const Json& session : list(now, "sessions")) {
        const std::string name = peer_name(session, "target");
        add(session, "session " + name);
        for (const Json& channel : list(session, "channels"))
            add(channel, fmt::format("channel {}/{}", name, word(channel, "index")));
    }
    return table.empty() ? "" : "\n" + section("problems", table);
}

std::string listeners(const Json& now) {
    Table table({"LISTENER", ">PORT", "DEVICE", "STATE"});
    for (const Json& listener : list(now, "listeners"))
        table.add({word(listener, "address"), word(listener, "port"), word(listener, "device"),
                   word(listener, "state")});
    return section("listeners", table) + "\n";
}

std::string reactors(const Sample& sample) {
    Table table({"REACTOR", ">TURNS/S", ">SLEEPS/S", ">BUSY"});
    for (const Json& reactor : list(sample.now, "reactors")) {
        const Json& before = sample.same("reactors", "name", reactor);
        const auto busy = sample.rate(reactor, before, {"busy_ns"});
        table.add({word(reactor, "name"), text_of(sample.rate(reactor, before, {"turns"}), rate_text),
                   text_of(sample.rate(reactor, before, {"sleeps"}), rate_text),
                   busy ? fmt::format("{:.0f} %", *busy / 1e7) : "-"});
    }
    return "\n" + section("reactors", table);
}

}  // namespace

std::string status_text(const Json& status, const Json& earlier, double seconds) {
    const Sample sample{status, earlier, seconds};
    const bool target = member(status, "kind") == "target";
    std::string text = head(status);
    if (target)
        text += listeners(status) + target_volumes(sample) +
                channels(sample, "nexuses", "initiator", "INITIATOR");
    else
        text += initiator_volumes(sample) + channels(sample, "sessions", "target", "TARGET");
    return text + waits(status) + problems(status) + reactors(sample);
}

}  // namespace weft::ctl
