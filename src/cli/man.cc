// SPDX-License-Identifier: Apache-2.0
// Man pages in mdoc(7).
#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "cli/catalogue.h"
#include "cli/help.h"
#include "cli/registry.h"

namespace servin::cli {
namespace {

/// Text that roff takes as it is: no leading dot or quote, backslashes and hyphens written out.
std::string roff(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else if ((c == '.' || c == '\'') && (i == 0 || text[i - 1] == '\n')) {
      result += "\\&";
      result += c;
    } else if (c == '"') {
      result += "\\(dq";
    } else {
      result += c;
    }
  }
  return result;
}

/// One sentence a line: what mandoc asks for.
std::string sentences(std::string_view text) {
  std::string result = roff(text);
  for (std::size_t at = result.find(". "); at != std::string::npos; at = result.find(". ", at + 1))
    result[at + 1] = '\n';
  std::string clean;
  for (const std::string& line : split(result, '\n')) {
    std::string_view trimmed = trim(line);
    if (trimmed.empty()) continue;
    if (trimmed.front() == '.' || trimmed.front() == '\'') clean += "\\&";
    clean += std::string(trimmed) + "\n";
  }
  return clean;
}

/// An argument of a macro: a quote inside would end it.
std::string argument(std::string_view text) { return "\"" + roff(text) + "\""; }

std::string dashed(std::string_view name) {
  std::string result(name);
  std::ranges::replace(result, ' ', '-');
  return result;
}

std::string upper_case(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return text;
}

std::string head(const std::string& name, std::string_view summary) {
  return fmt::format(
      ".\\\" SPDX-License-Identifier: Apache-2.0\n.Dd November 27, 2026\n.Dt {} 1\n.Os Servin\n.Sh NAME\n.Nm {}\n.Nd "
      "{}\n",
      upper_case(name), name, roff(summary));
}

std::string option_item(const OptionSpec& option) {
  std::string text = ".It Xo\n";
  std::vector<std::string> names = split(option.names, ',');
  for (std::size_t i = 0; i < names.size(); ++i) {
    bool last = i + 1 == names.size();
    text += fmt::format(".Sy {}{}\n", argument(names[i]), last ? "" : " ,");
  }
  if (!option.value.empty()) text += fmt::format(".Ar {}\n", argument(option.value));
  return text + ".Xc\n" + sentences(option.help);
}

std::string option_list(const CommandSpec* command) {
  std::string text;
  auto add = [&](const OptionSpec& option) {
    if (option.later.empty()) text += option_item(option);
  };
  if (command != nullptr) {
    command->each_option(add);
  } else {
    for (const OptionSpec& option : global_options()) add(option);
  }
  return text.empty() ? text : ".Bl -tag -width Ds\n" + text + ".El\n";
}

constexpr std::string_view exit_status =
    ".Sh EXIT STATUS\nThat of the container for\n.Cm run ,\n.Cm exec\nand\n.Cm attach ;\n128 plus the number of the "
    "signal that ended it.\nOtherwise 0, or 125 when servin failed, 126 when the command could not be executed, 127 "
    "when it was not found.\n";

}  // namespace

std::string man_file(const CommandSpec& command) { return "servin-" + dashed(command.name) + ".1"; }

std::string man_page(const CommandSpec& command) {
  std::string name = "servin-" + dashed(command.name);
  std::string text = head(name, command.summary);
  text += ".Sh SYNOPSIS\n.Nm servin " + std::string(command.name) + "\n";
  std::string options = option_list(&command);
  if (!options.empty()) text += ".Op Ar OPTIONS\n";
  if (!command.arguments.empty()) text += ".Ar " + argument(command.arguments) + "\n";
  text += ".Sh DESCRIPTION\n" + sentences(command.text.empty() ? command.summary : command.text);
  std::vector<std::string> aliases = aliases_of(command);
  if (!aliases.empty()) text += ".Pp\nAlso: " + roff(join(aliases, ", ")) + "\n";
  if (!options.empty()) text += ".Pp\nThe options are:\n" + options;
  text += exit_status;
  text += ".Sh EXAMPLES\n";
  for (const Example& example : command.examples) {
    if (!example.text.empty()) text += sentences(example.text);
    text += ".Dl servin " + roff(example.command) + "\n";
  }
  return text + ".Sh SEE ALSO\n.Xr servin 1\n";
}

std::string man_overview() {
  std::string text = head("servin", "run OCI containers");
  text += ".Sh SYNOPSIS\n.Nm\n.Op Ar OPTIONS\n.Ar COMMAND\n.Op Ar ARGUMENTS\n";
  text +=
      ".Sh DESCRIPTION\nServin loads images that other tools made and runs them isolated by the kernel, without a "
      "daemon.\n";
  text += ".Pp\nThe options are:\n" + option_list(nullptr);
  text += ".Pp\nThe commands are:\n.Bl -tag -width Ds\n";
  for (const CommandSpec* command : commands()) {
    if (command->hidden) continue;
    text += fmt::format(".It Xr servin-{} 1\n{}", dashed(command->name), sentences(command->summary));
  }
  text += ".El\n";
  text +=
      ".Sh ENVIRONMENT\n.Bl -tag -width Ds\n.It Ev SERVIN_ROOT\nAs\n.Sy \\-\\-root .\n.It Ev SERVIN_PROGRESS\nAs\n.Sy "
      "\\-\\-progress .\n.El\n";
  text +=
      ".Sh FILES\n.Bl -tag -width Ds\n.It Pa /var/lib/servin\nImages, layers, volumes, containers.\n.It Pa "
      "/run/servin\nWhat runs now.\n.El\n";
  text += exit_status;
  text += ".Sh EXAMPLES\n.Dl servin run base echo hello\n.Dl servin run \\-\\-rm \\-it base sh\n";
  std::vector<std::string> pages;
  for (const CommandSpec* command : commands()) {
    if (!command->hidden) pages.push_back("servin-" + dashed(command->name));
  }
  std::ranges::sort(pages);
  text += ".Sh SEE ALSO\n";
  for (std::size_t i = 0; i < pages.size(); ++i)
    text += fmt::format(".Xr {} 1{}\n", pages[i], i + 1 < pages.size() ? " ," : "");
  return text;
}

std::string errors_markdown() {
  std::string text = "# Errors\n\nMade by `./dev docs`; do not edit. `servin help CODE` shows the same.\n";
  for (const CatalogueEntry& entry : catalogue()) {
    text += fmt::format("\n## {}\n\n{}.\n\n{}\n\n{}\n", entry.id, entry.title, entry.cause, entry.cure);
    if (!entry.example.empty()) text += fmt::format("\n```sh\n{}\n```\n", entry.example);
  }
  return text;
}

}  // namespace servin::cli
