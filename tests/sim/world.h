// SPDX-License-Identifier: Apache-2.0
// Simulated time and nodes: one process, one seed. Everything that happens is an event of the world; events
// at one instant happen in the order they were made. Production code runs unchanged on a Node's executor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "common/core/executor.h"
#include "common/core/timer_queue.h"

namespace weft::sim {

class World;

// Seeded choices. Every probability and delay in the simulator comes from here.
class Random {
  public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    [[nodiscard]] std::uint64_t below(std::uint64_t bound);                      // [0, bound), bound > 0
    [[nodiscard]] std::uint64_t between(std::uint64_t low, std::uint64_t high);  // [low, high]
    [[nodiscard]] Duration between(Duration low, Duration high);
    [[nodiscard]] bool chance(double probability);

  private:
    std::mt19937_64 engine_;
};

// One process on one machine: an executor whose turns the world runs.
class Node final : public Executor {
  public:
    Node(World& world, std::string name) : world_(world), name_(std::move(name)) {}
    ~Node() override;

    [[nodiscard]] Instant now() const override;
    void defer(Deferred& call) override;
    void start(Timer& timer, Duration after) override;
    void cancel(Timer& timer) override;
    void post(std::function<void()> call) override;
    [[nodiscard]] bool is_current() const override { return true; }

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] bool alive() const { return alive_; }
    [[nodiscard]] World& world() { return world_; }

    // kill -9: from now on nothing runs here. What the process owned is kept, untouched, until the world ends
    // (no destructor of a killed process runs). Listeners to deaths (the fabric) are told.
    void kill();
    void on_death(std::function<void()> call) { death_calls_.push_back(std::move(call)); }

    // Hands something to the node to keep until it is killed or released in order (last first).
    template <class T>
    T& keep(std::unique_ptr<T> object) {
        T& reference = *object;
        kept_.push_back(std::shared_ptr<void>(std::move(object)));
        return reference;
    }
    void release_kept();

  private:
    friend class World;
    void turn(const std::function<void()>& call);
    bool run_deferred();

    World& world_;
    std::string name_;
    bool alive_ = true;
    bool in_turn_ = false;
    IntrusiveList<Deferred> deferred_;
    TimerQueue timers_;
    std::vector<std::shared_ptr<void>> kept_;
    std::vector<std::function<void()>> death_calls_;
};

class World {
  public:
    explicit World(std::uint64_t seed) : seed_(seed), random_(seed) {}
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    ~World();

    [[nodiscard]] Instant now() const { return now_; }
    [[nodiscard]] Random& random() { return random_; }
    [[nodiscard]] std::uint64_t seed() const { return seed_; }

    Node& add_node(std::string name);
    // Runs `call` after `delay` in a turn of `node`; dropped if the node is dead by then. A null node: of the
    // world.
    void after(Duration delay, Node* node, std::function<void()> call);

    // Runs the next event; false if there is none.
    bool step();
    void run_for(Duration span);
    // Steps until `done` or until `limit` of simulated time has passed; returns done().
    bool run_until(const std::function<bool()>& done, Duration limit);

    // The last events in words, for a failure's report.
    void trace(std::string line);
    void set_echo(bool echo) { echo_ = echo; }  // prints each at once
    [[nodiscard]] std::string recent() const;

  private:
    struct Event {
        Instant at;
        std::uint64_t order;
        Node* node;
        std::function<void()> call;
    };
    struct Later {
        bool operator()(const std::unique_ptr<Event>& a, const std::unique_ptr<Event>& b) const {
            return a->at != b->at ? a->at > b->at : a->order > b->order;
        }
    };
    [[nodiscard]] Node* earliest_timer(Instant& at);

    std::uint64_t seed_;
    Random random_;
    Instant now_{};
    std::uint64_t order_ = 0;
    std::vector<std::unique_ptr<Event>> events_;  // a heap ordered by Later
    std::vector<std::unique_ptr<Node>> nodes_;
    std::vector<std::string> trace_;
    std::size_t trace_next_ = 0;
    bool echo_ = false;
};

}  // namespace weft::sim
