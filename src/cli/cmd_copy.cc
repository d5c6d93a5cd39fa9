// SPDX-License-Identifier: Apache-2.0
// cp, diff, export and commit: what is in containers, taken out and put in.
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

#include <sys/stat.h>

#include "base/error.h"
#include "base/strings.h"
#include "cli/copy_plan.h"
#include "cli/listing.h"
#include "cli/output_file.h"
#include "cli/progress.h"
#include "cli/registry.h"
#include "cli/stdio.h"
#include "files/pack.h"
#include "files/unpack.h"
#include "oci/image.h"
#include "os/file.h"
#include "os/path_open.h"

namespace servin::cli {
namespace {

using Source = std::unique_ptr<archive::ByteSource>;

/// Shows how much has come through.
class WatchedSource : public archive::ByteSource {
 public:
  WatchedSource(Source from, ProgressView& view, std::string object)
      : from_(std::move(from)), view_(view), progress_{"copying", std::move(object), 0, 0, false} {}
  std::size_t read(void* buffer, std::size_t n) override {
    std::size_t got = from_->read(buffer, n);
    progress_.done += got;
    progress_.finished = got == 0;
    // Small copies are over before anybody could read it.
    if (progress_.done > quiet_below) view_.show(progress_);
    return got;
  }

 private:
  static constexpr std::uint64_t quiet_below = 16U << 20U;
  Source from_;
  ProgressView& view_;
  engine::Progress progress_;
};

void drain_to(archive::ByteSource& source, const Fd& out, std::string_view name) {
  std::string buffer(256U << 10U, '\0');
  while (std::size_t n = source.read(buffer.data(), buffer.size()))
    write_all(out, std::string_view(buffer).substr(0, n), name);
}

bool is_folder(std::uint32_t mode) { return S_ISDIR(mode); }

// --- the host's end

Fd open_host(const std::string& path, bool follow) {
  Fd fd(::open(path.c_str(), O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW)));
  if (fd) return fd;
  if (errno != ENOENT) throw_errno("cp: {}", quoted(printable(path)));
  throw error(ErrorCode::not_found, "cp: {}: no such file", quoted(printable(path)))
      .with_id("E-FILE-NOT-FOUND")
      .with_hint("check the path");
}

CopyEnd look_at_host(const std::string& path, bool follow) {
  struct stat st{};
  int rc = follow ? ::stat(path.c_str(), &st) : ::lstat(path.c_str(), &st);
  if (rc != 0 && errno != ENOENT) throw_errno("cp: {}", quoted(printable(path)));
  return {path, rc == 0, rc == 0 && is_folder(st.st_mode)};
}

// A link as the destination is written through.
std::string host_destination(const std::string& path) {
  struct stat st{};
  if (::lstat(path.c_str(), &st) != 0 || !S_ISLNK(st.st_mode)) return path;
  std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), ::free);
  return real ? real.get() : path;
}

// --- the container's end

// What the path of a destination leads to in the end: docker writes to where a link points, also when that is not
// there.
CopyEnd look_at_destination(engine::Engine& engine, const CopyPlace& place) {
  constexpr int most_links = 40;
  std::string path = place.path;
  for (int links = 0; links < most_links; ++links) {
    try {
      engine::FileInfo info = engine.stat_path(place.container, path, false);
      if (!S_ISLNK(info.mode)) return {path, true, is_folder(info.mode)};
      path = join_link(path, info.target);
    } catch (const Error& e) {
      if (e.id() != "E-PATH-NOT-FOUND") throw;
      return {path, false, false};
    }
  }
  throw error(ErrorCode::invalid_argument, "cp: {}: too many links", quoted(printable(place.path)))
      .with_id("E-PATH-KIND");
}

// --- cp

class Copy {
 public:
  Copy(Context& context, const Parsed& parsed)
      : context_(context),
        from_(parse_place(parsed.args[0])),
        to_(parse_place(parsed.args[1])),
        owners_(parsed.flag("archive")),
        follow_(parsed.flag("follow-link") || is_content_only(from_.path)),
        view_(progress_of(context, parsed)) {}

  int run() {
    unite_names();
    check();
    try {
      if (to_.is_stream())
        to_stream();
      else if (from_.is_stream())
        put(Source(std::make_unique<archive::FdSource>(copy_of_standard(0), "stdin")), to_.path);
      else
        copy();
    } catch (...) {
      view_->finish();
      throw;
    }
    view_->finish();
    return 0;
  }

 private:
  // One container by two names would be opened twice, and the one wait for the other.
  void unite_names() {
    if (from_.container.empty() || to_.container.empty() || from_.container == to_.container) return;
    engine::Engine& engine = context_.engine();
    if (engine.inspect(from_.container).config.id == engine.inspect(to_.container).config.id)
      to_.container = from_.container;
  }

