// SPDX-License-Identifier: Apache-2.0
#include "common/core/log.h"

#include <fmt/format.h>
#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "common/core/check.h"
#include "common/core/log_listener.h"

namespace weft::log {

namespace {
constexpr std::size_t kQueuedLinesMax = 8192;

Listener* listener = nullptr;

spdlog::level::level_enum level_of(Level level) {
    switch (level) {
        case Level::debug: return spdlog::level::debug;
        case Level::info: return spdlog::level::info;
        case Level::warn: return spdlog::level::warn;
        case Level::error: return spdlog::level::err;
    }
    WEFT_UNREACHABLE("log level");
}
}  // namespace

void write(Level level, fmt::string_view format, fmt::format_args arguments) {
    if (listener != nullptr) listener->on_line(level, fmt::vformat(format, arguments));
    spdlog::logger* logger = spdlog::default_logger_raw();
    if (logger == nullptr || !logger->should_log(level_of(level))) return;
    logger->log(level_of(level), fmt::vformat(format, arguments));
}

void listen(Listener* whom) { listener = whom; }

bool start(const std::string& program, const std::string& level) {
    const auto parsed = spdlog::level::from_str(level);
    if (parsed == spdlog::level::off && level != "off") return false;
    spdlog::init_thread_pool(kQueuedLinesMax, 1);
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    auto logger = std::make_shared<spdlog::async_logger>(program, std::move(sink), spdlog::thread_pool(),
                                                         spdlog::async_overflow_policy::overrun_oldest);
    logger->set_level(parsed);
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %n %l: %v");
    logger->flush_on(spdlog::level::info);
    spdlog::set_default_logger(std::move(logger));
    return true;
}

void stop() { spdlog::shutdown(); }

}  // namespace weft::log
