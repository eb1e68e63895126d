// SPDX-License-Identifier: Apache-2.0
#include "common/control/work_thread.h"

#include <pthread.h>

#include <utility>

#include "common/core/check.h"

namespace weft::control {

void WorkThread::start() {
    WEFT_CHECK(!thread_.joinable());
    thread_ = std::thread([this] { run(); });
    ::pthread_setname_np(thread_.native_handle(), "control");
}

void WorkThread::post(std::function<void()> call) {
    const std::lock_guard lock(mutex_);
    if (finishing_) return;
    calls_.push_back(std::move(call));
    changed_.notify_one();
}

void WorkThread::finish() {
    WEFT_CHECK(!is_current());
    {
        const std::lock_guard lock(mutex_);
        finishing_ = true;
        changed_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
}

void WorkThread::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return finishing_ || !calls_.empty(); });
        if (calls_.empty()) return;
        const auto call = std::move(calls_.front());
        calls_.pop_front();
        lock.unlock();
        call();
        lock.lock();
    }
}

}  // namespace weft::control
