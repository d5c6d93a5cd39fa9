// SPDX-License-Identifier: Apache-2.0
// USER against hostile passwd and group files: "USER\0PASSWD\0GROUP". The oracle: a user of digits is that number and
// nothing else, and only a user whose entry says 0 is root.
#include <cstdlib>

#include "base/error.h"
#include "base/strings.h"
#include "runtime/linux/users.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  auto first = input.find('\0');
  if (first == std::string_view::npos) return 0;
  auto second = input.find('\0', first + 1);
  if (second == std::string_view::npos) return 0;
  std::string_view user = input.substr(0, first);
  try {
    auto found =
        servin::runtime::resolve_user(user, {}, input.substr(first + 1, second - first - 1), input.substr(second + 1));
    if (found.uid > 2147483647U || found.gid > 2147483647U) std::abort();
    std::string_view name = user.substr(0, user.find(':'));
    bool digits = !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
    if (digits && servin::parse_u64(name) != found.uid) std::abort();
  } catch (const servin::Error&) {
    // Refused.
  }
  return 0;
}
