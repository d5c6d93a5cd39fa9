// SPDX-License-Identifier: Apache-2.0
#include "cli/parse.h"

#include <array>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "cli/registry.h"

namespace servin::cli {
namespace {

using Slots = std::vector<std::pair<const OptionSpec*, CLI::Option*>>;

void declare(CLI::App& app, const OptionSpec& option, const std::string& names, Slots& slots) {
  CLI::Option* slot = nullptr;
  if (option.value.empty()) {
    slot = app.add_flag(names);
  } else {
    slot = app.add_option(names)->expected(1)->allow_extra_args(false);
  }
  slot->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  slots.emplace_back(&option, slot);
}

/// Could one of the words be this option, alone, with "=", or among other letters? What nobody wrote is not declared:
/// CLI11 compares each new name with all that it has, and `run` has over a hundred.
bool may_be_meant(std::string_view names, const std::vector<std::string>& words) {
  for (std::size_t at = 0; at < names.size();) {
    std::string_view name = names.substr(at, names.find(',', at) - at);
    at += name.size() + 1;
    for (std::string_view word : words) {
      bool is_long = name.starts_with("--");
      if (is_long && word.starts_with(name) && (word.size() == name.size() || word[name.size()] == '=')) return true;
      bool letters = word.size() > 1 && word[0] == '-' && word[1] != '-';
      if (!is_long && letters && word.find(name[1]) != std::string_view::npos) return true;
    }
  }
  return false;
}

/// Names of a global option that the command does not use itself.
std::string free_names(const CommandSpec& command, const OptionSpec& option) {
  std::string result;
  for (const std::string& name : split(option.names, ',')) {
    bool taken = !name.starts_with("--");
    command.each_option([&](const OptionSpec& own) {
      for (const std::string& other : split(own.names, ',')) taken = taken || other == name;
    });
    if (!taken) result += (result.empty() ? "" : ",") + name;
  }
  return result;
}

std::vector<std::string> option_words(const CommandSpec& command) {
  std::vector<std::string> words;
  auto add = [&](const OptionSpec& option) {
    for (std::string& name : split(option.names, ',')) words.push_back(std::move(name));
  };
  command.each_option(add);
  for (const OptionSpec& option : global_options()) add(option);
  return words;
}

[[noreturn]] void unknown_option(const CommandSpec& command, const std::string& word) {
  std::string name = word.substr(0, word.find('='));
  std::vector<std::string> known = option_words(command);
  std::string hint = name.starts_with("--") ? did_you_mean_hint(name, known) : std::string();
  if (hint.empty()) hint = fmt::format("servin help {} lists its options", command.name);
  throw error(ErrorCode::invalid_argument, "{}: there is no option {}", command.name, name)
      .with_id("E-OPTION-UNKNOWN")
      .with_hint(hint);
}

bool to_bool(const CommandSpec& command, const OptionSpec& option, const std::string& text) {
  std::string value = lower(text);
  if (value == "true" || value == "1" || value == "t") return true;
  if (value == "false" || value == "0" || value == "f") return false;
  throw error(ErrorCode::invalid_argument, "{}: --{}={}: this option is on or off", command.name, option_key(option),
              text)
      .with_id("E-OPTION-VALUE")
      .with_hint(fmt::format("write --{0} or --{0}=false", option_key(option)));
}

void check_choice(const CommandSpec& command, const OptionSpec& option, const std::string& value) {
  if (option.choices.empty()) return;
  std::vector<std::string> known = split(option.choices, '|');
  for (const std::string& choice : known) {
    if (choice == value) return;
  }
  std::string hint = did_you_mean_hint(value, known);
  throw error(ErrorCode::invalid_argument, "{}: --{} {}: not one of {}", command.name, option_key(option), value,
              join(known, ", "))
      .with_id("E-OPTION-VALUE")
      .with_hint(hint.empty() ? fmt::format("for example --{} {}", option_key(option), known.front()) : hint);
}

void refuse_later(const CommandSpec& command, const OptionSpec& option) {
  if (option.later.empty()) return;
  throw error(ErrorCode::unsupported, "{}: --{}: {}", command.name, option_key(option), option.later)
      .with_id("E-NOT-BUILT")
      .with_hint(fmt::format("leave --{} out", option_key(option)));
}

/// One option's results: on/off as "true"/"false", the rest as given.
void collect(const CommandSpec& command, const OptionSpec& option, const std::vector<std::string>& results,
             Parsed& parsed) {
  if (results.empty()) return;
  std::vector<std::string> values;
  for (const std::string& text : results) {
    if (option.value.empty()) {
      values.emplace_back(to_bool(command, option, text) ? "true" : "false");
    } else {
      check_choice(command, option, text);
      values.push_back(text);
    }
  }
  if (!option.value.empty() || values.back() == "true") refuse_later(command, option);
  parsed.values[std::string(option_key(option))] = std::move(values);
}

void apply_level(const std::string& text) {
  static constexpr std::array<std::pair<std::string_view, log::Level>, 4> levels = {{{"debug", log::Level::debug},
                                                                                     {"info", log::Level::info},
                                                                                     {"warn", log::Level::warn},
                                                                                     {"error", log::Level::error}}};
  for (auto [name, level] : levels) {
    if (name == text) log::set_level(level);
  }
}

void take_globals(Parsed& parsed, GlobalOptions& global) {
  if (auto value = parsed.value("root")) global.root = *value;
  if (auto value = parsed.value("isolation")) global.isolation = *value;
  if (auto value = parsed.value("log-level")) apply_level(*value);
  if (auto value = parsed.value("log-file")) log::set_file(*value);
  if (parsed.flag("dev")) global.dev = true;
  if (parsed.flag("verbose")) {
    global.verbose = true;
    log::set_level(log::Level::info);
  }
}

void check_count(const CommandSpec& command, std::size_t count) {
  bool few = count < static_cast<std::size_t>(command.min_args);
  bool many = command.max_args >= 0 && count > static_cast<std::size_t>(command.max_args);
  if (!few && !many) return;
  std::string what = few ? "too few arguments" : "too many arguments";
  if (few && count == 0) what = fmt::format("needs {}", command.arguments);
  throw error(ErrorCode::invalid_argument, "{}: {}", command.name, what)
      .with_id("E-ARGUMENTS")
      .with_hint(fmt::format("servin {} {}", command.name, command.arguments));
}

/// CLI11 wants the words last first.
void run_parser(const CommandSpec& command, CLI::App& app, std::vector<std::string> words) {
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& e) {
    const std::string& last = words.empty() ? std::string() : words.back();
    throw error(ErrorCode::invalid_argument, "{}: {}: this option needs a value", command.name, last)
        .with_id("E-OPTION-VALUE")
        .with_hint(fmt::format("servin help {} says which", command.name));
  }
}

}  // namespace

