// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "base/strings.h"
#include "cli/parse.h"
#include "cli/registry.h"

namespace servin::cli {
namespace {

bool has_name(const OptionSpec& option, std::string_view name) {
  std::string_view names = option.names;
  while (!names.empty()) {
    std::size_t comma = names.find(',');
    if (names.substr(0, comma) == name) return true;
    names = comma == std::string_view::npos ? std::string_view() : names.substr(comma + 1);
  }
  return false;
}

/// NAME=VALUE with a name that a shell would take: `perl -e 'print 1 == 1'` is none.
bool is_assignment(std::string_view text) {
  std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return false;
  if (text[0] >= '0' && text[0] <= '9') return false;
  return std::ranges::all_of(text.substr(0, equals), [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  });
}

class Arranger {
 public:
  Arranger(const CommandSpec& command, std::span<const std::string> words) : command_(command), words_(words) {}

  Arranged run() {
    while (at_ < words_.size()) {
      const std::string& word = words_[at_];
      if (word == "--") {
        rest(at_ + 1);
      } else if (word.size() < 2 || word[0] != '-') {
        argument(word);
      } else {
        take_option(word);
      }
    }
    return std::move(result_);
  }

 private:
  void rest(std::size_t from) {
    result_.args.insert(result_.args.end(), words_.begin() + static_cast<std::ptrdiff_t>(from), words_.end());
    at_ = words_.size();
  }

  void argument(const std::string& word) {
    result_.args.push_back(word);
    ++at_;
    if (command_.order == Order::first) return end_of_options();
    if (command_.order == Order::after_image) return behind_image();
  }

  /// `exec C -- ls` and `exec C ls -- x`: only a "--" directly behind the target is ours.
  void end_of_options() {
    if (at_ < words_.size() && words_[at_] == "--") ++at_;
    rest(at_);
  }

  void take_option(const std::string& word) {
    if (word == "--help" || (word == "-h" && !find_option(command_, "-h").found)) result_.help = true;
    word.starts_with("--") ? take_long(word) : take_short(word);
  }

  void take_long(const std::string& word) {
    std::size_t equals = word.find('=');
    Known known = find_option(command_, std::string_view(word).substr(0, equals));
    ++at_;
    if (!known.found || known.flag) return result_.options.push_back(word);  // --rm=false stays one word
    result_.options.push_back(word.substr(0, equals));
    // CLI11 would read the word behind "--name=" as its value: an empty one gets a word of its own.
    if (equals != std::string::npos) return result_.options.push_back(word.substr(equals + 1));
    take_value();
  }

  /// "-it", "-itv /a:/b", "-p80:80", "-e=A=1".
  void take_short(const std::string& word) {
    ++at_;
    for (std::size_t i = 1; i < word.size(); ++i) {
      std::string name = {'-', word[i]};
      Known known = find_option(command_, name);
      if (!known.found) return result_.options.push_back(i == 1 ? word : name);
      if (known.flag && i + 1 < word.size() && word[i + 1] == '=') {  // -d=false
        std::string long_name = "--" + std::string(option_key(*known.option));
        return result_.options.push_back(long_name + word.substr(i + 1));
      }
      result_.options.push_back(name);
      if (known.flag) continue;
      std::string glued = word.substr(i + 1);
      if (glued.empty()) return take_value();
      return result_.options.push_back(glued[0] == '=' ? glued.substr(1) : glued);
    }
  }

  void take_value() {
    if (at_ < words_.size()) result_.options.push_back(words_[at_++]);
  }

  /// cli.md rule 1: behind IMAGE only these, and only until the first word that is none of them.
  void behind_image() {
    while (at_ < words_.size() && belongs_to_engine(words_[at_])) {
      result_.behind_image.push_back(words_[at_]);
      take_option(words_[at_]);
    }
    end_of_options();
  }

  bool belongs_to_engine(const std::string& word) const {
    static constexpr std::array<std::string_view, 5> with_value = {"--publish", "--env", "--volume", "--name",
                                                                   "--network"};
    if (word == "--rm" || word == "--dev") return true;
    if (word.starts_with("--")) {
      std::string_view name = std::string_view(word).substr(0, word.find('='));
      if (std::ranges::find(with_value, name) == with_value.end()) return false;
      return word.size() > name.size() || at_ + 1 < words_.size();
    }
    if (word == "-d" || word == "-i" || word == "-t" || word == "-it" || word == "-ti") return true;
    return short_with_value(word);
  }

  bool short_with_value(const std::string& word) const {
    if (word.size() < 2 || word[0] != '-') return false;
    char letter = word[1];
    if (letter != 'p' && letter != 'e' && letter != 'v') return false;
    std::string value = word.substr(2);
    if (value.empty()) {
      if (at_ + 1 >= words_.size()) return false;
      value = words_[at_ + 1];
    }
    if (letter == 'e') return is_assignment(value);
    if (letter == 'v') return value.find(':') != std::string::npos && value[0] != '-';
    return !value.empty() && value[0] != '-';
  }

  const CommandSpec& command_;
  std::span<const std::string> words_;
  std::size_t at_ = 0;
  Arranged result_;
};

}  // namespace

Known find_option(const CommandSpec& command, std::string_view name) {
  Known known;
  auto look = [&](const OptionSpec& option) {
    if (!known.found && has_name(option, name)) known = {true, option.value.empty(), &option};
  };
  command.each_option(look);
  if (name.starts_with("--")) {
    for (const OptionSpec& option : global_options()) look(option);
  }
  return known;
}

Arranged arrange(const CommandSpec& command, std::span<const std::string> words) {
  return Arranger(command, words).run();
}

}  // namespace servin::cli
