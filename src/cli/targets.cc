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

bool is_running(engine::Status status) {
  return status == engine::Status::running || status == engine::Status::paused || status == engine::Status::restarting;
}

std::vector<std::string> named_or_all(Context& context, const Parsed& parsed,
                                      const std::function<bool(engine::Status)>& fits) {
  std::string_view verb = parsed.command->name;
  if (!parsed.flag("all")) {
    if (!parsed.args.empty()) return parsed.args;
    throw error(ErrorCode::invalid_argument, "{}: needs CONTAINER...", verb)
        .with_id("E-ARGUMENTS")
        .with_hint(fmt::format("servin {} NAME, or servin {} --all", verb, verb));
  }
  if (!parsed.args.empty())
    throw error(ErrorCode::invalid_argument, "{}: --all and names exclude each other", verb)
        .with_id("E-OPTION-CONFLICT")
        .with_hint("leave one of them out");
  std::vector<std::string> names;
  for (const engine::Container& container : context.engine().list({.all = true, .filters = {}, .last = 0}))
    if (fits(container.state.status)) names.push_back(container.name());
  return names;
}

}  // namespace servin::cli
