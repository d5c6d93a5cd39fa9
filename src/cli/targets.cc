// SPDX-License-Identifier: Apache-2.0
#include "cli/targets.h"

#include "base/error.h"
#include "base/strings.h"

namespace servin::cli {

int for_each_target(Context& context, const std::vector<std::string>& targets, bool echo,
                    const std::function<void(const std::string&)>& act) {
  int result = 0;
  for (const std::string& target : targets) {
    try {
      act(target);
      if (echo) context.out.line(printable(target));
    } catch (Error& e) {
      if (e.message().find(target) == std::string::npos) e.context(target);
      context.out.flush();
      print_error(context.err, e);
      result = exit_code_of(e);
    }
  }
  return result;
}

}  // namespace servin::cli
