// SPDX-License-Identifier: Apache-2.0
// Finds the detach sequence in what a person types.
#pragma once

#include <string>
#include <string_view>

namespace servin::cli {

class DetachKeys {
 public:
  /// `keys`: the bytes of the sequence (parse_detach_keys); "" never matches.
  explicit DetachKeys(std::string keys) : keys_(std::move(keys)) {}

  /// What goes on to the container: the input without a part that may be the start of the sequence, which is held back
  /// until it is decided. `found()` afterwards: the sequence is complete, the rest of `input` was dropped.
  std::string feed(std::string_view input);
  bool found() const { return found_; }

 private:
  std::string keys_;
  std::size_t matched_ = 0;  // bytes of keys_ seen and held back
  bool found_ = false;
};

}  // namespace servin::cli
