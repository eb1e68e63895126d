// SPDX-License-Identifier: Apache-2.0
#include "initiator/site.h"

#include <cerrno>
#include <future>
#include <utility>

namespace weft::initiator {

namespace {
constexpr auto kGlance = std::chrono::milliseconds(50);  // how often a wait looks whether it is given up
}  // namespace

Site::~Site() {
    for (auto& [name, entry] : sessions_) stop(std::move(entry.session));
    thread_->stop();
}

Result<Session*> Site::acquire(const config::Initiator& initiator, const config::RemoteTarget& target) {
    const auto found = sessions_.find(target.name);
    if (found != sessions_.end()) {
        ++found->second.users;
        return found->second.session.get();
    }
    Result<std::unique_ptr<Session>> made = fail("");
    thread_->call([&] {
        made = Session::create(thread_->reactor(), thread_->fabric(), thread_->regions(),
                               session_options(initiator, target));
        if (made) (*made)->start();
    });
    if (!made) return Failure(made.error());
    Session* session = made->get();
    const std::lock_guard lock(mutex_);
    sessions_.emplace(target.name, Entry{std::move(*made), 1});
    return session;
}

void Site::release(const std::string& target) {
    const auto found = sessions_.find(target);
    WEFT_CHECK(found != sessions_.end() && found->second.users > 0);
    if (--found->second.users > 0) return;
    std::unique_ptr<Session> session = std::move(found->second.session);
    {
        const std::lock_guard lock(mutex_);
        sessions_.erase(found);
    }
    stop(std::move(session));
}

void Site::stop(std::unique_ptr<Session> session) {
    auto stopped = std::make_shared<std::promise<void>>();
    auto future = stopped->get_future();
    thread_->call([&] { session->stop([stopped] { stopped->set_value(); }); });
    future.wait();
    thread_->call([&] { session.reset(); });
}

Result<RemoteUnit> Site::find_unit(Session& session, const UnitSelector& selector,
                                   std::chrono::milliseconds limit) {
    auto answer = std::make_shared<std::promise<Result<RemoteUnit>>>();
    auto future = answer->get_future();
    thread_->call([&] {
        session.find_unit(selector,
                          [answer](Result<RemoteUnit> unit) { answer->set_value(std::move(unit)); });
    });
    const auto begun = std::chrono::steady_clock::now();
    while (future.wait_for(kGlance) != std::future_status::ready) {
        const bool late = limit.count() >= 0 && std::chrono::steady_clock::now() - begun >= limit;
        if (!late && !given_up_) continue;
        std::string problem;
        thread_->call([&] { problem = session.status().problem; });
        if (problem.empty()) problem = "no answer";
        return late ? fail(problem, ETIMEDOUT) : fail("waiting was given up: " + problem, ECANCELED);
    }
    return future.get();
}

Session* Site::session(const std::string& target) {
    const auto found = sessions_.find(target);
    return found == sessions_.end() ? nullptr : found->second.session.get();
}

std::vector<SessionStatus> Site::status() {
    std::vector<SessionStatus> all;
    const std::lock_guard lock(mutex_);
    thread_->call([&] {
        for (auto& [name, entry] : sessions_) all.push_back(entry.session->status());
    });
    return all;
}

}  // namespace weft::initiator
