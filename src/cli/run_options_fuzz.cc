// SPDX-License-Identifier: Apache-2.0
// Whatever stands on a command line of run, create or exec: it is understood or refused with an Error, never more. The
// input's words are separated by NUL.
#include <cstdint>

#include "base/error.h"
#include "base/strings.h"
#include "cli/parse.h"
#include "cli/registry.h"
#include "cli/run_request.h"
#include "engine/options.h"

using namespace servin;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::string> words = split(std::string_view(reinterpret_cast<const char*>(data), size), '\0');
  cli::Surroundings around;
  around.cwd = "/work";
  around.home = "/home/user";
  around.variable = [](const std::string& name) { return name.size() % 2 == 0 ? std::optional(name) : std::nullopt; };
  around.read_file = [](const std::string& path) { return path.size() % 2 == 0 ? std::optional(path) : std::nullopt; };
  for (const char* name : {"run", "create", "exec"}) {
    try {
      cli::GlobalOptions global;
      const cli::CommandSpec* command = cli::find_command(name);
      cli::Parsed parsed = cli::parse(*command, words, global);
      if (parsed.flag("help")) continue;
      if (command->name == "exec") {
        cli::exec_request(parsed, around);
      } else {
        engine::validate(cli::run_request(parsed, around).create);
      }
    } catch (const Error&) {
      // Bad input is refused.
    }
  }
  return 0;
}
