// SPDX-License-Identifier: Apache-2.0
#include "initiator/placement.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "common/core/check.h"

namespace weft::initiator {

namespace {

// Volumes that hang together through their targets, as a union-find over volume indices.
class Groups {
  public:
    explicit Groups(std::size_t count) : parent_(count) { std::iota(parent_.begin(), parent_.end(), 0U); }
    std::size_t find(std::size_t item) {
        while (parent_[item] != item) item = parent_[item] = parent_[parent_[item]];
        return item;
    }
    void join(std::size_t a, std::size_t b) { parent_[find(b)] = find(a); }

  private:
    std::vector<std::size_t> parent_;
};

}  // namespace

Placement place(const config::Initiator& initiator) {
    WEFT_CHECK(initiator.reactors > 0);
    Placement placement;
    Groups groups(initiator.volumes.size());
    std::map<std::string, std::size_t> first_user;
    for (std::size_t i = 0; i < initiator.volumes.size(); ++i) {
        for (const auto& leg : initiator.volumes[i].linear) {
            if (leg.kind != config::LegKind::remote) continue;
            const auto [user, fresh] = first_user.emplace(leg.target, i);
            if (!fresh) groups.join(user->second, i);
        }
    }
    std::map<std::size_t, std::vector<std::size_t>> members;
    for (std::size_t i = 0; i < initiator.volumes.size(); ++i) members[groups.find(i)].push_back(i);
    std::vector<const std::vector<std::size_t>*> by_size;
    by_size.reserve(members.size());
    for (const auto& [root, list] : members) by_size.push_back(&list);
    std::stable_sort(by_size.begin(), by_size.end(),
                     [](const auto* a, const auto* b) { return a->size() > b->size(); });

    std::vector<std::size_t> load(initiator.reactors);
    for (const auto* list : by_size) {
        const auto least = std::min_element(load.begin(), load.end());
        const auto reactor = static_cast<std::size_t>(least - load.begin());
        *least += list->size();
        for (const std::size_t i : *list) {
            placement.volumes[initiator.volumes[i].name] = reactor;
            for (const auto& leg : initiator.volumes[i].linear) {
                if (leg.kind == config::LegKind::remote) placement.targets[leg.target] = reactor;
            }
        }
    }
    for (const auto& target : initiator.targets) placement.targets.emplace(target.name, 0);
    return placement;
}

}  // namespace weft::initiator
