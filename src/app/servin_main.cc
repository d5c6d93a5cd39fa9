// SPDX-License-Identifier: Apache-2.0
// The program of the user's: `servin COMMAND`, and the hidden verbs that the engine and its shims start. Nothing
// happens before the dispatch, and the engine is made when a command first asks for it: `servin version` touches
// nothing.
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/paths.h"
#include "cli/main.h"
#include "engine/local/hidden.h"
#include "engine/local/local.h"

namespace {

using servin::engine::LocalEngine;

/// servin [--root R] __VERB [ID]: nothing when it is none of these.
struct HiddenCall {
  std::string root;
  std::string verb;
  std::string id;
};

HiddenCall hidden_call(const std::vector<std::string>& args) {
  std::size_t at = args.size() > 1 && args[0] == "--root" ? 2 : 0;
  if (at >= args.size() || !args[at].starts_with("__")) return {};
  HiddenCall call{at == 2 ? args[1] : std::string(), args[at], at + 1 < args.size() ? args[at + 1] : std::string()};
  bool known =
      call.verb == "__cleanup" || call.verb == "__persist" || call.verb == "__restart" || call.verb == "__health";
  if (!known) return {};
  return call;
}

/// The shim's protection from the kernel's OOM killer is not for what it starts, least of all for a container.
void drop_protection() {
  int fd = ::open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  char value[16] = {};
  if (::read(fd, value, sizeof value - 1) > 0 && std::atoi(value) == -999) [[maybe_unused]]
    auto n = ::pwrite(fd, "0", 1, 0);
  ::close(fd);
}

int run_hidden(const HiddenCall& call) {
  drop_protection();
  try {
    servin::Paths paths = servin::default_paths(call.root);
    if (call.verb == "__cleanup") servin::engine::hidden_cleanup(paths, call.id);
    if (call.verb == "__persist") servin::engine::hidden_persist(paths, call.id);
    if (call.verb == "__restart") servin::engine::hidden_restart(paths, call.id);
    if (call.verb == "__health") return servin::engine::hidden_health(paths, call.id);
    return 0;
  } catch (const servin::Error& e) {
    servin::log::warn("{} {}: {}", call.verb, call.id, e.message());
    return 125;
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> args(argv + 1, argv + argc);
  if (HiddenCall call = hidden_call(args); !call.verb.empty()) return run_hidden(call);
  return servin::cli::run(args, [](const servin::cli::GlobalOptions& global) {
    return std::make_unique<LocalEngine>(servin::default_paths(global.root));
  });
}
