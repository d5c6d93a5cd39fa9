// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <utility>

#include <sys/utsname.h>

#include "base/error.h"
#include "base/strings.h"
#include "oci/image.h"

namespace servin::oci {

namespace {

struct Alias {
  std::string_view name, architecture, variant;
};
/// The kernel's and Debian's words for machines, beside Go's.
constexpr std::array aliases = {
    Alias{"x86_64", "amd64", ""},     Alias{"x86-64", "amd64", ""},    Alias{"aarch64", "arm64", "v8"},
    Alias{"armv8l", "arm64", "v8"},   Alias{"armv7l", "arm", "v7"},    Alias{"armhf", "arm", "v7"},
    Alias{"armv6l", "arm", "v6"},     Alias{"armel", "arm", "v6"},     Alias{"i386", "386", ""},
    Alias{"i686", "386", ""},         Alias{"ppc64el", "ppc64le", ""}, Alias{"loongarch64", "loong64", ""},
    Alias{"mips64el", "mips64le", ""}};
constexpr std::array<std::string_view, 12> architectures = {
    "amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64", "ppc64", "mips64le", "mips64", "loong64", "wasm"};
constexpr std::array<std::string_view, 6> systems = {"linux", "windows", "darwin", "freebsd", "wasip1", "wasi"};

bool known(std::string_view word, const auto& list) {
  for (std::string_view item : list)
    if (item == word) return true;
  return false;
}

void set_architecture(Platform& platform, std::string_view word) {
  for (const Alias& alias : aliases)
    if (alias.name == word) {
      platform.architecture = alias.architecture;
      platform.variant = alias.variant;
      return;
    }
  platform.architecture = word;
}

/// arm64 has been v8 from the start, arm without a variant means v7.
std::string_view full_variant(const Platform& platform) {
  if (!platform.variant.empty()) return platform.variant;
  if (platform.architecture == "arm64") return "v8";
  if (platform.architecture == "arm") return "v7";
  return "";
}

bool valid_word(std::string_view word) {
  if (word.empty() || word.size() > 32) return false;
  return word.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-.") == std::string_view::npos;
}

}  // namespace

Platform Platform::host() {
  utsname name{};
  uname(&name);
  Platform platform;
  set_architecture(platform, name.machine);
  return platform;
}

Platform Platform::parse(std::string_view text) {
  auto bad = [&] {
    return error(ErrorCode::invalid_argument, "invalid platform \"{}\"", printable(text.substr(0, 100)))
        .with_hint("a platform is OS/ARCHITECTURE[/VARIANT]: linux/amd64, linux/arm64, linux/arm/v7");
  };
  std::vector<std::string> parts = split(lower(text), '/');
  if (parts.size() > 3) throw bad();
  for (const std::string& part : parts)
    if (!valid_word(part)) throw bad();
  Platform platform;
  if (parts.size() == 1) {
    platform = host();
    if (known(parts[0], systems)) {
      platform.os = parts[0];
    } else {
      platform.variant.clear();
      set_architecture(platform, parts[0]);
      if (!known(platform.architecture, architectures)) throw bad();
    }
    return platform;
  }
  platform.os = parts[0];
  set_architecture(platform, parts[1]);
  if (parts.size() == 3) platform.variant = parts[2];
  return platform;
}

std::string Platform::str() const {
  std::string text = os + "/" + architecture;
  return variant.empty() ? text : text + "/" + variant;
}

bool Platform::accepts(const Platform& offered) const {
  if (os != offered.os || architecture != offered.architecture) return false;
  std::string_view want = full_variant(*this), have = full_variant(offered);
  if (want == have) return true;
  // 32-bit ARM runs what was made for older ones.
  if (architecture == "arm") return have < want;
  return variant.empty() && architecture != "arm64";
}

}  // namespace servin::oci
