// SPDX-License-Identifier: Apache-2.0
// The options of run, create and exec -> what the engine is asked for. Pure but for `Surroundings`, so that tests and
// the fuzzer need no host.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/command.h"
#include "engine/types.h"

namespace servin::cli {

/// What the words may refer to outside themselves.
struct Surroundings {
  std::string cwd;
  std::string home;
  std::function<std::optional<std::string>(const std::string&)> variable;   // of the caller's environment
  std::function<std::optional<std::string>(const std::string&)> read_file;  // nothing: it does not exist
  static Surroundings of_process();
};

struct RunRequest {
  engine::CreateRequest create;  // isolation is settled by the caller
  bool detach = false;
  bool attach_stdin = false;
  bool attach_out = true;
  bool attach_err = true;
  bool signal_proxy = true;
  std::string detach_keys;  // "" = ctrl-p,ctrl-q
  std::string id_file;
  std::string isolation;  // as asked, "" = not
  std::string pull;       // missing, always, never
  bool replace = false;   // whoever has the name
};

std::span<const OptionSpec> container_options();  // run and create
std::span<const OptionSpec> limit_options();      // those of them that `update` changes
std::span<const OptionSpec> attach_options();     // run only: -d, --sig-proxy, --detach-keys, -a

RunRequest run_request(const Parsed& parsed, const Surroundings& around);
/// Of `update`: its options are a part of run's.
engine::UpdateRequest update_request(const Parsed& parsed);
engine::ExecRequest exec_request(const Parsed& parsed, const Surroundings& around);

/// The lines of --env-file and --label-file: NAME=VALUE, or NAME alone; # comments and empty lines are skipped.
std::vector<std::string> read_assignments(const std::string& path, const Surroundings& around, bool take_from_caller);

}  // namespace servin::cli
