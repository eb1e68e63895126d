// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "common/core/executor.h"
#include "common/rdma/domain.h"

namespace weft::test {

// A protection domain of no device: whatever is registered there has the same keys.
class HandDomain final : public rdma::Domain {
  public:
    explicit HandDomain(Executor& executor) : executor_(executor) {}
    void register_memory(std::byte*, std::size_t, rdma::Access, rdma::RegistrationDone done) override {
        executor_.post([done = std::move(done)] { done(std::make_unique<Registered>()); });
    }
    void when_device_lost(std::function<void()>) override {}

  private:
    class Registered final : public rdma::Registration {
      public:
        [[nodiscard]] rdma::Keys keys() const override { return {7, 9}; }
    };

    Executor& executor_;
};

}  // namespace weft::test
