// SPDX-License-Identifier: Apache-2.0
#include "common/verbs/domain.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace weft::verbs {

namespace {

class Registration final : public rdma::Registration {
  public:
    explicit Registration(MemoryRegion region) : region_(std::move(region)) {}
    [[nodiscard]] rdma::Keys keys() const override { return {.lkey = region_->lkey, .rkey = region_->rkey}; }

  private:
    MemoryRegion region_;
};

int to_verbs(rdma::Access access) {
    switch (access) {
        case rdma::Access::local: return IBV_ACCESS_LOCAL_WRITE;
        case rdma::Access::remote_write: return IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;
        case rdma::Access::remote_read: return IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ;
        case rdma::Access::remote_both:
            return IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ;
    }
    WEFT_UNREACHABLE("no such access");
}

Failure registration_failure(std::size_t length, int code) {
    const std::string what = fmt::format("cannot register {} KiB of memory", length / 1024);
    rlimit limit{};
    if (code == ENOMEM && ::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        return fail(fmt::format("{}: the limit of locked memory is {} KiB; raise it (LimitMEMLOCK=infinity "
                                "in the systemd unit, ulimit -l unlimited in a shell) or run with "
                                "CAP_IPC_LOCK",
                                what, limit.rlim_cur / 1024),
                    code);
    }
    return fail_errno(what, code);
}

}  // namespace

// Shared by the domain, the worker and the call that brings the result back.
struct Domain::Job {
    enum class State : std::uint8_t { queued, running, finished, abandoned };

    // Set at the start.
    Domain* domain = nullptr;  // null once abandoned; the domain's thread only
    ibv_pd* pd = nullptr;
    std::byte* base = nullptr;
    std::size_t length = 0;
    rdma::Access access = rdma::Access::local;
    rdma::RegistrationDone done;

    std::mutex mutex;
    std::condition_variable finished;
    State state = State::queued;  // under mutex
    MemoryRegion region;          // the worker's while running, then the domain's
    int code = 0;

    // On the worker. False: nobody wants it any more.
    bool run() {
        {
            const std::lock_guard lock(mutex);
            if (state == State::abandoned) return false;
            state = State::running;
        }
        region.reset(ibv_reg_mr(pd, base, length, to_verbs(access)));
        code = region ? 0 : errno;
        const std::lock_guard lock(mutex);
        state = State::finished;
        finished.notify_all();
        return true;
    }
    // On the domain's thread: after this the worker does not touch the domain.
    void abandon() {
        std::unique_lock lock(mutex);
        if (state == State::queued) state = State::abandoned;
        finished.wait(lock, [this] { return state != State::running; });
        domain = nullptr;
        region.reset();
    }
};

Result<std::unique_ptr<rdma::Domain>> Domain::create(std::shared_ptr<Device> device, Executor& executor,
                                                     Worker& worker) {
    ProtectionDomain handle(ibv_alloc_pd(&device->context()));
    if (!handle) return fail_errno("cannot allocate a protection domain on " + device->name(), errno);
    return std::unique_ptr<rdma::Domain>(new Domain(std::move(device), std::move(handle), executor, worker));
}

Domain::Domain(std::shared_ptr<Device> device, ProtectionDomain handle, Executor& executor, Worker& worker)
    : executor_(executor), worker_(worker), device_(std::move(device)), handle_(std::move(handle)) {
    device_->add(*this);
}

Domain::~Domain() {
    device_->remove(*this);
    executor_.cancel(loss_);
    for (const auto& job : jobs_) job->abandon();
}

void Domain::register_memory(std::byte* base, std::size_t length, rdma::Access access,
                             rdma::RegistrationDone done) {
    auto job = std::make_shared<Job>();
    job->domain = this;
    job->pd = handle_.get();
    job->base = base;
    job->length = length;
    job->access = access;
    job->done = std::move(done);
    jobs_.push_back(job);
    worker_.submit([job, &executor = executor_] {
        if (!job->run()) return;
        executor.post([job] {
            if (job->domain != nullptr) job->domain->on_registered(job);
        });
    });
}

void Domain::when_device_lost(std::function<void()> lost) {
    WEFT_CHECK(lost_ == nullptr);
    lost_ = std::move(lost);
    if (!device_->usable()) on_device_lost();
}

// By a timer, which can be cancelled: the domain may be destroyed before it is told.
void Domain::on_device_lost() { executor_.start(loss_, Duration{0}); }

void Domain::report_loss() {
    if (auto lost = std::exchange(lost_, nullptr)) lost();
}

void Domain::on_registered(const std::shared_ptr<Job>& job) {
    std::erase(jobs_, job);
    const rdma::RegistrationDone done = std::move(job->done);
    if (!job->region) {
        done(registration_failure(job->length, job->code));
        return;
    }
    done(std::unique_ptr<rdma::Registration>(new Registration(std::move(job->region))));
}

}  // namespace weft::verbs
