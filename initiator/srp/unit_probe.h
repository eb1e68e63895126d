// SPDX-License-Identifier: Apache-2.0
// Asks one logical unit what it is: INQUIRY, its VPD pages, its capacity, its modes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/core/executor.h"
#include "common/scsi/capacity.h"
#include "common/scsi/cdb.h"
#include "common/scsi/sense.h"
#include "initiator/srp/command.h"
#include "initiator/srp/remote_unit.h"
#include "initiator/srp/session.h"

namespace weft::initiator {

// One command that reads parameter data, with its retries. Owner: whoever asks. Thread: the session's
// reactor. REQUIRES: not asking when destroyed (the session gives the command back at the latest when it
// stops).
class Question {
  public:
    Question(Session& session, SessionUser& user, std::function<void()> answered);
    Question(const Question&) = delete;
    Question& operator=(const Question&) = delete;
    ~Question();

    // `answered` runs later. REQUIRES: !asking()
    void ask(const srp::Lun& lun, const scsi::Cdb& cdb, std::uint32_t length);

    [[nodiscard]] bool asking() const { return asking_; }
    [[nodiscard]] bool good() const { return problem_.empty(); }
    // The unit understood and said no: it has no such page or command.
    [[nodiscard]] bool refused() const { return refused_; }
    [[nodiscard]] std::span<const std::byte> reply() const;  // REQUIRES: good()
    [[nodiscard]] const std::string& problem() const { return problem_; }

  private:
    struct Asked : Command {
        Question* question = nullptr;
    };
    void send();
    void on_done();
    void again(bool later, const std::string& why);
    void end(std::string problem, bool refused = false);

    Session& session_;
    std::function<void()> answered_;
    Asked command_;
    Segment buffer_;
    bool asking_ = false;
    bool refused_ = false;
    std::uint32_t attempts_ = 0;
    std::string problem_;
    TimerCall<Question, &Question::send> retry_timer_{*this};
};

class UnitProbe {
  public:
    using Done = std::function<void(Result<RemoteUnit>)>;

    UnitProbe(Session& session, SessionUser& user);

    void start(std::uint32_t number, Done done);  // REQUIRES: !busy()
    [[nodiscard]] bool busy() const { return done_ != nullptr; }

  private:
    enum class Step : std::uint8_t {
        inquiry,
        pages,
        serial,
        identification,
        limits,
        characteristics,
        provisioning,
        epoch,
        capacity_16,
        capacity_10,
        mode,
    };
    void ask(Step step);
    void on_answered();
    void take_identification(std::span<const std::byte> reply);
    void take_limits(std::span<const std::byte> reply);
    [[nodiscard]] bool take_capacity(const std::optional<scsi::Capacity>& capacity);
    void next_page();
    void finish();
    void fail_with(std::string why);
    [[nodiscard]] bool has_page(std::uint8_t page) const;

    Done done_;
    Question question_;
    Step step_ = Step::inquiry;
    std::vector<std::uint8_t> pages_;
    RemoteUnit unit_;
    bool thin_ = false;
    bool thin_zeroes_ = false;
    std::uint32_t unmap_extents_max_ = 0;
    std::uint32_t transfer_max_ = 0;
    bool write_same_unmap_ = false;
};

}  // namespace weft::initiator
