// SPDX-License-Identifier: Apache-2.0
#include "tools/weftctl/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <thread>

#include "common/control/client.h"
#include "tools/weftctl/document.h"
#include "tools/weftctl/quantity.h"
#include "tools/weftctl/status_view.h"

namespace weft::ctl {

using control::Client;
using Clock = std::chrono::steady_clock;

namespace {

void complain(const std::string& what) { fmt::print(stderr, "weftctl: {}\n", what); }

// Writes and reports whether the reader is still there (a pipe may have closed).
bool put(const std::string& text) {
    return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

std::optional<Client> reach(const Daemon& daemon) {
    std::string reasons;
    for (const std::string& socket : daemon.sockets) {
        auto client = Client::connect(socket);
        if (client) return std::move(*client);
        reasons += (reasons.empty() ? "" : "; ") + client.error().what;
        // A socket that is there but closed to us is the answer; the next one would be another daemon.
        if (client.error().code == EACCES || client.error().code == EPERM) break;
    }
    complain("no daemon answers (" + reasons + "); is it running, and are you root?");
    return std::nullopt;
}

// One call. On success the result, else the exit code after saying why.
struct Outcome {
    int code = kOk;
    Json result;
};
Outcome call(Client& client, const Daemon& daemon, const char* method, const Json& params) {
    auto reply = client.call(method, params, daemon.limit);
    if (!reply) {
        complain(reply.error().what);
        return {.code = kUnreachable};
    }
    if (reply->refusal) {
        complain(printable(reply->refusal->message));
        return {.code = kFailed};
    }
    return {.result = std::move(reply->result)};
}

std::string pretty(const Json& json) {
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string event_text(const Json& event) {
    return fmt::format("{}  {:7}  {}: {}\n", word(event, "time"), word(event, "severity"),
                       word(event, "object"), word(event, "text"));
}

bool put_event(const Json& message, bool json) {
    if (json) return put(control::line(message));
    if (const auto dropped = number(message, "dropped"))
        return put(fmt::format("({} events were missed here)\n", *dropped));
    return put(event_text(member(message, "event")));
}

}  // namespace

int show_status(const Daemon& daemon, const StatusOptions& options) {
    auto client = reach(daemon);
    if (!client) return kUnreachable;
    Json earlier;
    auto earlier_at = Clock::now();
    // For a table the first document only serves the rates of the second.
    constexpr std::chrono::milliseconds kQuick{250};
    bool first = !options.json;
    while (true) {
        Outcome outcome = call(*client, daemon, "status", Json::object());
        if (outcome.code != kOk) return outcome.code;
        const auto now = Clock::now();
        if (!first) {
            const double seconds = std::chrono::duration<double>(now - earlier_at).count();
            const bool terminal = options.watch && !options.json && ::isatty(STDOUT_FILENO) == 1;
            std::string text = terminal ? "\033[H\033[2J" : "";
            if (options.json)
                text += options.watch ? control::line(outcome.result) : pretty(outcome.result);
            else
                text += status_text(outcome.result, earlier, earlier.is_null() ? 0 : seconds);
            if (!put(text) || !options.watch) return kOk;
        }
        earlier = std::move(outcome.result);
        earlier_at = now;
        std::this_thread::sleep_for(first ? kQuick : options.interval);
        first = false;
    }
}

int show_events(const Daemon& daemon, const EventsOptions& options) {
    auto client = reach(daemon);
    if (!client) return kUnreachable;
    const Outcome outcome =
        call(*client, daemon, "events", {{"follow", options.follow}, {"limit", options.limit}});
    if (outcome.code != kOk) return outcome.code;
    for (const Json& event : list(outcome.result, "events"))
        if (!put_event({{"event", event}}, options.json)) return kOk;
    while (options.follow) {
        const auto message = client->next(std::chrono::milliseconds{-1});
        if (!message) {
            complain(message.error().what);
            return kUnreachable;
        }
        if (!put_event(*message, options.json)) return kOk;
    }
    return kOk;
}

int attach(const Daemon& daemon, const std::string& volume) {
    auto client = reach(daemon);
    if (!client) return kUnreachable;
    const Outcome outcome = call(*client, daemon, "attach", {{"name", volume}});
    if (outcome.code == kOk)
        put(fmt::format("{} is attached as {}\n", volume, word(outcome.result, "device")));
    return outcome.code;
}

int detach(const Daemon& daemon, const std::string& volume, bool force) {
    auto client = reach(daemon);
    if (!client) return kUnreachable;
    const Outcome outcome = call(*client, daemon, "detach", {{"name", volume}, {"force", force}});
    if (outcome.code == kOk) put(fmt::format("{} is detached\n", volume));
    return outcome.code;
}

int drop_channel(const Daemon& daemon, const std::string& peer, unsigned index) {
    auto client = reach(daemon);
    if (!client) return kUnreachable;
    const Outcome outcome = call(*client, daemon, "channel_drop", {{"peer", peer}, {"index", index}});
    if (outcome.code == kOk) put(fmt::format("channel {}/{} is cut\n", peer, index));
    return outcome.code;
}

int show_version(const Daemon& daemon) {
    put(fmt::format("weftctl {}\n", WEFT_VERSION));
    for (const std::string& socket : daemon.sockets) {
        auto client = Client::connect(socket);
        if (!client) continue;
        const auto reply = client->call("status", Json::object(), daemon.limit);
        if (reply && !reply->refusal)
            put(fmt::format("{} {} {}\n", word(reply->result, "kind"), word(reply->result, "name"),
                            word(reply->result, "version")));
    }
    return kOk;
}

}  // namespace weft::ctl
