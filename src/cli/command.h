// SPDX-License-Identifier: Apache-2.0
// The command line. One table of commands (this file's types) feeds the parser, help, man pages, completion and the
// reference in docs/: what is not in the table does not exist. Tables are constant data, so that a start costs nothing
// for the commands that were not asked for; only the chosen one's parser is built.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace servin::cli {

/// What completes a value or an argument.
enum class Complete {
  none,
  container,  // any
  running,    // running containers
  image,
  volume,
  file,
  folder,
  choice,  // OptionSpec::choices
  signal,
  capability,
  network,  // made ones, none, host, container:NAME
  made_network,
  mount,    // -v: volumes and paths
  command,  // a command word
  code,     // an entry of the error catalogue
};

struct OptionSpec {
  std::string_view names;  // "-e,--env": the last one is the key in Parsed
  std::string_view value;  // "" = a flag; else what help calls the value: "NAME=VALUE"
  std::string_view help;
  Complete complete = Complete::none;
  std::string_view choices = "";  // "always|missing|never"
  bool repeat = false;
  /// Known, but waits for its part of the engine: using it is an error that says this.
  std::string_view later = "";
};

/// One field of a list: what templates and JSON call it, its column.
struct Field {
  std::string_view name;    // "RunningFor": in templates and JSON
  std::string_view header;  // "CREATED"; "" = never a column
  bool column = false;      // of the default table
  int shrink = 0;           // on a terminal that is too narrow, columns shrink in this order; 0 = never
};

struct Example {
  std::string_view command;  // as typed, without the leading "servin"
  std::string_view text;
};

struct Context;
struct Parsed;
using Handler = int (*)(Context&, const Parsed&);

/// How options and arguments mix.
enum class Order {
  free,         // options anywhere
  first,        // the first argument ends them (exec)
  after_image,  // run, create: some are still read behind IMAGE (cli.md rule 1)
};

struct CommandSpec {
  std::string_view name = "";  // "run", "image ls"
  std::string_view aliases =
      "";                       // "image list,images": whole paths; `container X` exists for every X of the containers
  std::string_view group = "";  // heading in the help
  std::string_view arguments = "";  // "IMAGE [COMMAND] [ARG...]"
  std::string_view summary = "";
  std::string_view text = "";  // more, for the command's help and man page
  std::span<const OptionSpec> options = {};
  std::span<const OptionSpec> more_options = {};  // a second table, shared with others
  int min_args = 0;
  int max_args = 0;  // -1: any number
  Order order = Order::free;
  Complete complete = Complete::none;  // of the arguments
  bool one_target = false;             // only the first argument completes as `complete`
  std::span<const Example> examples = {};
  std::span<const Field> fields = {};  // of lists: what --format can show
  Handler handler = nullptr;
  bool hidden = false;  // not in help

  template <typename F>
  void each_option(F&& visit) const {
    for (const OptionSpec& option : options) visit(option);
    for (const OptionSpec& option : more_options) visit(option);
  }
};

/// "env" of "-e,--env".
std::string_view option_key(const OptionSpec& option);

/// A command line after parsing: values under the option's key, arguments in order.
struct Parsed {
  const CommandSpec* command = nullptr;
  std::map<std::string, std::vector<std::string>, std::less<>> values;
  std::vector<std::string> args;
  std::string note;  // for stderr: options that were taken behind IMAGE

  bool has(std::string_view key) const { return values.contains(key); }
  bool flag(std::string_view key) const;
  /// The last value given.
  std::optional<std::string> value(std::string_view key) const;
  std::string value_or(std::string_view key, std::string_view otherwise) const;
  const std::vector<std::string>& all(std::string_view key) const;
};

}  // namespace servin::cli
