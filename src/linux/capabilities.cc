// SPDX-License-Identifier: Apache-2.0
#include "linux/capabilities.h"

#include <unistd.h>

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/capability_names.h"
#include "base/error.h"
#include "base/strings.h"

namespace servin::kernel {
namespace {

static_assert(capability_names.size() == cap_count);
constexpr const auto& names = capability_names;

}  // namespace

std::optional<int> cap_number(std::string_view name) {
  std::string want = lower(name);
  if (want.starts_with("cap_")) want.erase(0, 4);
  for (int i = 0; i < cap_count; ++i)
    if (lower(names[static_cast<std::size_t>(i)]) == want) return i;
  return std::nullopt;
}

std::string cap_name(int number) {
  if (number < 0 || number >= cap_count) return "CAP_" + std::to_string(number);
  return "CAP_" + std::string(names[static_cast<std::size_t>(number)]);
}

std::vector<std::string> cap_names(CapSet set) {
  std::vector<std::string> out;
  for (int i = 0; i < cap_count; ++i)
    if ((set & cap_bit(i)) != 0) out.push_back(cap_name(i));
  return out;
}

std::vector<std::string> known_caps() { return {names.begin(), names.end()}; }

CapSet bounding_caps() {
  CapSet set = 0;
  for (int i = 0; i < cap_count; ++i)
    if (::prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1) set |= cap_bit(i);
  return set;
}

CapSet effective_caps() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &header, data) != 0) throw_errno("read capabilities");
  return data[0].effective | (static_cast<CapSet>(data[1].effective) << 32);
}

}  // namespace servin::kernel
