// SPDX-License-Identifier: Apache-2.0
// start stop restart kill pause unpause rm rename wait prune: what changes a container's state.
#include <array>
#include <functional>

#include "base/error.h"
#include "base/strings.h"
#include "cli/attach.h"
#include "cli/prune.h"
#include "cli/registry.h"
#include "cli/targets.h"

namespace servin::cli {
namespace {

constexpr OptionSpec seconds = {
    .names = "-t,--timeout,--time", .value = "SECONDS", .help = "wait so long before SIGKILL (10)"};
constexpr OptionSpec signal_option = {
    .names = "-s,--signal", .value = "SIGNAL", .help = "the signal", .complete = Complete::signal};

std::optional<int> timeout_of(const Parsed& parsed) {
  auto text = parsed.value("time");
  if (!text) return std::nullopt;
  auto number = parse_i64(*text);
  if (!number || *number < -1 || *number > INT32_MAX) {
    throw error(ErrorCode::invalid_argument, "--time {}: not a number of seconds", *text)
        .with_id("E-OPTION-VALUE")
        .with_hint("for example --time 5; -1 waits for ever");
  }
  return static_cast<int>(*number);
}

// --- start

int start_attached(Context& context, const Parsed& parsed) {
  if (parsed.args.size() != 1 || parsed.flag("all")) {
    throw Error(ErrorCode::invalid_argument, "start --attach: one container at a time")
        .with_id("E-OPTION-CONFLICT")
        .with_hint("start the others without --attach");
  }
  const std::string& name = parsed.args[0];
  engine::Container container = context.engine().inspect(name);
  bool input = parsed.flag("interactive") && container.config.request.open_stdin;
  engine::AttachRequest attach{.stdin_ = input, .out = true, .err = true, .logs = false};
  if (container.config.request.tty) caller_size(attach.rows, attach.columns);
  if (auto keys = parsed.value("detach-keys")) parse_detach_keys(*keys);  // before anything is started
  auto attachment = context.engine().start(name, &attach);
  PumpOptions options;
  options.terminal = container.config.request.tty;
  options.attach_stdin = input;
  options.sig_proxy = !parsed.has("sig-proxy") || parsed.flag("sig-proxy");
  options.detach_keys = parsed.value_or("detach-keys", "");
  options.name = container.name();
  return pump(*attachment, options);
}

int start_handler(Context& context, const Parsed& parsed) {
  if (parsed.flag("attach") || parsed.flag("interactive")) return start_attached(context, parsed);
  return for_each_target(context, named_or_all(context, parsed, std::not_fn(is_running)), true,
                         [&](const std::string& name) { context.engine().start(name, nullptr); });
}

constexpr auto start_options = std::to_array<OptionSpec>({
    {.names = "-a,--attach", .value = "", .help = "show its output, pass signals on"},
    {.names = "-i,--interactive", .value = "", .help = "and its input"},
    {.names = "--all", .value = "", .help = "all that do not run"},
    {.names = "--sig-proxy", .value = "", .help = "pass signals on (default; --sig-proxy=false)"},
    {.names = "--detach-keys", .value = "KEYS", .help = "leave it running: ctrl-p,ctrl-q"},
});
constexpr auto start_examples = std::to_array<Example>({{"start web", ""}, {"start -ai shell", "and stay connected"}});

// --- stop, restart, kill, pause, unpause

int stop_handler(Context& context, const Parsed& parsed) {
  auto timeout = timeout_of(parsed);
  std::string signal = parsed.value_or("signal", "");
  return for_each_target(context, named_or_all(context, parsed, is_running), true,
                         [&](const std::string& name) { context.engine().stop(name, timeout, signal); });
}
constexpr auto stop_options = std::to_array<OptionSpec>({seconds, signal_option, all_running});
constexpr auto stop_examples =
    std::to_array<Example>({{"stop web", ""}, {"stop -t 1 web db", "less patient"}, {"stop --all", "all that run"}});

int restart_handler(Context& context, const Parsed& parsed) {
  auto timeout = timeout_of(parsed);
  return for_each_target(context, named_or_all(context, parsed, [](engine::Status) { return true; }), true,
                         [&](const std::string& name) { context.engine().restart(name, timeout); });
}
constexpr auto restart_options =
    std::to_array<OptionSpec>({seconds, {.names = "-a,--all", .value = "", .help = "all"}});
constexpr auto restart_examples = std::to_array<Example>({{"restart web", ""}});

int kill_handler(Context& context, const Parsed& parsed) {
  std::string signal = parsed.value_or("signal", "KILL");
  // One that waits for its next start has nothing to signal.
  auto has_processes = [](engine::Status status) { return is_running(status) && status != engine::Status::restarting; };
  return for_each_target(context, named_or_all(context, parsed, has_processes), true,
                         [&](const std::string& name) { context.engine().kill(name, signal); });
}
constexpr auto kill_options = std::to_array<OptionSpec>({signal_option, all_running});
constexpr auto kill_examples = std::to_array<Example>({{"kill web", "SIGKILL"}, {"kill -s HUP web", "reload"}});

int pause_handler(Context& context, const Parsed& parsed) {
  return for_each_target(
      context, named_or_all(context, parsed, [](engine::Status status) { return status == engine::Status::running; }),
      true, [&](const std::string& name) { context.engine().pause(name); });
}
constexpr auto pause_options = std::to_array<OptionSpec>({all_running});
constexpr auto pause_examples = std::to_array<Example>({{"pause web", ""}});

int unpause_handler(Context& context, const Parsed& parsed) {
  return for_each_target(
      context, named_or_all(context, parsed, [](engine::Status status) { return status == engine::Status::paused; }),
      true, [&](const std::string& name) { context.engine().unpause(name); });
}
constexpr auto unpause_options =
    std::to_array<OptionSpec>({{.names = "-a,--all", .value = "", .help = "all that are frozen"}});
constexpr auto unpause_examples = std::to_array<Example>({{"unpause web", ""}});

// --- rm

/// Nothing: the person said no.
std::optional<std::vector<std::string>> targets_of_rm(Context& context, const Parsed& parsed) {
  bool force = parsed.flag("force"), all = parsed.flag("all");
  std::size_t stay = 0;
  auto names = named_or_all(context, parsed, [&](engine::Status status) {
    bool goes = force || !is_running(status);
    stay += goes ? 0 : 1;
    return goes;
  });
  if (stay > 0) context.note(fmt::format("{} running stay; --force removes them too", stay));
  if (!all || names.empty() || force || !context.can_ask()) return names;
  if (!context.confirm(fmt::format("Remove all {} containers that do not run?", names.size()))) return std::nullopt;
  return names;
}

int rm_handler(Context& context, const Parsed& parsed) {
  auto targets = targets_of_rm(context, parsed);
  if (!targets) {
    context.note("nothing was removed");
    return 125;
  }
  bool force = parsed.flag("force");
  bool volumes = parsed.flag("volumes");
  if (parsed.flag("dry-run")) {
    for (const std::string& name : *targets)
      context.out.line(name.find(':') == std::string::npos ? context.engine().inspect(name).name() : name);
    return 0;
  }
  return for_each_target(context, *targets, true, [&](const std::string& name) {
    // CONTAINER:PATH is a file in it; no name of a container has a colon.
    if (auto place = split_once(name, ':'))
      return context.engine().remove_path(place->first, place->second, false, force);
    try {
      context.engine().remove(name, force, volumes);
    } catch (const Error& e) {
      // What --force asks for is that it is gone afterwards.
      if (!force || e.id() != "E-CONTAINER-NOT-FOUND") throw;
    }
  });
}
constexpr auto rm_options = std::to_array<OptionSpec>({
    {.names = "-f,--force", .value = "", .help = "running ones too; no failure when it does not exist"},
    {.names = "-a,--all", .value = "", .help = "all that do not run (with --force: all)"},
    {.names = "-v,--volumes", .value = "", .help = "their anonymous volumes too"},
    {.names = "--dry-run", .value = "", .help = "only print what would be removed"},
});
constexpr auto rm_examples = std::to_array<Example>(
    {{"rm web", ""}, {"rm -f web db", "running or not"}, {"rm --all", "all that do not run; asks on a terminal"}});

// --- rename, wait, prune

int rename_handler(Context& context, const Parsed& parsed) {
  context.engine().rename(parsed.args[0], parsed.args[1]);
  return 0;
}
constexpr auto rename_examples = std::to_array<Example>({{"rename web www", ""}});

int wait_handler(Context& context, const Parsed& parsed) {
  std::string condition = parsed.value_or("condition", "not-running");
  return for_each_target(context, parsed.args, false, [&](const std::string& name) {
    context.out.line(fmt::format("{}", context.engine().wait(name, condition).code));
    context.out.flush();
  });
}
constexpr auto wait_options = std::to_array<OptionSpec>({
    {.names = "--condition",
     .value = "WHEN",
     .help = "not-running, next-exit, removed, healthy, unhealthy, running, exited ...",
     .complete = Complete::choice,
     .choices = "not-running|next-exit|removed|healthy|unhealthy|running|exited|stopped|paused|created|restarting"},
});
constexpr auto wait_examples = std::to_array<Example>({
    {"wait web", "prints its exit code when it has ended"},
    {"wait --condition healthy db", "until its health check says so"},
});

int prune_handler(Context& context, const Parsed& parsed) {
  return prune(context, parsed, "all containers that do not run", {prune_containers});
}
constexpr auto prune_examples = std::to_array<Example>({{"container prune --force", "without asking"}});

const CommandSpec table[] = {
    {.name = "start",
     .group = group::containers,
     .arguments = "CONTAINER...",
     .summary = "start containers that do not run",
     .options = start_options,
     .max_args = -1,
     .complete = Complete::container,
     .examples = start_examples,
     .handler = start_handler},
    {.name = "stop",
     .group = group::containers,
     .arguments = "CONTAINER...",
     .summary = "end them: stop signal, then SIGKILL",
     .text =
         "Sends the stop signal (SIGTERM unless the image or --stop-signal says otherwise), waits, then sends SIGKILL.",
     .options = stop_options,
     .max_args = -1,
     .complete = Complete::running,
     .examples = stop_examples,
     .handler = stop_handler},
    {.name = "restart",
     .group = group::containers,
     .arguments = "CONTAINER...",
     .summary = "stop and start",
     .options = restart_options,
     .max_args = -1,
     .complete = Complete::container,
     .examples = restart_examples,
     .handler = restart_handler},
    {.name = "kill",
     .group = group::containers,
     .arguments = "CONTAINER...",
     .summary = "send a signal",
     .options = kill_options,
     .max_args = -1,
     .complete = Complete::running,
     .examples = kill_examples,
     .handler = kill_handler},
    {.name = "pause",
     .group = group::containers,
     .arguments = "CONTAINER...",
     .summary = "freeze all their processes",
     .options = pause_options,
     .max_args = -1,
     .complete = Complete::running,
     .examples = pause_examples,
     .handler = pause_handler},
    {.name = "unpause",
     .group = group::containers,
     .arguments = "CONTAINER...",
     .summary = "let them go on",
     .options = unpause_options,
     .max_args = -1,
     .complete = Complete::container,
     .examples = unpause_examples,
     .handler = unpause_handler},
    {.name = "rm",
     .aliases = "remove",
     .group = group::containers,
     .arguments = "CONTAINER...",
     .summary = "remove containers",
     .text = "CONTAINER:PATH removes a file in a container instead, as `servin fs rm` does.",
     .options = rm_options,
     .max_args = -1,
     .complete = Complete::container,
     .examples = rm_examples,
     .handler = rm_handler},
    {.name = "rename",
     .group = group::containers,
     .arguments = "CONTAINER NAME",
     .summary = "give another name",
     .min_args = 2,
     .max_args = 2,
     .complete = Complete::container,
     .one_target = true,
     .examples = rename_examples,
     .handler = rename_handler},
    {.name = "wait",
     .group = group::containers,
     .arguments = "CONTAINER...",
     .summary = "wait for the end or a state, print exit codes",
     .options = wait_options,
     .min_args = 1,
     .max_args = -1,
     .complete = Complete::running,
     .examples = wait_examples,
     .handler = wait_handler},
    {.name = "container prune",
     .group = group::engine,
     .arguments = "",
     .summary = "remove all containers that do not run",
     .options = prune_options(),
     .examples = prune_examples,
     .handler = prune_handler},
};

}  // namespace

std::span<const CommandSpec> lifecycle_commands() { return table; }

}  // namespace servin::cli