Parsed parse(const CommandSpec& command, std::span<const std::string> words, GlobalOptions& global) {
  Arranged arranged = arrange(command, words);
  Parsed parsed;
  parsed.command = &command;
  if (arranged.help) {
    parsed.values["help"] = {"true"};
    return parsed;
  }
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  Slots slots;
  command.each_option([&](const OptionSpec& option) {
    if (may_be_meant(option.names, arranged.options)) declare(app, option, std::string(option.names), slots);
  });
  for (const OptionSpec& option : global_options()) {
    if (!may_be_meant(option.names, arranged.options)) continue;
    std::string names = free_names(command, option);
    if (!names.empty()) declare(app, option, names, slots);
  }
  run_parser(command, app, arranged.options);
  if (auto extras = app.remaining(); !extras.empty()) unknown_option(command, extras.front());
  for (auto [option, slot] : slots) collect(command, *option, slot->results(), parsed);
  parsed.args = std::move(arranged.args);
  take_globals(parsed, global);
  check_count(command, parsed.args.size());
  if (!arranged.behind_image.empty()) {
    parsed.note = fmt::format(
        "note: {} behind the image was read as an option of servin; -- before the command's own words prevents that",
        join(arranged.behind_image, " "));
  }
  return parsed;
}

Front parse_front(std::span<const std::string> words, GlobalOptions& global) {
  static constexpr CommandSpec front_spec = {.name = "servin", .arguments = "COMMAND"};
  CommandSpec spec = front_spec;
  spec.options = global_options();
  Front front;
  std::vector<std::string> taken;
  while (front.words < words.size()) {
    const std::string& word = words[front.words];
    if (word.size() < 2 || word[0] != '-') break;
    ++front.words;
    if (word == "-h" || word == "--help") front.help = true;
    if (word == "--version") front.version = true;
    if (front.help || front.version) return front;
    taken.push_back(word);
    bool known = false;
    bool value = false;
    for (const OptionSpec& option : global_options()) {
      for (const std::string& name : split(option.names, ',')) {
        if (name != word) continue;
        known = true;
        value = !option.value.empty();
      }
    }
    if (known && value && front.words < words.size()) taken.push_back(words[front.words++]);
  }
  if (!taken.empty()) {
    spec.max_args = -1;
    parse(spec, taken, global);
  }
  return front;
}

}  // namespace servin::cli
