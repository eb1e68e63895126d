// SPDX-License-Identifier: Apache-2.0
// The other end of a control socket, for tools and tests.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/control/message.h"
#include "common/core/result.h"
#include "common/core/unique_fd.h"

namespace weft::control {

// What the daemon answered: exactly one of the two is meaningful.
struct Reply {
    std::optional<Refusal> refusal;
    Json result;
};

// Owner: the caller; one thread at a time. Blocking. A Failure means that the daemon could not be reached
// or went away (Error.code: ECONNREFUSED, ENOENT, EPIPE, ETIMEDOUT, EPROTO...); a refusal is in the Reply.
class Client {
  public:
    [[nodiscard]] static Result<Client> connect(const std::string& path);

    [[nodiscard]] Result<Reply> call(const std::string& method, const Json& params,
                                     std::chrono::milliseconds limit);
    // The next line the daemon pushes: {"event":...} or {"dropped":N}. A negative limit waits for ever.
    [[nodiscard]] Result<Json> next(std::chrono::milliseconds limit);

    [[nodiscard]] int fd() const { return fd_.get(); }

  private:
    Client(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
    [[nodiscard]] Result<Json> read_line(std::chrono::steady_clock::time_point deadline, bool forever);

    UniqueFd fd_;
    std::string path_;
    std::string inbox_;
    std::vector<Json> pushed_;  // events that came while a reply was awaited
    std::int64_t last_id_ = 0;
};

}  // namespace weft::control
