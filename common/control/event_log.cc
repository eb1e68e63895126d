// SPDX-License-Identifier: Apache-2.0
#include "common/control/event_log.h"

#include <utility>

#include "common/core/check.h"
#include "common/core/log.h"

namespace weft::control {

namespace {

constexpr std::size_t kTextBytesMax = 1024;

void cut(std::string& text) {
    if (text.size() <= kTextBytesMax) return;
    std::size_t end = kTextBytesMax;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80)
        --end;  // not inside a character
    text.resize(end);
}

void write_to_log(const Event& event) {
    switch (event.severity) {
        case Severity::info: return log::info("{}: {}", event.object, event.text);
        case Severity::warning: return log::warn("{}: {}", event.object, event.text);
        case Severity::error: return log::error("{}: {}", event.object, event.text);
    }
}

}  // namespace

const char* to_string(Severity severity) {
    switch (severity) {
        case Severity::info: return "info";
        case Severity::warning: return "warning";
        case Severity::error: return "error";
    }
    WEFT_UNREACHABLE("severity");
}

EventLog::EventLog(std::size_t kept) : kept_(kept) { WEFT_CHECK(kept > 0); }

void EventLog::add(Severity severity, std::string object, std::string text) {
    cut(object);
    cut(text);
    Event event{.time = std::chrono::system_clock::now(),
                .severity = severity,
                .object = std::move(object),
                .text = std::move(text)};
    write_to_log(event);
    {
        const std::lock_guard lock(mutex_);
        event.sequence = ++newest_;
        ring_.push_back(std::move(event));
        if (ring_.size() > kept_) ring_.pop_front();
    }
    const std::lock_guard lock(listener_mutex_);
    if (listener_) listener_();
}

EventLog::Batch EventLog::read(std::uint64_t after, std::size_t limit) const {
    const std::lock_guard lock(mutex_);
    Batch batch{.position = after};
    if (after >= newest_) return batch;
    const std::uint64_t oldest = ring_.front().sequence;
    if (after + 1 < oldest) {
        batch.dropped = oldest - after - 1;
        batch.position = oldest - 1;
    }
    for (std::size_t i = batch.position + 1 - oldest; i < ring_.size() && batch.events.size() < limit; ++i) {
        batch.events.push_back(ring_[i]);
        batch.position = ring_[i].sequence;
    }
    return batch;
}

std::uint64_t EventLog::newest() const {
    const std::lock_guard lock(mutex_);
    return newest_;
}

void EventLog::listen(std::function<void()> listener) {
    const std::lock_guard lock(listener_mutex_);
    listener_ = std::move(listener);
}

}  // namespace weft::control
