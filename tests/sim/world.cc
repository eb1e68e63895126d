// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/world.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace weft::sim {

namespace {

constexpr std::size_t kTraceLines = 200;

// What killed processes owned. Their destructors must not run (a killed process runs none), yet the
// memory stays reachable, so that a leak checker sees no leak.
std::vector<std::vector<std::shared_ptr<void>>*>& graveyard() {
    static auto* graves = new std::vector<std::vector<std::shared_ptr<void>>*>;
    return *graves;
}
std::vector<Node*>& dead_nodes() {
    static auto* nodes = new std::vector<Node*>;
    return *nodes;
}

}  // namespace

std::uint64_t Random::below(std::uint64_t bound) {
    WEFT_CHECK(bound > 0);
    return engine_() % bound;
}

std::uint64_t Random::between(std::uint64_t low, std::uint64_t high) {
    WEFT_CHECK(low <= high);
    return low + below(high - low + 1);
}

Duration Random::between(Duration low, Duration high) {
    return Duration{static_cast<Duration::rep>(
        between(static_cast<std::uint64_t>(low.count()), static_cast<std::uint64_t>(high.count())))};
}

bool Random::chance(double probability) {
    return static_cast<double>(below(1U << 20U)) < probability * static_cast<double>(1U << 20U);
}

Node::~Node() { WEFT_CHECK(kept_.empty()); }

Instant Node::now() const { return world_.now(); }

void Node::defer(Deferred& call) {
    deferred_.push_back(call);
    // Outside a turn (a test that calls in directly) the call still runs in a turn of its own.
    if (!in_turn_) world_.after(Duration{0}, this, [] {});
}

void Node::start(Timer& timer, Duration after) { timers_.start(timer, now() + after); }

void Node::cancel(Timer& timer) { timers_.cancel(timer); }

void Node::post(std::function<void()> call) {
    world_.after(world_.random().between(Duration{0}, Duration{20us}), this, std::move(call));
}

void Node::turn(const std::function<void()>& call) {
    if (!alive_) return;
    in_turn_ = true;
    call();
    while (alive_ && run_deferred()) {
    }
    in_turn_ = false;
}

bool Node::run_deferred() {
    if (deferred_.empty()) return false;
    deferred_.pop_front().run();
    return true;
}

void Node::kill() {
    WEFT_CHECK(alive_);
    alive_ = false;
    world_.trace(name_ + " killed");
    for (auto& call : death_calls_) call();
    graveyard().push_back(new std::vector<std::shared_ptr<void>>(std::move(kept_)));
    kept_.clear();
}

void Node::release_kept() {
    while (!kept_.empty()) kept_.pop_back();
}

World::~World() {
    for (auto& node : nodes_) {
        if (node->alive()) {
            node->release_kept();
        } else {
            dead_nodes().push_back(node.release());  // its lists still hold what it owned
        }
    }
}

Node& World::add_node(std::string name) {
    nodes_.push_back(std::make_unique<Node>(*this, std::move(name)));
    return *nodes_.back();
}

void World::after(Duration delay, Node* node, std::function<void()> call) {
    events_.push_back(std::make_unique<Event>(Event{now_ + delay, order_++, node, std::move(call)}));
    std::push_heap(events_.begin(), events_.end(), Later{});
}

Node* World::earliest_timer(Instant& at) {
    Node* earliest = nullptr;
    for (const auto& node : nodes_) {
        if (!node->alive_) continue;
        const auto deadline = node->timers_.next_deadline();
        if (deadline && (earliest == nullptr || *deadline < at)) {
            earliest = node.get();
            at = *deadline;
        }
    }
    return earliest;
}

bool World::step() {
    Instant timer_at{};
    Node* timer_node = earliest_timer(timer_at);
    const bool have_event = !events_.empty();
    if (timer_node == nullptr && !have_event) return false;
    if (timer_node != nullptr && (!have_event || timer_at < events_.front()->at)) {
        now_ = std::max(now_, timer_at);
        timer_node->turn([&] { timer_node->timers_.expire_until(now_); });
        return true;
    }
    std::pop_heap(events_.begin(), events_.end(), Later{});
    const std::unique_ptr<Event> event = std::move(events_.back());
    events_.pop_back();
    now_ = std::max(now_, event->at);
    if (event->node == nullptr) {
        event->call();
    } else {
        event->node->turn(event->call);
    }
    return true;
}

void World::run_for(Duration span) {
    bool over = false;
    after(span, nullptr, [&over] { over = true; });
    while (!over && step()) {
    }
}

bool World::run_until(const std::function<bool()>& done, Duration limit) {
    auto over = std::make_shared<bool>(false);
    after(limit, nullptr, [over] { *over = true; });
    while (!done()) {
        if (*over || !step()) return done();
    }
    return true;
}

void World::trace(std::string line) {
    line = std::to_string(now_.time_since_epoch().count() / 1000) + " us: " + line;
    if (echo_) std::puts(line.c_str());
    if (trace_.size() < kTraceLines) {
        trace_.push_back(std::move(line));
    } else {
        trace_[trace_next_] = std::move(line);
    }
    trace_next_ = (trace_next_ + 1) % kTraceLines;
}

std::string World::recent() const {
    std::string text;
    const std::size_t start = trace_.size() < kTraceLines ? 0 : trace_next_;
    for (std::size_t i = 0; i < trace_.size(); ++i) text += trace_[(start + i) % trace_.size()] + "\n";
    return text;
}

}  // namespace weft::sim
