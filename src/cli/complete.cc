// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/id.h"
#include "base/strings.h"
#include "cli/catalogue.h"
#include "cli/completion.h"
#include "cli/parse.h"
#include "cli/registry.h"
#include "oci/image.h"

namespace servin::cli {
namespace {

constexpr std::array<std::string_view, 41> capabilities = {"ALL",
                                                           "AUDIT_CONTROL",
                                                           "AUDIT_READ",
                                                           "AUDIT_WRITE",
                                                           "BLOCK_SUSPEND",
                                                           "BPF",
                                                           "CHECKPOINT_RESTORE",
                                                           "CHOWN",
                                                           "DAC_OVERRIDE",
                                                           "DAC_READ_SEARCH",
                                                           "FOWNER",
                                                           "FSETID",
                                                           "IPC_LOCK",
                                                           "IPC_OWNER",
                                                           "KILL",
                                                           "LEASE",
                                                           "LINUX_IMMUTABLE",
                                                           "MAC_ADMIN",
                                                           "MAC_OVERRIDE",
                                                           "MKNOD",
                                                           "NET_ADMIN",
                                                           "NET_BIND_SERVICE",
                                                           "NET_BROADCAST",
                                                           "NET_RAW",
                                                           "PERFMON",
                                                           "SETFCAP",
                                                           "SETGID",
                                                           "SETPCAP",
                                                           "SETUID",
                                                           "SYS_ADMIN",
                                                           "SYS_BOOT",
                                                           "SYS_CHROOT",
                                                           "SYS_MODULE",
                                                           "SYS_NICE",
                                                           "SYS_PACCT",
                                                           "SYS_PTRACE",
                                                           "SYS_RAWIO",
                                                           "SYS_RESOURCE",
                                                           "SYS_TIME",
                                                           "SYS_TTY_CONFIG",
                                                           "SYSLOG"};
constexpr std::array<std::string_view, 16> signals = {"HUP",  "INT",  "QUIT",  "KILL", "USR1", "USR2", "TERM", "STOP",
                                                      "CONT", "TSTP", "WINCH", "PIPE", "ALRM", "CHLD", "ABRT", "TTIN"};

/// Where in the command line the cursor stands.
struct Place {
  const CommandSpec* command = nullptr;
  std::string noun;                      // before a command was found
  const OptionSpec* value_of = nullptr;  // the word is this option's value
  bool options_end = false;
  std::size_t arguments = 0;  // before the word
};

void add(Suggestions& to, std::string_view prefix, std::string word, std::string_view description = "") {
  if (word.starts_with(prefix)) to.list.push_back({std::move(word), std::string(description)});
}

/// Walks the words of one command as arrange() does.
void walk(Place& place, std::span<const std::string> words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (place.options_end || word.size() < 2 || word[0] != '-') {
      ++place.arguments;
      if (place.command->order != Order::free) place.options_end = true;
      continue;
    }
    if (word == "--") {
      place.options_end = true;
      continue;
    }
    if (word.starts_with("--") && word.find('=') != std::string::npos) continue;
    std::string last = word.starts_with("--") ? word : std::string("-") + word.back();
    Known known = find_option(*place.command, last);
    if (!known.found || known.flag) continue;
    if (++i == words.size()) place.value_of = known.option;
  }
}

Place find_place(std::span<const std::string> before) {
  Place place;
  std::size_t at = 0;
  static constexpr CommandSpec front = {.name = "servin"};
  while (at < before.size() && before[at].starts_with('-')) {
    for (const OptionSpec& option : global_options()) {
      for (const std::string& name : split(option.names, ',')) {
        if (name != before[at] || option.value.empty()) continue;
        if (++at == before.size()) {
          place.value_of = &option;
          place.command = &front;
          return place;
        }
      }
    }
    ++at;
  }
  before = before.subspan(at);
  for (std::size_t count = std::min<std::size_t>(3, before.size()); count > 0; --count) {
    std::string path;
    for (std::size_t i = 0; i < count; ++i) path += (i == 0 ? "" : " ") + before[i];
    if ((place.command = find_command(path)) != nullptr) {
      walk(place, before.subspan(count));
      return place;
    }
    if (place.noun.empty() && is_noun(path)) place.noun = path;
  }
  return place;
}

void add_commands(Suggestions& to, const std::string& noun, std::string_view prefix) {
  if (noun.empty()) {
    for (const std::string& word : first_words()) {
      const CommandSpec* command = find_command(word);
      add(to, prefix, word, command != nullptr ? command->summary : "commands below it");
    }
    return;
  }
  for (const CommandSpec* command : below(noun)) {
    std::string_view name = command->name;
    if (name.starts_with(noun + " ")) name.remove_prefix(noun.size() + 1);
    std::string word(name.substr(0, name.find(' ')));
    if (std::ranges::none_of(to.list, [&](const Suggestion& s) { return s.word == word; })) {
      add(to, prefix, word, command->summary);
    }
  }
}

void add_options(Suggestions& to, const CommandSpec* command, std::string_view prefix) {
  auto offer = [&](const OptionSpec& option) {
    if (!option.later.empty()) return;
    std::vector<std::string> names = split(option.names, ',');
    for (std::string& name : names) {
      bool long_name = name.starts_with("--");
      if (long_name != (prefix.size() < 2 || prefix.starts_with("--")) && names.size() > 1) continue;
      add(to, prefix, std::move(name), option.help);
    }
  };
  if (command != nullptr) command->each_option(offer);
  if (command == nullptr) {
    for (const OptionSpec& option : global_options()) offer(option);
  }
  add(to, prefix, "--help", "all about it");
}

/// "container:NAME" of --network and others.
void add_container_mode(Suggestions& to, std::string_view prefix, NameSource& names) {
  constexpr std::string_view mode = "container:";
  if (!prefix.starts_with(mode)) {
    if (mode.starts_with(prefix)) {
      to.list.push_back({std::string(mode), "shares that container's"});
      to.no_space = to.list.size() == 1;
    }
    return;
  }
  for (const Suggestion& name : names.containers(true)) {
    add(to, prefix, std::string(mode) + name.word, name.description);
  }
}

void add_mount(Suggestions& to, std::string_view prefix, NameSource& names) {
  bool path = prefix.find('/') != std::string_view::npos || prefix.starts_with('.') || prefix.starts_with('~');
  if (path || prefix.find(':') != std::string_view::npos) {
    to.files = path;
    return;
  }
  for (const Suggestion& name : names.volumes()) add(to, prefix, name.word + ":", name.description);
  to.no_space = true;
  to.files = to.list.empty();
}

/// Ids are only offered once somebody has begun one.
void add_names(Suggestions& to, std::string_view prefix, const std::vector<Suggestion>& names) {
  for (const Suggestion& name : names) add(to, prefix, name.word, name.description);
}

void add_kind(Suggestions& to, Complete kind, std::string_view choices, std::string_view prefix, NameSource& names) {
  switch (kind) {
    case Complete::none:
      return;
    case Complete::container:
      return add_names(to, prefix, names.containers(false));
    case Complete::running:
      return add_names(to, prefix, names.containers(true));
    case Complete::image:
      return add_names(to, prefix, names.images());
    case Complete::volume:
      return add_names(to, prefix, names.volumes());
    case Complete::file:
      to.files = true;
      return;
    case Complete::folder:
      to.folders = true;
      return;
    case Complete::choice:
      for (std::string& choice : split(choices, '|')) add(to, prefix, std::move(choice));
      return;
    case Complete::signal:
      for (std::string_view name : signals) {
        add(to, prefix, std::string(name));
        if (prefix.starts_with("SIG")) add(to, prefix, "SIG" + std::string(name));
      }
      return;
    case Complete::capability:
      for (std::string_view name : capabilities) add(to, prefix, std::string(name));
      return;
    case Complete::network:
      add(to, prefix, "bridge", "an address behind the host's");
      add(to, prefix, "none", "no network");
      add(to, prefix, "host", "the host's");
      add_names(to, prefix, names.networks());
      return add_container_mode(to, prefix, names);
    case Complete::made_network:
      return add_names(to, prefix, names.networks());
    case Complete::mount:
      return add_mount(to, prefix, names);
    case Complete::command:
      return add_commands(to, "", prefix);
    case Complete::code:
      for (const CatalogueEntry& entry : catalogue()) add(to, prefix, std::string(entry.id), entry.title);
      return;
  }
}

/// "--network=<TAB>": the value behind the sign, with the option in front of each suggestion.
void add_glued_value(Suggestions& to, const CommandSpec& command, const std::string& word, NameSource& names) {
  std::size_t equals = word.find('=');
  Known known = find_option(command, std::string_view(word).substr(0, equals));
  if (!known.found || known.flag) return;
  Suggestions values;
  add_kind(values, known.option->complete, known.option->choices, std::string_view(word).substr(equals + 1), names);
  to.files = values.files;
  to.folders = values.folders;
  to.no_space = values.no_space;
  for (Suggestion& value : values.list) {
    to.list.push_back({word.substr(0, equals + 1) + value.word, std::move(value.description)});
  }
}

class EngineNames final : public NameSource {
 public:
  explicit EngineNames(Context& context) : context_(context) {}

