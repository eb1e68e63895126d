// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace weft::control {

// Runs calls one after the other on a thread of its own. Owner: Server.
class WorkThread {
  public:
    WorkThread() = default;
    WorkThread(const WorkThread&) = delete;
    WorkThread& operator=(const WorkThread&) = delete;
    ~WorkThread() { finish(); }

    void start();
    void post(std::function<void()> call);  // any thread; after finish() the call is dropped
    void finish();  // runs what was posted before, then ends. Not from the thread itself.
    [[nodiscard]] bool is_current() const { return std::this_thread::get_id() == thread_.get_id(); }

  private:
    void run();

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> calls_;
    bool finishing_ = false;
    std::thread thread_;
};

}  // namespace weft::control
