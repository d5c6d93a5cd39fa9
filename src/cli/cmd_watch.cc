// SPDX-License-Identifier: Apache-2.0
// logs, exec, attach and top: looking at, and into, containers that exist.
#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "cli/attach.h"
#include "cli/listing.h"
#include "cli/registry.h"
#include "cli/run_request.h"

namespace servin::cli {
namespace {

// --- logs

engine::LogRequest log_request(const Parsed& parsed) {
  engine::LogRequest request;
  request.follow = parsed.flag("follow");
  request.since = moment_of(parsed, "since");
  request.until = moment_of(parsed, "until");
  std::string tail = parsed.value_or("tail", "all");
  if (tail == "all") return request;
  auto lines = parse_i64(tail);
  if (!lines) {
    throw error(ErrorCode::invalid_argument, "--tail {}: neither a number nor \"all\"", tail)
        .with_id("E-OPTION-VALUE")
        .with_hint("for example --tail 100");
  }
  request.tail = *lines < 0 ? -1 : *lines;
  return request;
}

int logs_handler(Context& context, const Parsed& parsed) {
  engine::LogRequest request = log_request(parsed);
  bool times = parsed.flag("timestamps");
  bool at_line_start = true;
  context.engine().logs(parsed.args[0], request, [&](const engine::LogLine& line) {
    bool to_err = line.stream == engine::LogLine::Stream::err;
    Output& output = to_err ? context.err : context.out;
    // A long line comes in parts: only its first one carries the time.
    if (times && at_line_start) output.write(rfc3339(line.time) + " ");
    at_line_start = line.text.ends_with('\n');
    output.write(line.text);
    if (request.follow || to_err) {
      context.out.flush();
      context.err.flush();
    }
    return true;
  });
  return 0;
}

constexpr auto logs_options = std::to_array<OptionSpec>({
    {.names = "-f,--follow", .value = "", .help = "go on until the container ends"},
    {.names = "-t,--timestamps", .value = "", .help = "with the time of each line"},
    {.names = "-n,--tail", .value = "LINES", .help = "only the last so many, or \"all\""},
    {.names = "--since", .value = "WHEN", .help = "a time, or 10m: ten minutes ago"},
    {.names = "--until", .value = "WHEN", .help = "a time, or 10m: ten minutes ago"},
    {.names = "--details",
     .value = "",
     .help = "extra attributes",
     .later = "extra attributes of log lines are not built yet"},
});
constexpr auto logs_examples = std::to_array<Example>({{"logs web", ""},
                                                       {"logs -f --tail 10 web", "the last ten lines, then what comes"},
                                                       {"logs --since 10m -t web", "of the last ten minutes"}});

// --- exec

int exec_handler(Context& context, const Parsed& parsed) {
  engine::ExecRequest request = exec_request(parsed, Surroundings::of_process());
  bool detach = parsed.flag("detach");
  if (request.tty && request.open_stdin && !detach && !context.stdin_terminal) {
    throw Error(ErrorCode::invalid_argument, "--tty --interactive: stdin is not a terminal")
        .with_id("E-NO-TERMINAL")
        .with_hint("leave -t out: -i alone passes the input on");
  }
  PumpOptions options;
  options.terminal = request.tty;
  options.attach_stdin = request.open_stdin;
  options.sig_proxy = true;
  options.detach_keys = parsed.value_or("detach-keys", "");
  options.name = parsed.args[0];
  if (!options.detach_keys.empty()) parse_detach_keys(options.detach_keys);
  if (request.tty) caller_size(request.rows, request.columns);
  auto attachment = context.engine().exec(parsed.args[0], request, detach);
  return detach || !attachment ? 0 : pump(*attachment, options);
}

constexpr auto exec_options = std::to_array<OptionSpec>({
    {.names = "-d,--detach", .value = "", .help = "in the background"},
    {.names = "-i,--interactive", .value = "", .help = "pass stdin on"},
    {.names = "-t,--tty", .value = "", .help = "give it a terminal"},
    {.names = "-e,--env", .value = "NAME[=VALUE]", .help = "a variable; NAME alone takes yours", .repeat = true},
    {.names = "--env-file",
     .value = "FILE",
     .help = "variables, one a line",
     .complete = Complete::file,
     .repeat = true},
    {.names = "-u,--user", .value = "USER[:GROUP]", .help = "name or number"},
    {.names = "-w,--workdir", .value = "DIR", .help = "folder in the container"},
    {.names = "--privileged", .value = "", .help = "everything that the engine itself may"},
    {.names = "--detach-keys", .value = "KEYS", .help = "leave it running: ctrl-p,ctrl-q"},
});
constexpr auto exec_examples = std::to_array<Example>({{"exec web ps", "one command"},
                                                       {"exec -it web sh", "a shell"},
                                                       {"exec -u nobody -w /tmp web id", "as somebody else"}});

// --- attach

int attach_handler(Context& context, const Parsed& parsed) {
  const std::string& name = parsed.args[0];
  engine::Container container = context.engine().inspect(name);
  bool input = container.config.request.open_stdin && !parsed.flag("no-stdin");
  engine::AttachRequest request{.stdin_ = input, .out = true, .err = true, .logs = false};
  auto attachment = context.engine().attach(name, request);
  PumpOptions options;
  options.terminal = container.config.request.tty;
  options.attach_stdin = input;
  options.sig_proxy = !parsed.has("sig-proxy") || parsed.flag("sig-proxy");
  options.detach_keys = parsed.value_or("detach-keys", "");
  options.name = container.name();
  options.redraw = true;
  return pump(*attachment, options);
}

constexpr auto attach_command_options = std::to_array<OptionSpec>({
    {.names = "--no-stdin", .value = "", .help = "output only"},
    {.names = "--sig-proxy", .value = "", .help = "pass signals on (default; --sig-proxy=false)"},
    {.names = "--detach-keys", .value = "KEYS", .help = "leave it running: ctrl-p,ctrl-q"},
});
constexpr auto attach_examples = std::to_array<Example>({{"attach shell", "ctrl-p ctrl-q leaves it running"}});

// --- top

int top_handler(Context& context, const Parsed& parsed) {
  std::vector<std::string> ps(parsed.args.begin() + 1, parsed.args.end());
  engine::TopResult top = context.engine().top(parsed.args[0], join(ps, " "));
  std::vector<std::string> lines;
  lines.push_back(join(top.titles, "\t"));
  for (const auto& row : top.rows) {
    std::string line;
    for (const std::string& cell : row) line += (line.empty() ? "" : "\t") + printable(cell);
    lines.push_back(std::move(line));
  }
  context.out.write(align(lines));
  return 0;
}
constexpr auto top_examples =
    std::to_array<Example>({{"top web", ""}, {"top web -o pid,comm", "with columns of ps(1)"}});

const CommandSpec table[] = {
    {.name = "exec",
     .group = group::containers,
     .arguments = "CONTAINER COMMAND [ARG...]",
     .summary = "run one more command in a container",
     .options = exec_options,
     .min_args = 2,
     .max_args = -1,
     .order = Order::first,
     .complete = Complete::running,
     .one_target = true,
     .examples = exec_examples,
     .handler = exec_handler},
    {.name = "attach",
     .group = group::containers,
     .arguments = "CONTAINER",
     .summary = "connect to its input and output",
     .options = attach_command_options,
     .min_args = 1,
     .max_args = 1,
     .complete = Complete::running,
     .examples = attach_examples,
     .handler = attach_handler},
    {.name = "logs",
     .group = group::containers,
     .arguments = "CONTAINER",
     .summary = "what it wrote",
     .options = logs_options,
     .min_args = 1,
     .max_args = 1,
     .complete = Complete::container,
     .examples = logs_examples,
     .handler = logs_handler},
    {.name = "top",
     .group = group::containers,
     .arguments = "CONTAINER [PS OPTIONS]",
     .summary = "its processes",
     .min_args = 1,
     .max_args = -1,
     .order = Order::first,
     .complete = Complete::running,
     .one_target = true,
     .examples = top_examples,
     .handler = top_handler},
};

}  // namespace

std::span<const CommandSpec> watch_commands() { return table; }

}  // namespace servin::cli