  std::vector<Suggestion> containers(bool running_only) override {
    std::vector<Suggestion> names;
    for (engine::ContainerName& c : context_.engine().container_names(running_only)) {
      names.push_back({std::move(c.name), std::string(engine::to_string(c.status))});
    }
    return names;
  }
  std::vector<Suggestion> images() override {
    std::vector<Suggestion> names = {{"base", "built in"}};
    for (const engine::ImageSummary& image : context_.engine().list_images({})) {
      for (const std::string& reference : image.repo_tags) {
        oci::Reference parsed = oci::Reference::parse(reference);
        names.push_back({parsed.tag == "latest" ? parsed.familiar_name() : parsed.familiar(), human_size(image.size)});
      }
    }
    return names;
  }
  std::vector<Suggestion> volumes() override {
    std::vector<Suggestion> names;
    for (const engine::Volume& volume : context_.engine().list_volumes({})) names.push_back({volume.name, ""});
    return names;
  }
  std::vector<Suggestion> networks() override {
    std::vector<Suggestion> names;
    for (const engine::Network& n : context_.engine().list_networks({{"type", {"custom"}}}))
      names.push_back({n.name, n.driver});
    return names;
  }

 private:
  Context& context_;
};

/// Bash replaces only what follows the last of its word breaks.
std::size_t bash_prefix(const std::string& word) {
  std::size_t at = word.find_last_of(":=");
  return at == std::string::npos ? 0 : at + 1;
}

}  // namespace

