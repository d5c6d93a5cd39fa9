// SPDX-License-Identifier: Apache-2.0
#include "base/id.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>
#include <sys/random.h>

#include "base/error.h"

namespace servin {

std::string random_bytes(std::size_t n) {
  std::string out(n, '\0');
  std::size_t done = 0;
  while (done < n) {
    ssize_t got = ::getrandom(out.data() + done, n - done, 0);
    if (got < 0) throw_errno("get {} random bytes", n);
    done += static_cast<std::size_t>(got);
  }
  return out;
}

std::string hex(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (char ch : bytes) {
    auto c = static_cast<unsigned char>(ch);
    out += digits[c >> 4U];
    out += digits[c & 15U];
  }
  return out;
}

std::string new_id() {
  for (;;) {
    std::string id = hex(random_bytes(32));
    if (id.find_first_of("abcdef") < 12) return id;
  }
}

bool is_id_prefix(std::string_view text) {
  return !text.empty() && text.size() <= 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}
bool is_full_id(std::string_view text) { return text.size() == 64 && is_id_prefix(text); }
std::string_view short_id(std::string_view id) { return id.substr(0, 12); }

void check_name(std::string_view kind, std::string_view name) {
  auto alnum = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  bool good =
      !name.empty() && name.size() <= 128 && alnum(name[0]) &&
      std::all_of(name.begin(), name.end(), [&](char c) { return alnum(c) || c == '_' || c == '.' || c == '-'; });
  if (!good)
    throw error(ErrorCode::invalid_argument, "invalid {} name \"{}\"", kind, name.substr(0, 140))
        .with_id("E-NAME-INVALID")
        .with_hint("use letters, digits, '_', '.' and '-', a letter or digit first, at most 128 characters");
}

std::string random_name(unsigned attempt) {
  static constexpr std::array<std::string_view, 64> left = {
      "able",   "amber",  "apt",      "bold",    "brave",  "bright", "brisk", "calm",    "cheerful", "clear", "clever",
      "cosy",   "crisp",  "daring",   "deft",    "eager",  "early",  "easy",  "elegant", "fair",     "fine",  "firm",
      "fond",   "fresh",  "friendly", "gentle",  "glad",   "golden", "good",  "grand",   "happy",    "hardy", "honest",
      "humble", "jolly",  "keen",     "kind",    "lively", "loyal",  "lucid", "lucky",   "mellow",   "merry", "mild",
      "neat",   "nimble", "noble",    "patient", "plain",  "polite", "proud", "quick",   "quiet",    "ready", "serene",
      "sharp",  "silver", "smart",    "steady",  "sunny",  "swift",  "tidy",  "warm",    "wise"};
  static constexpr std::array<std::string_view, 64> right = {
      "abel",       "ada",     "ampere",     "archimedes", "babbage", "banach",   "bell",     "bohr",
      "boole",      "borg",    "cantor",     "carson",     "church",  "curie",    "darwin",   "dijkstra",
      "euclid",     "euler",   "faraday",    "fermat",     "fermi",   "feynman",  "franklin", "galois",
      "gauss",      "germain", "goedel",     "hamilton",   "hertz",   "hilbert",  "hopper",   "hypatia",
      "johnson",    "kepler",  "knuth",      "lamarr",     "lamport", "leibniz",  "liskov",   "lovelace",
      "maxwell",    "mendel",  "mirzakhani", "naur",       "newton",  "noether",  "pascal",   "pasteur",
      "perlman",    "planck",  "ramanujan",  "riemann",    "ritchie", "rosalind", "shannon",  "stallman",
      "sutherland", "tesla",   "thompson",   "turing",     "volta",   "watt",     "wirth",    "wright"};
  std::string r = random_bytes(4);
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(r[i]); };
  std::string name = fmt::format("{}_{}", left[byte(0) % left.size()], right[byte(1) % right.size()]);
  // After a few collisions the fleet is large: numbers make room.
  if (attempt > 3) name += fmt::format("{}", byte(2) * 256 + byte(3));
  return name;
}

}  // namespace servin
