// SPDX-License-Identifier: Apache-2.0
#include "cli/help.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "cli/listing.h"
#include "cli/registry.h"

namespace servin::cli {
namespace {

/// Words of `text` in lines of at most `width`, each behind `indent` spaces; its own line breaks stay.
std::string wrap(std::string_view text, std::size_t indent, std::size_t width) {
  std::string result;
  for (const std::string& paragraph : split(text, '\n')) {
    std::string line;
    for (const std::string& word : split(paragraph, ' ')) {
      if (!line.empty() && indent + line.size() + 1 + word.size() > width) {
        result += std::string(indent, ' ') + line + "\n";
        line.clear();
      }
      line += (line.empty() ? "" : " ") + word;
    }
    result += std::string(indent, ' ') + line + "\n";
  }
  return result;
}

std::string option_label(const OptionSpec& option) {
  std::string names = join(split(option.names, ','), ", ");
  bool long_only = option.names.starts_with("--");
  std::string label = (long_only ? "    " : "") + names;
  if (!option.value.empty()) label += " " + std::string(option.value);
  return label;
}

void add_option(std::string& text, const OptionSpec& option, std::size_t width) {
  constexpr std::size_t column = 34;
  std::string label = "  " + option_label(option);
  if (label.size() + 2 > column) {
    text += label + "\n" + std::string(column, ' ');
  } else {
    label.resize(column, ' ');
    text += label;
  }
  std::string help = wrap(option.help, column, std::max<std::size_t>(width, column + 30));
  text += help.substr(column);
}

std::string usage(const CommandSpec& command) {
  bool has_options = false;
  command.each_option([&](const OptionSpec&) { has_options = true; });
  std::string text = "servin " + std::string(command.name);
  if (has_options) text += " [OPTIONS]";
  if (!command.arguments.empty()) text += " " + std::string(command.arguments);
  return text;
}

std::string field_names(const CommandSpec& command) {
  std::string names;
  for (const Field& field : command.fields) names += (names.empty() ? "" : " ") + std::string(field.name);
  return names;
}

}  // namespace

std::string top_help() {
  return R"(servin runs containers: servin run base echo hello

Usage: servin [OPTIONS] COMMAND             (those of containers: container ...)

Containers: run create start stop restart kill pause unpause rm rename wait ls
            logs exec attach top stats port inspect update cp diff export commit
Files:      fs ls, cat, stat, find, mkdir, rmdir, rm, mv, chmod, pwd
Images:     image ls, pull, push, load, import, save, tag, rm, inspect, history,
            prune, template ls, template create; login logout search
            short: images pull push load import save tag rmi history
Volumes:    volume create, ls, inspect, exists, rm, prune
Networks:   network create, ls, inspect, rm, prune, connect, disconnect, reload
Engine:     info version events, system df, doctor, migrate, start-enabled,
            prune, container prune and exists, generate systemd
Help:       help [COMMAND|CODE], help --codes, help --man DIR, completion SHELL

Options before or behind the command:
  --root DIR         the engine's folder (default: /var/lib/servin)
  --dev              no root needed: without it programs run unisolated
  --isolation KIND   namespace or none
  --log-level LEVEL, --log-file FILE, -v/--verbose, --version
servin run --rm -it base sh        a shell in the built-in image
servin help run                    all about one command
)";
}

std::string noun_help(std::string_view noun) {
  std::string text = fmt::format("Usage: servin {} COMMAND\n\n", noun);
  for (const CommandSpec* command : below(noun)) {
    std::string name = noun == "container" && !command->name.starts_with("container")
                           ? std::string(command->name)
                           : std::string(command->name.substr(noun.size() + 1));
    text += fmt::format("  {:<16}  {}\n", name, command->summary);
  }
  return text + fmt::format("\nservin help {} COMMAND: all about one of them\n", noun);
}

std::string command_help(const CommandSpec& command, unsigned width) {
  std::size_t columns = std::clamp<std::size_t>(width, 60, 100);
  std::string text = fmt::format("Usage: {}\n\n{}\n", usage(command), command.summary);
  if (!command.text.empty()) text += "\n" + wrap(command.text, 0, columns);
  if (!command.examples.empty()) text += "\nExamples:\n";
  for (const Example& example : command.examples) {
    std::string line = "  servin " + std::string(example.command);
    if (!example.text.empty()) line += "   # " + std::string(example.text);
    text += line + "\n";
  }
  std::string options;
  command.each_option([&](const OptionSpec& option) {
    if (option.later.empty()) add_option(options, option, columns);
  });
  if (!options.empty()) text += "\nOptions:\n" + options;
  if (!command.fields.empty()) text += "\n" + wrap("Fields: " + field_names(command), 0, columns);
  std::vector<std::string> aliases = aliases_of(command);
  if (!aliases.empty()) text += "\nAlso: " + join(aliases, ", ") + "\n";
  return text;
}

std::string reference_markdown() {
  std::string text = "# Commands\n\nMade by `./dev docs` from the table that the parser reads; do not edit.\n";
  for (const CommandSpec* command : commands()) {
    if (command->hidden) continue;
    text += fmt::format("\n## servin {}\n\n{}\n\n```\n{}\n```\n", command->name, command->summary, usage(*command));
    if (!command->text.empty()) text += "\n" + std::string(command->text) + "\n";
    std::vector<std::string> aliases = aliases_of(*command);
    if (!aliases.empty()) text += "\nAlso: `" + join(aliases, "`, `") + "`\n";
    std::string options;
    command->each_option([&](const OptionSpec& option) {
      if (!option.later.empty()) return;
      std::string help(option.help);
      std::string names = join(split(option.names, ','), "`, `");
      std::string value = option.value.empty() ? "" : " " + std::string(option.value);
      std::string cell = "`" + names + value + "`";
      for (std::string* part : {&help, &cell}) {
        for (std::size_t at = part->find('|'); at != std::string::npos; at = part->find('|', at + 2))
          part->insert(at, "\\");
      }
      options += fmt::format("| {} | {} |\n", cell, help);
    });
    if (!options.empty()) text += "\n| option | |\n|---|---|\n" + options;
    if (!command->fields.empty()) text += "\nFields of `--format`: " + field_names(*command) + "\n";
    if (!command->examples.empty()) text += "\n```sh\n";
    for (const Example& example : command->examples) {
      text += "servin " + std::string(example.command) +
              (example.text.empty() ? "" : "   # " + std::string(example.text)) + "\n";
    }
    if (!command->examples.empty()) text += "```\n";
  }
  return text;
}

}  // namespace servin::cli
