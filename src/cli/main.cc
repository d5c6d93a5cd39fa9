// SPDX-License-Identifier: Apache-2.0
#include "cli/main.h"

#include <cstdlib>
#include <exception>
#include <new>
#include <unistd.h>

#include "base/error.h"
#include "base/strings.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/parse.h"
#include "cli/registry.h"

namespace servin::cli {
namespace {

int show_top(Context& context) {
  context.out.write(top_help());
  return 0;
}

int show_noun(Context& context, std::span<const std::string> words) {
  std::string noun = words[0];
  for (const std::string& word : words.subspan(1)) noun += " " + word;
  context.out.write(noun_help(noun));
  return 0;
}

int dispatch(Context& context, std::span<const std::string> args) {
  Front front = parse_front(args, context.global);
  if (front.version) return find_command("version")->handler(context, Parsed{});
  args = args.subspan(front.words);
  if (front.help || args.empty()) return show_top(context);
  if (args[0] == "__complete") return complete(context, args.subspan(1));
  Resolved resolved = resolve(args);
  if (resolved.command == nullptr) return show_noun(context, args.subspan(0, resolved.words));
  Parsed parsed = parse(*resolved.command, args.subspan(resolved.words), context.global);
  if (parsed.flag("help")) {
    context.out.write(command_help(*resolved.command, context.out.columns()));
    return 0;
  }
  return resolved.command->handler(context, parsed);
}

Error internal_error(const std::exception& e) {
  if (dynamic_cast<const std::bad_alloc*>(&e) != nullptr)
    return Error(ErrorCode::resource_exhausted, "out of memory")
        .with_hint("free memory, or raise the limit of this shell");
  return error(ErrorCode::internal, "internal error: {}", printable(e.what()))
      .with_hint("this is a fault of servin: please report the command and this message");
}

}  // namespace

int run(Context& context, std::span<const std::string> args) {
  int result = 125;
  try {
    result = dispatch(context, args);
  } catch (const Error& e) {
    context.out.flush();
    print_error(context.err, e);
    result = exit_code_of(e);
  } catch (const std::exception& e) {
    // Out of memory, or a fault of ours: an error message, where std::terminate would leave a core and the user alone.
    context.out.flush();
    print_error(context.err, internal_error(e));
  }
  context.out.flush();
  if (int err = context.out.failed(); err != 0) {
    print_error(context.err, errno_error(err, "write to stdout"));
    if (result == 0) result = 125;
  }
  context.err.flush();
  return result;
}

int run(std::span<const std::string> args, EngineFactory make_engine) {
  Context context;
  context.make_engine = std::move(make_engine);
  context.stdin_terminal = isatty(0) == 1;
  if (const char* root = std::getenv("SERVIN_ROOT")) context.global.root = root;
  return run(context, args);
}

}  // namespace servin::cli
