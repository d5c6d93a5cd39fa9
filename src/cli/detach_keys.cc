// SPDX-License-Identifier: Apache-2.0
#include "cli/detach_keys.h"

#include "base/error.h"
#include "base/strings.h"
#include "cli/attach.h"

namespace servin::cli {
namespace {

char control_key(char c) {
  if (c >= 'a' && c <= 'z') return static_cast<char>(c - 'a' + 1);
  if (c >= '@' && c <= '_') return static_cast<char>(c - '@');  // @ A..Z [ \ ] ^ _
  return '\x7f';
}

}  // namespace

std::string parse_detach_keys(std::string_view text) {
  if (text.empty()) return "\x10\x11";  // ctrl-p,ctrl-q
  std::string bytes;
  for (const std::string& key : split(text, ',')) {
    std::string small = lower(key);
    char control = small.starts_with("ctrl-") && key.size() == 6 ? control_key(small[5]) : '\x7f';
    if (key.size() == 1)
      bytes += key;
    else if (control != '\x7f')
      bytes += control;
    else
      throw error(ErrorCode::invalid_argument, "detach key {} is not known", quoted(key))
          .with_hint("keys are single characters or ctrl-X with X one of a-z @ [ \\ ] ^ _, separated by commas");
  }
  return bytes;
}

std::string DetachKeys::feed(std::string_view input) {
  std::string pass;
  for (char c : input) {
    if (keys_.empty()) {
      pass += c;
      continue;
    }
    // After a mismatch a shorter start of the sequence may still fit ("a,a,b" in "aaab").
    while (matched_ > 0 && c != keys_[matched_]) {
      std::size_t shorter = matched_ - 1;
      while (shorter > 0 && keys_.compare(0, shorter, keys_, matched_ - shorter, shorter) != 0) --shorter;
      pass.append(keys_, 0, matched_ - shorter);
      matched_ = shorter;
    }
    if (c != keys_[matched_]) {
      pass += c;
    } else if (++matched_ == keys_.size()) {
      found_ = true;
      return pass;
    }
  }
  return pass;
}

}  // namespace servin::cli