Suggestions suggest(std::span<const std::string> words, NameSource& names) {
  Suggestions result;
  std::string word = words.empty() ? "" : words.back();
  Place place = find_place(words.empty() ? words : words.first(words.size() - 1));
  if (place.value_of != nullptr) {
    add_kind(result, place.value_of->complete, place.value_of->choices, word, names);
    return result;
  }
  if (place.command == nullptr) {
    word.starts_with('-') ? add_options(result, nullptr, word) : add_commands(result, place.noun, word);
    return result;
  }
  if (!place.options_end && word.starts_with('-')) {
    bool glued = word.starts_with("--") && word.find('=') != std::string::npos;
    glued ? add_glued_value(result, *place.command, word, names) : add_options(result, place.command, word);
    return result;
  }
  if (place.command->one_target && place.arguments > 0) {
    result.files = place.command->max_args < 0;
    return result;
  }
  add_kind(result, place.command->complete, "bash|zsh|fish|powershell", word, names);
  return result;
}

std::vector<std::string> split_line(std::string_view line) {
  std::vector<std::string> words = {""};
  char quote = 0;
  bool between = true;
  for (std::size_t i = 0; i < line.size(); ++i) {
    char c = line[i];
    bool space = c == ' ' || c == '\t';
    if (quote == 0 && space) {
      if (!between) words.emplace_back();
      between = true;
      continue;
    }
    between = false;
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    } else if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
      words.back() += line[++i];
    } else {
      words.back() += c;
    }
  }
  return words;
}

int complete(Context& context, std::span<const std::string> args) {
  if (args.empty()) return 0;
  const std::string& shell = args[0];
  std::vector<std::string> words(args.begin() + 1, args.end());
  if (shell == "bash" && words.size() == 2) {
    std::size_t point = parse_u64(words[1]).value_or(words[0].size());
    words = split_line(std::string_view(words[0]).substr(0, point));
    words.erase(words.begin());  // the program's own name
  }
  EngineNames names(context);
  Suggestions result;
  try {
    result = suggest(words, names);
  } catch (const Error&) {
    return 0;  // a TAB is no place for messages
  }
  std::size_t cut = shell == "bash" && !words.empty() ? bash_prefix(words.back()) : 0;
  for (const Suggestion& suggestion : result.list) {
    std::string line = printable(suggestion.word.substr(std::min(cut, suggestion.word.size())));
    if (shell != "bash" && !suggestion.description.empty()) line += "\t" + printable(suggestion.description);
    context.out.line(line);
  }
  context.out.line(result.files ? ":files" : result.folders ? ":folders" : result.no_space ? ":nospace" : ":words");
  return 0;
}

}  // namespace servin::cli
