// SPDX-License-Identifier: Apache-2.0
#include "base/paths.h"

#include <cstdlib>
#include <filesystem>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/sha256.h"

namespace servin {
namespace {
std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string user_base(const char* variable, const std::string& fallback) {
  std::string value = environment(variable);
  if (!value.empty() && value[0] == '/') return value;
  return fallback;
}

std::string home() {
  std::string value = environment("HOME");
  if (value.empty() || value[0] != '/')
    throw error(ErrorCode::failed_precondition, "HOME is not set to an absolute path")
        .with_hint("set HOME, or give --root DIR");
  return value;
}
}  // namespace

Paths default_paths(const std::string& root) {
  Paths p;
  if (!root.empty()) {
    p.root = std::filesystem::absolute(root).lexically_normal().string();
    while (p.root.size() > 1 && p.root.back() == '/') p.root.pop_back();
    if (p.root == "/")
      throw error(ErrorCode::invalid_argument, "--root cannot be /")
          .with_hint("give a folder of its own, for example --root /srv/servin");
    p.run = p.root + "/run";
  } else if (::geteuid() == 0) {
    p.root = "/var/lib/servin";
    p.run = "/run/servin";
  } else {
    p.root = user_base("XDG_DATA_HOME", home() + "/.local/share") + "/servin";
    // Without XDG_RUNTIME_DIR there is no private folder that is gone at reboot: a name under /tmp could be taken by
    // somebody else.
    std::string runtime = environment("XDG_RUNTIME_DIR");
    p.run = !runtime.empty() && runtime[0] == '/' ? runtime + "/servin" : p.root + "/run";
  }
  p.tag = sha256_hex(p.root).substr(0, 8);
  return p;
}

}  // namespace servin