  void check() const {
    if (from_.container.empty() && to_.container.empty())
      throw Error(ErrorCode::invalid_argument, "cp: neither side is in a container")
          .with_id("E-ARGUMENTS")
          .with_hint("servin cp CONTAINER:PATH PATH, or servin cp PATH CONTAINER:PATH");
    bool terminal = (to_.is_stream() && context_.out.is_terminal()) || (from_.is_stream() && context_.stdin_terminal);
    if (terminal)
      throw Error(ErrorCode::invalid_argument, "cp: a tar archive does not belong on a terminal")
          .with_id("E-ARCHIVE-TERMINAL")
          .with_hint("servin cp CONTAINER:PATH - > FILE, or servin cp - CONTAINER:PATH < FILE");
    if (from_.container.empty() || from_.container != to_.container) return;
    std::string source = "/" + from_.path + "/", target = "/" + to_.path + "/";
    while (source.find("//") != std::string::npos) source.replace(source.find("//"), 2, "/");
    while (target.find("//") != std::string::npos) target.replace(target.find("//"), 2, "/");
    if (target.starts_with(source))
      throw error(ErrorCode::invalid_argument, "cp: {} cannot be copied into itself", quoted(printable(from_.path)))
          .with_id("E-PATH-KIND")
          .with_hint("choose a destination outside of it");
  }

  Source watched(Source source) { return std::make_unique<WatchedSource>(std::move(source), *view_, from_.path); }

  Source from_container(const std::string& name, bool sparse) {
    engine::PackRequest request;
    request.path = from_.path;
    request.name = name;
    request.follow = follow_;
    request.sparse = sparse;
    request.writable = from_.container == to_.container;
    return context_.engine().pack(from_.container, request);
  }

  void put(Source source, const std::string& folder) {
    context_.engine().unpack(to_.container, {folder, owners_}, watched(std::move(source)));
  }

  void to_stream() {
    std::string name = last_name(from_.path);
    auto source = watched(from_container(name == ".." ? "." : name, false));
    Fd out = copy_of_standard(1);
    drain_to(*source, out, "stdout");
  }

  void copy() {
    engine::Engine& engine = context_.engine();
    CopyEnd source{from_.path, true, false};
    if (from_.container.empty()) {
      source.is_folder = look_at_host(from_.path, follow_).is_folder;
    } else {
      source.is_folder = is_folder(engine.stat_path(from_.container, from_.path, follow_).mode);
    }
    CopyEnd target =
        to_.container.empty() ? look_at_host(host_destination(to_.path), true) : look_at_destination(engine, to_);
    Fd top;
    if (from_.container.empty()) top = open_host(from_.path, follow_);
    CopyPlan plan = plan_copy(source, target);
    Source tar;
    if (from_.container.empty()) {
      files::PackOptions options;
      options.name = plan.name;
      options.sparse = true;
      tar = std::make_unique<files::PackSource>(std::move(top), std::move(options));
    } else {
      tar = from_container(plan.name, true);
    }
    if (!to_.container.empty()) return put(std::move(tar), plan.folder);
    unpack_here(*watched(std::move(tar)), plan.folder);
  }

  void unpack_here(archive::ByteSource& tar, const std::string& folder) {
    files::UnpackOptions options;
    options.to_host = true;
    options.keep_owners = owners_ && ::geteuid() == 0;
    auto done = files::unpack(tar, open_host(folder, true), "/", options);
    if (done.devices_left_out != 0)
      context_.note(fmt::format("{} devices were left out: cp makes none on this host", done.devices_left_out));
  }

  Context& context_;
  CopyPlace from_, to_;
  bool owners_, follow_;
  std::unique_ptr<ProgressView> view_;
};

int cp_handler(Context& context, const Parsed& parsed) { return Copy(context, parsed).run(); }

constexpr OptionSpec quiet = {.names = "-q,--quiet", .value = "", .help = "no progress"};
constexpr auto progress = std::to_array<OptionSpec>({progress_option});
constexpr auto cp_options = std::to_array<OptionSpec>({
    {.names = "-a,--archive", .value = "", .help = "owners too; else root's there and yours here"},
    {.names = "-L,--follow-link", .value = "", .help = "of a source that is a link: what it leads to"},
    {.names = "-r,--recursive", .value = "", .help = "folders are copied whole anyway"},
    quiet,
});
constexpr auto cp_examples = std::to_array<Example>({{"cp web:/etc/nginx .", "a folder out of it"},
                                                     {"cp site/. web:/usr/share/nginx/html", "a folder's content"},
                                                     {"cp web:/var/log - | tar tv", "as a tar stream"},
                                                     {"cp one:/data two:/", "from one to the other"}});

// --- diff

int diff_handler(Context& context, const Parsed& parsed) {
  constexpr std::array kinds = {"C", "A", "D"};
  auto changes = context.engine().diff(parsed.args[0]);
  if (parsed.has("format")) {
    Listing listing;
    listing.fields = {{"Type", "CHANGE TYPE", true}, {"Path", "PATH", true}};
    for (const auto& change : changes)
      listing.rows.push_back({{kinds.at(static_cast<std::size_t>(change.kind)), change.path}, {}});
    print_listing(context, parsed, listing);
    return 0;
  }
  for (const auto& change : changes)
    context.out.line(fmt::format("{} {}", kinds.at(static_cast<std::size_t>(change.kind)), printable(change.path)));
  return 0;
}
constexpr auto diff_examples = std::to_array<Example>({{"diff web", "A = added, C = changed, D = deleted"}});
constexpr auto diff_fields = std::to_array<Field>({{"Type", "CHANGE TYPE", true}, {"Path", "PATH", true}});

