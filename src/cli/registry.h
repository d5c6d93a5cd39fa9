// SPDX-License-Identifier: Apache-2.0
// The table of commands and the way from words to an entry of it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"

namespace servin::cli {

namespace group {
constexpr std::string_view containers = "Containers";
constexpr std::string_view files = "Files in containers";
constexpr std::string_view images = "Images";
constexpr std::string_view volumes = "Volumes";
constexpr std::string_view networks = "Networks";
constexpr std::string_view engine = "Engine";
}  // namespace group

/// All commands, in the order of the help.
std::span<const CommandSpec* const> commands();
/// Options that stand before the command or behind it.
std::span<const OptionSpec> global_options();

struct Resolved {
  const CommandSpec* command = nullptr;
  std::size_t words = 0;  // of `args` that named it
};
/// Finds the command that `args` start with. Throws E-COMMAND-UNKNOWN with "did you mean", E-NOT-BUILT for commands
/// of later parts. A bare noun ("image") resolves to nothing with words = 1: its help.
Resolved resolve(std::span<const std::string> args);
/// By whole name or alias ("images", "container ls"); null when there is none.
const CommandSpec* find_command(std::string_view path);
/// The nouns that have commands below them: container, fs, image, image template, volume, network, system, generate.
std::vector<std::string_view> nouns();
bool is_noun(std::string_view path);
/// The commands below a noun.
std::vector<const CommandSpec*> below(std::string_view noun);
/// Every word that may stand first (not the hidden ones).
std::vector<std::string> first_words();
/// Aliases of a command as whole paths, `container X` included.
std::vector<std::string> aliases_of(const CommandSpec& command);

// The tables of the areas (cmd_*.cc).
std::span<const CommandSpec> run_commands();        // run, create
std::span<const CommandSpec> lifecycle_commands();  // start ... rm
std::span<const CommandSpec> watch_commands();      // logs, exec, attach, top
std::span<const CommandSpec> list_commands();       // ls, inspect
std::span<const CommandSpec> copy_commands();       // cp, diff, export, commit
std::span<const CommandSpec> file_commands();       // fs
std::span<const CommandSpec> image_commands();
std::span<const CommandSpec> registry_commands();  // pull, push, login, logout, search
std::span<const CommandSpec> archive_commands();   // load, save, import
std::span<const CommandSpec> port_commands();
std::span<const CommandSpec> exists_commands();  // container exists ... network exists
std::span<const CommandSpec> volume_commands();
std::span<const CommandSpec> network_commands();
std::span<const CommandSpec> system_commands();
std::span<const CommandSpec> life_commands();  // stats, update, system start-enabled, generate systemd
std::span<const CommandSpec> event_commands();
std::span<const CommandSpec> help_commands();  // help, completion, version

}  // namespace servin::cli
