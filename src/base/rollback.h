// SPDX-License-Identifier: Apache-2.0
// The undo stack of a multi-step set-up: what was added runs in reverse order unless commit() came first.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "base/log.h"

namespace servin {

class Rollback {
 public:
  Rollback() = default;
  Rollback(const Rollback&) = delete;
  Rollback& operator=(const Rollback&) = delete;
  ~Rollback() {
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
      try {
        (*step)();
      } catch (const std::exception& e) {
        // An undo that fails must not hide the error that started it, nor stop the steps below it.
        log::warn("clean up: {}", e.what());
      }
    }
  }
  void add(std::function<void()> undo) { steps_.push_back(std::move(undo)); }
  void commit() { steps_.clear(); }

 private:
  std::vector<std::function<void()>> steps_;
};

}  // namespace servin