// --- export

int export_handler(Context& context, const Parsed& parsed) {
  std::string path = parsed.value_or("output", "");
  bool to_stdout = path.empty() || path == "-";
  if (to_stdout && context.out.is_terminal())
    throw Error(ErrorCode::invalid_argument, "export: will not write an archive to a terminal")
        .with_id("E-ARCHIVE-TERMINAL")
        .with_hint("servin export -o FILE CONTAINER, or redirect the output");
  auto view = progress_of(context, parsed);
  WatchedSource source(context.engine().export_root(parsed.args[0]), *view, parsed.args[0]);
  if (to_stdout) {
    drain_to(source, copy_of_standard(1), "stdout");
    view->finish();
    return 0;
  }
  OutputFile file(path, 0600);
  try {
    drain_to(source, file.fd(), path);
    file.finish();
  } catch (...) {
    view->finish();
    throw;
  }
  view->finish();
  return 0;
}
constexpr auto export_options = std::to_array<OptionSpec>({
    {.names = "-o,--output", .value = "FILE", .help = "instead of stdout", .complete = Complete::file},
    quiet,
});
constexpr auto export_examples = std::to_array<Example>(
    {{"export -o web.tar web", ""}, {"export web | servin import - flat:1", "an image of one layer"}});

// --- commit

int commit_handler(Context& context, const Parsed& parsed) {
  engine::CommitRequest request;
  if (parsed.args.size() > 1) request.reference = oci::Reference::parse(parsed.args[1]).str();
  request.author = parsed.value_or("author", "");
  request.message = parsed.value_or("message", "");
  request.changes = parsed.all("change");
  request.pause = !parsed.has("pause") || parsed.flag("pause");
  auto view = progress_of(context, parsed);
  try {
    std::string id =
        context.engine().commit(parsed.args[0], request, [&](const engine::Progress& p) { view->show(p); });
    view->finish();
    context.out.line(id);
  } catch (...) {
    view->finish();
    throw;
  }
  return 0;
}
constexpr auto commit_options = std::to_array<OptionSpec>({
    {.names = "-a,--author", .value = "TEXT", .help = "who made it"},
    {.names = "-m,--message", .value = "TEXT", .help = "noted in the image's history"},
    {.names = "-c,--change", .value = "INSTRUCTION", .help = "CMD, ENV, ... of the image", .repeat = true},
    {.names = "-p,--pause", .value = "", .help = "freeze it meanwhile (default; --pause=false)"},
    quiet,
});
constexpr auto commit_examples = std::to_array<Example>(
    {{"commit web site:2", ""}, {"commit -c 'CMD [\"httpd\", \"-f\"]' -m 'with pages' web site:2", ""}});

const CommandSpec table[] = {
    {.name = "cp",
     .aliases = "copy",
     .group = group::containers,
     .arguments = "CONTAINER:PATH|PATH|- CONTAINER:PATH|PATH|-",
     .summary = "copy files in and out",
     .text = "Copies files and folders between containers and this host, through the containers' mounts, whether they "
             "run or not. PATH starts at the container's root. A folder that is there already gets the source below "
             "it, or with SOURCE/. its content; \"-\" is a tar stream.",
     .options = cp_options,
     .more_options = progress,
     .min_args = 2,
     .max_args = 2,
     .complete = Complete::container,
     .examples = cp_examples,
     .handler = cp_handler},
    {.name = "diff",
     .group = group::containers,
     .arguments = "CONTAINER",
     .summary = "what it changed in its image's files",
     .options = inspect_options(),
     .min_args = 1,
     .max_args = 1,
     .complete = Complete::container,
     .examples = diff_examples,
     .fields = diff_fields,
     .handler = diff_handler},
    {.name = "export",
     .group = group::containers,
     .arguments = "CONTAINER",
     .summary = "its root file system as a tar archive",
     .text = "Without volumes and other mounts. `servin import` makes an image of it.",
     .options = export_options,
     .more_options = progress,
     .min_args = 1,
     .max_args = 1,
     .complete = Complete::container,
     .examples = export_examples,
     .handler = export_handler},
    {.name = "commit",
     .group = group::containers,
     .arguments = "CONTAINER [NAME[:TAG]]",
     .summary = "a new image from it",
     .text = "The container's image with one more layer: what `servin diff` shows. Volumes are not part of it.",
     .options = commit_options,
     .more_options = progress,
     .min_args = 1,
     .max_args = 2,
     .complete = Complete::container,
     .one_target = true,
     .examples = commit_examples,
     .handler = commit_handler},
};

}  // namespace

std::span<const CommandSpec> copy_commands() { return table; }

}  // namespace servin::cli
