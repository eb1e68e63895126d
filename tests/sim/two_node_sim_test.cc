// SPDX-License-Identifier: Apache-2.0
// Runs the two-node scenario over many seeds, each in a process of its own, so that a failed check of the
// product is one seed's failure and names it. The last line: "N seeds, N failed".
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "common/core/unique_fd.h"
#include "tests/sim/two_node_sim.h"

namespace weft::sim {
namespace {

constexpr unsigned kSecondsMax = 120;  // of real time, for one seed

struct Options {
    std::uint64_t seeds = 1000;
    std::uint64_t first = 1;
    std::size_t jobs = 1;
    std::uint64_t replay = 0;
    bool bites = false;
    std::string plant = "none";
};

const std::map<std::string, Plant>& plants() {
    static const std::map<std::string, Plant> all{{"none", Plant::none},
                                                  {"early_answer", Plant::early_answer},
                                                  {"lands_twice", Plant::lands_twice},
                                                  {"flush_not_done", Plant::flush_not_done},
                                                  {"outlives_process", Plant::outlives_process},
                                                  {"loses_write", Plant::loses_write},
                                                  {"silent_power_loss", Plant::silent_power_loss},
                                                  {"new_name", Plant::new_name}};
    return all;
}

struct Outcome {
    SimCounts counts;
    std::string complaint;  // "" if nothing was wrong
    std::string report;
};

// A seed that runs in a child: what it writes to the pipe is its counts, then complaint and report.
struct Child {
    std::uint64_t seed = 0;
    pid_t pid = -1;
    UniqueFd pipe;
};

void write_all(int fd, const void* from, std::size_t bytes) {
    const auto* at = static_cast<const char*>(from);
    while (bytes > 0) {
        const ssize_t written = ::write(fd, at, bytes);
        if (written <= 0) std::_Exit(3);
        at += written;
        bytes -= static_cast<std::size_t>(written);
    }
}

[[noreturn]] void run_child(std::uint64_t seed, Plant plant, int fd) {
    ::alarm(kSecondsMax);
    if (std::freopen("/dev/null", "w", stdout) == nullptr) std::_Exit(3);
    if (plant != Plant::none && std::freopen("/dev/null", "w", stderr) == nullptr) std::_Exit(3);
    TwoNodeSim sim(seed, plant);
    const std::string complaint = sim.run();
    write_all(fd, &sim.counts(), sizeof(SimCounts));
    if (!complaint.empty()) {
        const std::string text = complaint + '\0' + sim.report();
        write_all(fd, text.data(), text.size());
    }
    std::_Exit(0);
}

Child start(std::uint64_t seed, Plant plant) {
    int ends[2];
    WEFT_CHECK(::pipe(ends) == 0);
    std::fflush(stdout);
    Child child{seed, ::fork(), UniqueFd(ends[0])};
    WEFT_CHECK(child.pid >= 0);
    if (child.pid == 0) run_child(seed, plant, ends[1]);
    ::close(ends[1]);
    return child;
}

Outcome finish(const Child& child) {
    std::string text;
    char piece[4096];
    for (ssize_t got = 0; (got = ::read(child.pipe.get(), piece, sizeof piece)) > 0;)
        text.append(piece, static_cast<std::size_t>(got));
    int status = 0;
    WEFT_CHECK(::waitpid(child.pid, &status, 0) == child.pid);
    Outcome outcome;
    if (WIFSIGNALED(status)) {
        outcome.complaint = WTERMSIG(status) == SIGALRM
                                ? "does not end"
                                : "the process ended by signal " + std::to_string(WTERMSIG(status));
    } else if (WEXITSTATUS(status) != 0 || text.size() < sizeof(SimCounts)) {
        outcome.complaint = "the process ended with status " + std::to_string(WEXITSTATUS(status));
    } else {
        std::memcpy(&outcome.counts, text.data(), sizeof(SimCounts));
        const std::string rest = text.substr(sizeof(SimCounts));
        const std::size_t end = std::min(rest.find('\0'), rest.size());
        outcome.complaint = rest.substr(0, end);
        if (end < rest.size()) outcome.report = rest.substr(end + 1);
    }
    return outcome;
}

// Calls `visit` for each seed in order until it returns false.
template <class Visit>
void run_seeds(const Options& options, Plant plant, Visit visit) {
    std::vector<Child> children;
    std::uint64_t next = options.first;
    const std::uint64_t end = options.first + options.seeds;
    bool going_on = true;
    while (!children.empty() || (going_on && next < end)) {
        while (going_on && next < end && children.size() < options.jobs)
            children.push_back(start(next++, plant));
        const Child child = std::move(children.front());
        children.erase(children.begin());
        const Outcome outcome = finish(child);
        if (going_on) going_on = visit(child.seed, outcome);
    }
}

void print_counts(const SimCounts& counts) {
    const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
    std::printf("%llu requests, %llu given again to a new initiator, %llu failed by a disk\n",
                number(counts.requests), number(counts.reissued), number(counts.failed));
    std::printf(
        "%llu blocks compared; commands resent %llu, settled by ABORT TASK %llu; failovers %llu, "
        "recoveries %llu; %llu s simulated\n",
        number(counts.blocks_checked), number(counts.resent), number(counts.settled),
        number(counts.failovers), number(counts.recoveries), number(counts.simulated_us / 1000000));
    std::printf("faults:");
    for (std::size_t i = 0; i < kFaults; ++i)
        std::printf("%s %s %llu", i == 0 ? "" : ",", std::string(to_string(static_cast<Fault>(i))).c_str(),
                    number(counts.faults.at(i)));
    std::printf("\n");
}

int run_all(const Options& options, const char* program) {
    const Plant plant = plants().at(options.plant);
    SimCounts counts;
    std::uint64_t run = 0;
    std::vector<std::uint64_t> failed;
    run_seeds(options, plant, [&](std::uint64_t seed, const Outcome& outcome) {
        ++run;
        counts.add(outcome.counts);
        if (outcome.complaint.empty()) return true;
        if (failed.size() < 3)
            std::printf("%sseed %llu: %s\nreplay: WEFT_SEED=%llu %s\n\n", outcome.report.c_str(),
                        static_cast<unsigned long long>(seed), outcome.complaint.c_str(),
                        static_cast<unsigned long long>(seed), program);
        failed.push_back(seed);
        return failed.size() < 50;
    });
    print_counts(counts);
    if (!failed.empty()) {
        std::printf("failed seeds:");
        for (const std::uint64_t seed : failed) std::printf(" %llu", static_cast<unsigned long long>(seed));
        std::printf("\n");
    }
    std::printf("%llu seeds, %zu failed\n", static_cast<unsigned long long>(run), failed.size());
    return failed.empty() ? 0 : 1;
}

int replay(const Options& options) {
    TwoNodeSim sim(options.replay, plants().at(options.plant), true);
    const std::string complaint = sim.run();
    if (!complaint.empty()) std::printf("--- the end\n%s", sim.report().c_str());
    std::printf("seed %llu: %s, history %016llx\n", static_cast<unsigned long long>(options.replay),
                complaint.empty() ? "passed" : complaint.c_str(),
                static_cast<unsigned long long>(sim.counts().digest));
    return complaint.empty() ? 0 : 1;
}

// Each planted mistake must be found within the given number of seeds, and a seed must repeat itself.
int prove_bites(const Options& options) {
    int missed = 0;
    for (const auto& [name, plant] : plants()) {
        if (plant == Plant::none) continue;
        std::uint64_t found = 0;
        std::string complaint;
        run_seeds(options, plant, [&](std::uint64_t seed, const Outcome& outcome) {
            if (outcome.complaint.empty()) return true;
            found = seed;
            complaint = outcome.complaint;
            return false;
        });
        if (found == 0) ++missed;
        std::printf("%s: %s\n", name.c_str(),
                    found == 0 ? "NOT FOUND" : ("seed " + std::to_string(found) + ": " + complaint).c_str());
    }
    std::vector<std::uint64_t> digests;
    for (int round = 0; round < 2; ++round) {
        Options few = options;
        few.seeds = 20;
        run_seeds(few, Plant::none, [&](std::uint64_t, const Outcome& outcome) {
            digests.push_back(outcome.counts.digest);
            return true;
        });
    }
    for (std::size_t i = 0; i < 20; ++i) {
        if (digests[i] == digests[i + 20]) continue;
        std::printf("seed %zu has two histories\n", i + 1);
        ++missed;
    }
    return missed == 0 ? 0 : 1;
}

Options from_environment() {
    Options options;
    const auto number = [](const char* name, std::uint64_t otherwise) {
        const char* const text = std::getenv(name);
        return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
    };
    options.seeds = number("WEFT_SIM_SEEDS", number("WEFT_LONG", 0) != 0 ? 10000 : 1000);
    options.replay = number("WEFT_SEED", 0);
    return options;
}

}  // namespace
}  // namespace weft::sim

int main(int argc, char** argv) {
    weft::sim::Options options = weft::sim::from_environment();
    CLI::App app{"weft's two-node simulator"};
    app.add_option("--seeds", options.seeds, "how many (WEFT_SIM_SEEDS)")->check(CLI::PositiveNumber);
    app.add_option("--first", options.first, "the first of them")->check(CLI::PositiveNumber);
    app.add_option("--jobs", options.jobs, "processes at once")->check(CLI::Range(1, 256));
    app.add_option("--replay", options.replay, "one seed, telling what happens (WEFT_SEED)");
    app.add_option("--plant", options.plant, "a mistake made on purpose");
    app.add_flag("--bites", options.bites, "each planted mistake must be found within --seeds");
    CLI11_PARSE(app, argc, argv);
    if (!weft::sim::plants().contains(options.plant)) {
        std::fprintf(stderr, "no such plant: %s\n", options.plant.c_str());
        return 2;
    }
    if (options.replay != 0) return weft::sim::replay(options);
    return options.bites ? weft::sim::prove_bites(options) : weft::sim::run_all(options, argv[0]);
}
