// SPDX-License-Identifier: Apache-2.0
// run and create.
#include <array>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/strings.h"
#include "cli/attach.h"
#include "cli/context.h"
#include "cli/progress.h"
#include "cli/registry.h"
#include "cli/run_request.h"
#include "os/file.h"

namespace servin::cli {
namespace {

/// Made before the container, so that an existing file fails the command before anything happened.
class IdFile {
 public:
  explicit IdFile(const std::string& path) : path_(path) {
    if (path.empty()) return;
    try {
      file_ = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    } catch (Error& e) {
      if (e.code() != ErrorCode::already_exists) throw;
      throw error(ErrorCode::already_exists, "--cidfile {}: the file exists", path)
          .with_id("E-FILE-EXISTS")
          .with_hint("remove it, or name another one");
    }
  }
  ~IdFile() {
    if (file_ && !written_) ::unlink(path_.c_str());
  }
  IdFile(const IdFile&) = delete;
  IdFile& operator=(const IdFile&) = delete;

  void write(const std::string& id) {
    if (!file_) return;
    write_all(file_, id, path_);
    written_ = true;
  }

 private:
  std::string path_;
  Fd file_;
  bool written_ = false;
};

void show_warnings(Context& context, const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) context.note("warning: " + warning);
}

RunRequest prepare(Context& context, const Parsed& parsed) {
  if (!parsed.note.empty()) context.note(parsed.note);
  RunRequest run = run_request(parsed, Surroundings::of_process());
  run.create.isolation = context.isolation(run.isolation);
  bool isolated = run.create.isolation != engine::Isolation::none;
  if (run.create.network.empty()) run.create.network = isolated ? "bridge" : "host";
  return run;
}

/// The image comes from its registry when that is asked for. A local one costs nothing: only a run that failed for want
/// of it asks.
template <typename F>
auto with_image(Context& context, const Parsed& parsed, RunRequest& run, F&& make) {
  auto fetch = [&] {
    engine::PullRequest request;
    request.image = run.create.image;
    request.platform = run.create.platform;
    auto view = progress_of(context, parsed);
    try {
      run.create.image =
          context.engine().provide_image(request, run.pull, [&](const engine::Progress& p) { view->show(p); });
    } catch (...) {
      view->finish();
      throw;
    }
    view->finish();
  };
  if (run.pull == "always") fetch();
  try {
    return make();
  } catch (const Error& e) {
    bool missing = e.id() == "E-IMAGE-NOT-FOUND" || (e.id() == "E-IMAGE-PLATFORM" && !run.create.platform.empty());
    if (run.pull != "missing" || !missing) throw;
  }
  fetch();
  return make();
}

/// --replace: the other one goes before its name, ports and addresses can be had, but not for an image that is not
/// there. What only a start finds out (a mount's source, a port of somebody else's) comes too late for it.
template <typename F>
auto with_name(Context& context, const RunRequest& run, F&& make) {
  try {
    return make();
  } catch (const Error& e) {
    if (!run.replace || e.id() != "E-NAME-TAKEN") throw;
  }
  try {
    engine::Container holder = context.engine().inspect(run.create.name);
    // By then the name may be gone, and be the beginning of somebody's id.
    if (holder.name() == run.create.name) context.engine().remove(holder.config.id, true, false);
  } catch (const Error& e) {
    if (e.id() != "E-CONTAINER-NOT-FOUND") throw;
  }
  return make();
}

void check_terminal(const Context& context, const RunRequest& run) {
  if (run.detach || !run.create.tty || !run.attach_stdin || context.stdin_terminal) return;
  throw Error(ErrorCode::invalid_argument, "--tty --interactive: stdin is not a terminal")
      .with_id("E-NO-TERMINAL")
      .with_hint("leave -t out: -i alone passes the input on");
}

int run_handler(Context& context, const Parsed& parsed) {
  RunRequest run = prepare(context, parsed);
  check_terminal(context, run);
  if (!run.detach_keys.empty()) parse_detach_keys(run.detach_keys);
  IdFile id_file(run.id_file);
  engine::AttachRequest attach{.stdin_ = run.attach_stdin, .out = run.attach_out, .err = run.attach_err, .logs = false};
  if (run.create.tty) caller_size(attach.rows, attach.columns);
  engine::Engine::Created created;
  auto attachment = with_image(context, parsed, run, [&] {
    return with_name(context, run,
                     [&] { return context.engine().run(run.create, run.detach ? nullptr : &attach, created); });
  });
  id_file.write(created.id);
  show_warnings(context, created.warnings);
  if (run.detach) {
    context.out.line(created.id);
    return 0;
  }
  PumpOptions options;
  options.terminal = run.create.tty;
  options.attach_stdin = run.attach_stdin;
  options.sig_proxy = run.signal_proxy;
  options.detach_keys = run.detach_keys;
  options.kill_on_closed_output = run.create.auto_remove;
  options.name = run.create.name.empty() ? created.id.substr(0, 12) : run.create.name;
  return pump(*attachment, options);
}

int create_handler(Context& context, const Parsed& parsed) {
  RunRequest run = prepare(context, parsed);
  IdFile id_file(run.id_file);
  auto created = with_image(context, parsed, run, [&] {
    return with_name(context, run, [&] { return context.engine().create(run.create); });
  });
  id_file.write(created.id);
  show_warnings(context, created.warnings);
  context.out.line(created.id);
  return 0;
}

constexpr std::string_view run_text =
    "Makes a container from IMAGE and runs it. Without COMMAND the image's own command runs. The command's exit code "
    "is "
    "servin's; 125 means that servin failed, 126 that the command could not be executed, 127 that it was not found.\n"
    "Behind IMAGE only -p -e -d -i -t -v --publish --env --volume --name --rm --network --dev are still read, up to "
    "the "
    "first other word; from there on everything belongs to the container. \"--\" ends the reading of options at once.";

constexpr auto run_examples = std::to_array<Example>({
    {"run base echo hello", "a command in the built-in image"},
    {"run --rm -it base sh", "a shell that is removed afterwards"},
    {"run -d --name web --network host nginx", "in the background"},
    {"run --rm -v \"$PWD:/src:ro\" -w /src base ls", "with this folder, read-only"},
    {"run --rm --memory 64m --cpus 0.5 base true", "with limits"},
});
constexpr auto create_examples = std::to_array<Example>({
    {"create --name later base echo hello", "ready to be started: servin start -a later"},
});

const CommandSpec table[] = {
    {.name = "run",
     .group = group::containers,
     .arguments = "IMAGE [COMMAND] [ARG...]",
     .summary = "run a command in a new container",
     .text = run_text,
     .options = attach_options(),
     .more_options = container_options(),
     .min_args = 1,
     .max_args = -1,
     .order = Order::after_image,
     .complete = Complete::image,
     .one_target = true,
     .examples = run_examples,
     .handler = run_handler},
    {.name = "create",
     .group = group::containers,
     .arguments = "IMAGE [COMMAND] [ARG...]",
     .summary = "make a container without starting it",
     .text = "As run, but the container waits for `servin start`. Prints its id.",
     .options = container_options(),
     .min_args = 1,
     .max_args = -1,
     .order = Order::after_image,
     .complete = Complete::image,
     .one_target = true,
     .examples = create_examples,
     .handler = create_handler},
};

}  // namespace

std::span<const CommandSpec> run_commands() { return table; }

}  // namespace servin::cli
