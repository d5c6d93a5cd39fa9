// SPDX-License-Identifier: Apache-2.0
#include "shim/verb.h"

#include <unistd.h>

#include "base/error.h"
#include "os/process.h"

namespace servin::shim {

pid_t run_verb(const std::vector<std::string>& argv) {
  if (argv.empty()) return 0;
  SpawnOptions verb;
  verb.program = argv[0];
  verb.args = argv;
  for (char** e = environ; *e; ++e) verb.env.emplace_back(*e);
  verb.cwd = "/";
  try {
    return spawn(verb);
  } catch (const Error&) {
    return 0;
  }
}

}  // namespace servin::shim
