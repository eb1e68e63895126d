// SPDX-License-Identifier: Apache-2.0
// Intent before data: a region is dirty on every leg in sync before anything is written there. Writes that
// wait for one page of the map wait together.
#pragma once

#include <cstdint>
#include <vector>

#include "common/core/intrusive_list.h"
#include "common/mirror/dirty_map.h"
#include "common/mirror/leg_media.h"

namespace weft::mirror {

// A write, or what else touches regions [first, last]. Owner: its request; neither moved nor destroyed while
// it waits.
class Intent : public ListNode {
  public:
    std::uint64_t first = 0;
    std::uint64_t last = 0;

  protected:
    ~Intent() = default;

  private:
    friend class IntentLog;
    // All its regions are dirty, and every leg in sync says so. Never called from require().
    virtual void on_durable() = 0;
};

class IntentLogOwner {
  public:
    virtual ~IntentLogOwner() = default;
    // The leg did not take a page: it is to be dropped. What waits goes on with those that did.
    virtual void on_page_failed(std::size_t leg) = 0;
    // Nothing is left to save().
    virtual void on_pages_saved() = 0;
};

// Owner: the mirror. Thread: its executor's. Once made it allocates nothing.
// REQUIRES: nobody waits when it is destroyed; room, map and legs outlive it.
class IntentLog {
  public:
    // `room`: one page of a region that the legs' executor knows. `sequences`: of each page, the highest that
    // a leg has.
    IntentLog(IntentLogOwner& owner, DirtyMap& map, const Shape& shape, const Uuid& volume,
              const Segment& room, std::vector<std::uint64_t> sequences);
    ~IntentLog();

    // Who has to be told: those in sync, by the owner's numbers; null: not that one. From the next page on.
    // With none, everybody waits.
    void set_legs(std::vector<LegMedia*> legs);

    // True: go ahead. False: on_durable() comes.
    [[nodiscard]] bool require(Intent& intent);
    // It no longer waits.
    void withdraw(Intent& intent);
    // That page is to be written though nobody waits for it: what it says has changed for the better. Whether
    // it was is not told.
    void save(std::uint64_t page);

    [[nodiscard]] bool idle() const { return waiting_.empty() && outstanding_ == 0; }
    [[nodiscard]] bool saved() const { return saves_ == 0 && outstanding_ == 0; }
    [[nodiscard]] std::uint64_t pages_written() const { return pages_written_; }

  private:
    [[nodiscard]] bool is_durable(const Intent& intent) const;
    template <class Visit>
    void for_each_awaited(std::uint64_t page, Visit visit);
    void next();
    void begin(std::uint64_t page);
    void on_answer(std::size_t leg, bool durably);
    void finish();

    IntentLogOwner& owner_;
    DirtyMap& map_;
    const Shape shape_;
    const Uuid volume_;
    const Segment room_;
    std::vector<std::uint64_t> sequences_;
    std::vector<LegMedia*> legs_;  // null: not to be told
    IntrusiveList<Intent> waiting_;
    std::vector<bool> to_save_;  // by page
    std::size_t saves_ = 0;
    std::uint64_t page_ = 0;       // being written
    std::size_t outstanding_ = 0;  // legs that have not answered
    bool taken_ = false;           // by one at least
    bool releasing_ = false;
    std::uint64_t pages_written_ = 0;
};

}  // namespace weft::mirror
