// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstdio>

#include "common/config/machine.h"
#include "common/config/memory_budget.h"
#include "common/config/parse.h"
#include "tools/weftctl/commands.h"
#include "tools/weftctl/quantity.h"

namespace weft::ctl {

namespace {

int report(const std::string& lines) {
    fmt::print(stderr, "{}\n", lines);
    return kFindings;
}

int dump_keys() {
    for (const auto& [kind, name] :
         {std::pair{config::FileKind::target, "target"}, {config::FileKind::initiator, "initiator"}})
        for (const config::KeyReference& key : config::known_keys(kind))
            fmt::print("{}\t{}\t{}\t{}\t{}\n", name, key.key, key.type, key.fallback, key.range);
    return kOk;
}

template <class T>
int conclude(const T& parsed, const std::string& summary, const CheckOptions& options) {
    if (options.machine) {
        const auto findings = config::machine_findings(parsed);
        for (const std::string& finding : findings) report(finding);
        if (!findings.empty()) return kFindings;
    }
    const config::MemoryBudget budget = config::memory_budget(parsed);
    fmt::print("{}: good: {}\nmemory at most: {}\n", parsed.place.file, summary, bytes_text(budget.total));
    for (const config::MemoryShare& share : budget.shares)
        fmt::print("  {:>10}  {}\n", bytes_text(share.bytes), share.holder);
    return kOk;
}

std::string counted(std::size_t count, const char* noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace

int check_file(const std::string& path, const CheckOptions& options) {
    if (options.dump_keys) return dump_keys();
    const auto text = config::read_file(path);
    if (!text) return report(text.error().what);
    const auto kind = config::kind_of_text(*text, path);
    if (!kind) return report(kind.error().what);
    if (*kind == config::FileKind::target) {
        const auto target = config::parse_target_text(*text, path);
        if (!target) return report(target.error().what);
        return conclude(*target,
                        fmt::format("target {} with {} and {}", target->name,
                                    counted(target->listeners.size(), "listener"),
                                    counted(target->volumes.size(), "volume")),
                        options);
    }
    const auto initiator = config::parse_initiator_text(*text, path);
    if (!initiator) return report(initiator.error().what);
    return conclude(*initiator,
                    fmt::format("initiator {} with {} and {}", initiator->name,
                                counted(initiator->targets.size(), "target"),
                                counted(initiator->volumes.size(), "volume")),
                    options);
}

}  // namespace weft::ctl
