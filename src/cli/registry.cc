// SPDX-License-Identifier: Apache-2.0
#include "cli/registry.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/strings.h"

namespace servin::cli {
namespace {

constexpr std::string_view other_engine = "talking to another engine is not built yet";

constexpr auto globals = std::to_array<OptionSpec>({
    {.names = "--root",
     .value = "DIR",
     .help = "the engine's folder; two of them share nothing ($SERVIN_ROOT)",
     .complete = Complete::folder},
    {.names = "--dev", .value = "", .help = "no root needed: without it programs run unisolated"},
    {.names = "--isolation",
     .value = "KIND",
     .help = "namespace, vm or none",
     .complete = Complete::choice,
     .choices = "namespace|vm|none"},
    {.names = "--log-level",
     .value = "LEVEL",
     .help = "debug, info, warn or error",
     .complete = Complete::choice,
     .choices = "debug|info|warn|error"},
    {.names = "--log-file",
     .value = "FILE",
     .help = "diagnostics go there instead of stderr",
     .complete = Complete::file},
    {.names = "-v,--verbose", .value = "", .help = "say more (before the command; -v of run is --volume)"},
    {.names = "-H,--host", .value = "URL", .help = "another engine", .later = other_engine},
    {.names = "-c,--context", .value = "NAME", .help = "another engine, by name", .later = other_engine},
});

/// Commands of cli.md that wait for their part of the engine: known words, honest answer, not in the help.
constexpr auto not_built = std::to_array<std::string_view>({
    "build",
    "vm",
    "dev",
    "compose",
    "serve",
    "console",
    "context",
    "service",
    "registry",
    "cri",
    "security",
    "gui",
    "init",
    "image build",
    "system reset",
    "system support-bundle",
});

/// Words that people type elsewhere, with what they are called here.
constexpr auto foreign = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"delete", "rm"},
    {"del", "rm"},
    {"destroy", "rm"},
    {"shell", "exec"},
    {"sh", "exec"},
    {"enter", "exec"},
    {"containers", "ls"},
    {"log", "logs"},
    {"resume", "unpause"},
    {"suspend", "pause"},
    {"launch", "run"},
    {"halt", "stop"},
    {"up", "start"},
    {"down", "stop"},
    {"processes", "top"},
    {"df", "system df"},
    {"doctor", "system doctor"},
    {"volumes", "volume ls"},
    {"networks", "network ls"},
    {"prune", "system prune"},
    {"templates", "image template ls"},
    {"clean", "system prune"},
});

bool in_list(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    std::size_t comma = list.find(',');
    if (list.substr(0, comma) == word) return true;
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
  return false;
}

bool matches(const CommandSpec& command, std::string_view path) {
  if (command.name == path || in_list(command.aliases, path)) return true;
  constexpr std::string_view noun = "container ";
  if (command.group != group::containers || !path.starts_with(noun)) return false;
  path.remove_prefix(noun.size());
  return command.name == path || in_list(command.aliases, path);
}

std::string join_words(std::span<const std::string> args, std::size_t count) {
  std::string path;
  for (std::size_t i = 0; i < count; ++i) path += (i == 0 ? "" : " ") + args[i];
  return path;
}

bool waits(std::string_view path) { return std::ranges::find(not_built, path) != not_built.end(); }

[[noreturn]] void refuse_unbuilt(const std::string& path) {
  throw error(ErrorCode::unsupported, "{}: not built yet", path)
      .with_id("E-NOT-BUILT")
      .with_hint("servin help lists what is there");
}

std::vector<std::string> words_below(std::string_view noun) {
  std::vector<std::string> words;
  std::string prefix = std::string(noun) + " ";
  for (const CommandSpec* command : commands()) {
    if (command->hidden) continue;
    std::vector<std::string> paths = aliases_of(*command);
    paths.emplace_back(command->name);
    for (const std::string& path : paths) {
      if (!path.starts_with(prefix)) continue;
      std::string word = path.substr(prefix.size());
      word = word.substr(0, word.find(' '));
      if (std::ranges::find(words, word) == words.end()) words.push_back(word);
    }
  }
  return words;
}

