// SPDX-License-Identifier: Apache-2.0
#include "transfer/challenge.h"

#include <cctype>

#include "base/strings.h"

namespace servin::transfer {

namespace {

constexpr std::size_t max_challenges = 16;
constexpr std::size_t max_values = 32;

class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  void spaces() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t')) rest_.remove_prefix(1);
  }
  void separators() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t' || rest_[0] == ',')) rest_.remove_prefix(1);
  }
  bool take(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string token() {
    std::size_t n = 0;
    while (n < rest_.size() && is_token(rest_[n])) ++n;
    std::string out(rest_.substr(0, n));
    rest_.remove_prefix(n);
    return out;
  }
  /// False: it has no end.
  bool quoted_text(std::string& out) {
    while (!rest_.empty()) {
      char c = rest_[0];
      rest_.remove_prefix(1);
      if (c == '"') return true;
      if (c == '\\' && !rest_.empty()) {
        c = rest_[0];
        rest_.remove_prefix(1);
      }
      out += c;
    }
    return false;
  }
  void drop() { rest_.remove_prefix(1); }

 private:
  static bool is_token(char c) {
    constexpr std::string_view others = "!#$%&'*+-.^_`|~/:";
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || others.find(c) != std::string_view::npos;
  }
  std::string_view rest_;
};

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view header) {
  std::vector<Challenge> found;
  Scanner in(header);
  for (;;) {
    in.separators();
    if (in.at_end()) break;
    std::string word = in.token();
    if (word.empty()) {
      in.drop();
      continue;
    }
    in.spaces();
    if (!in.take('=')) {
      if (found.size() == max_challenges) break;
      found.push_back({lower(word), {}});
      continue;
    }
    in.spaces();
    std::string value;
    if (in.take('"')) {
      if (!in.quoted_text(value)) break;
    } else {
      value = in.token();
    }
    if (found.empty() || found.back().values.size() == max_values) continue;
    found.back().values.try_emplace(lower(word), std::move(value));
  }
  return found;
}

}  // namespace servin::transfer
