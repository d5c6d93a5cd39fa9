// SPDX-License-Identifier: Apache-2.0
// help, version and completion.
#include <algorithm>
#include <array>

#include <sys/utsname.h>

#include "base/error.h"
#include "base/strings.h"
#include "cli/catalogue.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/listing.h"
#include "cli/registry.h"
#include "cli/schema.h"
#include "cli/version.h"
#include "os/file.h"

namespace servin::cli {
namespace {

// --- help

void show_entry(Context& context, const CatalogueEntry& entry) {
  context.out.line(fmt::format("{}: {}\n\nCause: {}\n\nCure: {}", entry.id, entry.title, entry.cause, entry.cure));
  if (!entry.example.empty()) context.out.line(fmt::format("\nExample:\n  {}", entry.example));
}

int list_codes(Context& context, const std::string& format) {
  if (format == "markdown") {
    context.out.write(errors_markdown());
    return 0;
  }
  Listing listing;
  listing.fields = {{"Id", "CODE", true}, {"Title", "MEANING", true, 1}};
  for (const CatalogueEntry& entry : catalogue()) {
    listing.rows.push_back({{std::string(entry.id), std::string(entry.title)}, {}});
  }
  Parsed parsed;
  if (!format.empty()) parsed.values["format"] = {format};
  print_listing(context, parsed, listing);
  return 0;
}

int write_man_pages(const std::string& folder) {
  make_dirs(folder, 0755);
  write_file(folder + "/servin.1", man_overview(), 0644);
  for (const CommandSpec* command : commands()) {
    if (!command->hidden) write_file(folder + "/" + man_file(*command), man_page(*command), 0644);
  }
  return 0;
}

const CommandSpec* command_of(const std::vector<std::string>& words) { return find_command(join(words, " ")); }

int help_of(Context& context, const std::vector<std::string>& words, bool as_man) {
  std::string path = join(words, " ");
  if (const CatalogueEntry* entry = words.size() == 1 ? find_entry(words[0]) : nullptr) {
    show_entry(context, *entry);
    return 0;
  }
  if (is_noun(path) && !as_man) {
    context.out.write(noun_help(path));
    return 0;
  }
  const CommandSpec* command = command_of(words);
  if (command == nullptr) {
    if (words[0].size() > 2 && (words[0].starts_with("E-") || words[0].starts_with("e-"))) {
      std::vector<std::string> ids;
      for (const CatalogueEntry& entry : catalogue()) ids.emplace_back(entry.id);
      std::string hint = did_you_mean_hint(words[0], ids);
      throw error(ErrorCode::not_found, "there is no error code {}", words[0])
          .with_id("E-COMMAND-UNKNOWN")
          .with_hint(hint.empty() ? "servin help --codes lists them" : hint);
    }
    command = resolve(words).command;
  }
  if (command == nullptr) return 0;
  context.out.write(as_man ? man_page(*command) : command_help(*command, context.out.columns()));
  return 0;
}

int help_handler(Context& context, const Parsed& parsed) {
  if (parsed.flag("codes")) return list_codes(context, parsed.value_or("format", ""));
  if (parsed.flag("schemas")) {
    context.out.line(schemas_json());
    return 0;
  }
  if (parsed.flag("reference")) {
    context.out.write(reference_markdown());
    return 0;
  }
  if (auto folder = parsed.value("man"); folder && *folder != "-") return write_man_pages(*folder);
  if (parsed.args.empty()) {
    context.out.write(parsed.has("man") ? man_overview() : top_help());
    return 0;
  }
  return help_of(context, parsed.args, parsed.has("man"));
}

constexpr auto help_options = std::to_array<OptionSpec>({
    {.names = "--codes", .value = "", .help = "list the error codes"},
    {.names = "--format", .value = "FORMAT", .help = "of --codes: table, json, yaml, markdown or a template"},
    {.names = "--man",
     .value = "DIR",
     .help = "write the man pages there; - prints the one of COMMAND",
     .complete = Complete::folder},
    {.names = "--reference", .value = "", .help = "all commands, as Markdown"},
    {.names = "--schemas", .value = "", .help = "JSON Schemas of what --format json prints"},
});
constexpr auto help_examples = std::to_array<Example>(
    {{"help run", ""}, {"help E-IMAGE-NOT-FOUND", "cause and cure of an error"}, {"help --codes", "all of them"}});

// --- version

std::string version_json() {
  utsname host{};
  uname(&host);
  std::string side = fmt::format(R"("Version":{},"Os":"linux","Arch":{},"KernelVersion":{})", quoted(program_version),
                                 quoted(architecture), quoted(host.release));
  return fmt::format(R"({{"SchemaVersion":1,"Client":{{{0}}},"Server":{{{0}}}}})", side);
}

int version_handler(Context& context, const Parsed& parsed) {
  std::string format = parsed.value_or("format", "");
  if (format.empty()) {
    context.out.line(fmt::format("servin {}", program_version));
    return 0;
  }
  print_object(context, format, version_json());
  return 0;
}

constexpr auto version_options =
    std::to_array<OptionSpec>({{.names = "-f,--format", .value = "FORMAT", .help = "json, yaml or a template"}});
constexpr auto version_examples =
    std::to_array<Example>({{"version", ""}, {"version --format '{{.Server.Version}}'", "the number alone"}});

// --- completion

int completion_handler(Context& context, const Parsed& parsed) {
  context.out.write(completion_script(parsed.args[0]));
  return 0;
}
constexpr auto completion_examples =
    std::to_array<Example>({{"completion bash", "for /usr/share/bash-completion/completions/servin"}});

const CommandSpec table[] = {
    {.name = "help",
     .group = group::engine,
     .arguments = "[COMMAND|CODE]",
     .summary = "all about a command or an error code",
     .options = help_options,
     .max_args = 3,
     .complete = Complete::command,
     .examples = help_examples,
     .handler = help_handler},
    {.name = "version",
     .group = group::engine,
     .summary = "the version",
     .options = version_options,
     .examples = version_examples,
     .handler = version_handler},
    {.name = "completion",
     .group = group::engine,
     .arguments = "SHELL",
     .summary = "the completion script of a shell",
     .text = "bash, zsh, fish or powershell. The script runs nothing when it is loaded.",
     .min_args = 1,
     .max_args = 1,
     .complete = Complete::choice,
     .examples = completion_examples,
     .handler = completion_handler},
};

}  // namespace

std::span<const CommandSpec> help_commands() { return table; }

}  // namespace servin::cli