[[noreturn]] void unknown_command(std::span<const std::string> args, std::size_t noun_words) {
  std::string noun = join_words(args, noun_words);
  const std::string& word = args[noun_words];
  std::string shown = noun.empty() ? word : noun + " " + word;
  std::string hint;
  for (auto [theirs, ours] : foreign) {
    if (noun.empty() && theirs == word) hint = fmt::format("did you mean \"{}\"?", ours);
  }
  if (hint.empty()) hint = did_you_mean_hint(word, noun.empty() ? first_words() : words_below(noun));
  if (hint.empty())
    hint = noun.empty() ? "servin help lists the commands" : "servin help " + noun + " lists its commands";
  throw error(ErrorCode::invalid_argument, "there is no command \"{}\"", shown)
      .with_id("E-COMMAND-UNKNOWN")
      .with_hint(hint);
}

}  // namespace

std::span<const CommandSpec* const> commands() {
  static const std::vector<const CommandSpec*> all = [] {
    std::array tables = {run_commands(),      lifecycle_commands(), list_commands(),   watch_commands(),
                         port_commands(),     copy_commands(),      file_commands(),   image_commands(),
                         registry_commands(), archive_commands(),   volume_commands(), network_commands(),
                         exists_commands(),   system_commands(),    life_commands(),   event_commands(),
                         help_commands()};
    std::vector<const CommandSpec*> list;
    for (auto table : tables) {
      for (const CommandSpec& command : table) list.push_back(&command);
    }
    return list;
  }();
  return all;
}

std::span<const OptionSpec> global_options() { return globals; }

const CommandSpec* find_command(std::string_view path) {
  for (const CommandSpec* command : commands()) {
    if (matches(*command, path)) return command;
  }
  return nullptr;
}

std::vector<std::string_view> nouns() {
  return {"container", "fs", "image", "image template", "volume", "network", "system", "generate"};
}

bool is_noun(std::string_view path) {
  auto all = nouns();
  return std::ranges::find(all, path) != all.end();
}

std::vector<const CommandSpec*> below(std::string_view noun) {
  std::vector<const CommandSpec*> found;
  std::string prefix = std::string(noun) + " ";
  for (const CommandSpec* command : commands()) {
    if (command->hidden) continue;
    if (command->name.starts_with(prefix) || (noun == "container" && command->group == group::containers)) {
      found.push_back(command);
    }
  }
  return found;
}

std::vector<std::string> first_words() {
  std::vector<std::string> words;
  auto add = [&](std::string_view path) {
    std::string word(path.substr(0, path.find(' ')));
    if (std::ranges::find(words, word) == words.end()) words.push_back(word);
  };
  for (const CommandSpec* command : commands()) {
    if (command->hidden) continue;
    add(command->name);
    for (const std::string& alias : split(command->aliases, ',')) {
      if (!alias.empty()) add(alias);
    }
  }
  for (std::string_view noun : nouns()) add(noun);
  return words;
}

std::vector<std::string> aliases_of(const CommandSpec& command) {
  std::vector<std::string> list;
  for (const std::string& alias : split(command.aliases, ',')) {
    if (!alias.empty()) list.push_back(alias);
  }
  if (command.group != group::containers) return list;
  std::size_t own = list.size();
  list.push_back("container " + std::string(command.name));
  for (std::size_t i = 0; i < own; ++i) list.push_back("container " + list[i]);
  return list;
}

Resolved resolve(std::span<const std::string> args) {
  if (args.empty()) return {};
  std::size_t noun_words = 0;
  for (std::size_t count = std::min<std::size_t>(3, args.size()); count > 0; --count) {
    std::string path = join_words(args, count);
    if (const CommandSpec* command = find_command(path)) return {command, count};
    if (waits(path)) refuse_unbuilt(path);
    if (noun_words == 0 && is_noun(path)) noun_words = count;
  }
  if (noun_words == 0) unknown_command(args, 0);
  bool bare = args.size() == noun_words || args[noun_words].starts_with("-");
  if (!bare) unknown_command(args, noun_words);
  return {nullptr, noun_words};
}

}  // namespace servin::cli
