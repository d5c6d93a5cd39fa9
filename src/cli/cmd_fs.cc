// SPDX-License-Identifier: Apache-2.0
// fs: files in containers, running or not.
#include <array>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/strings.h"
#include "cli/container_words.h"
#include "cli/listing.h"
#include "cli/registry.h"
#include "cli/stdio.h"

namespace servin::cli {
namespace {

using engine::FileInfo;

struct Kind {
  char letter;  // ls's
  std::string_view word;
};

Kind kind_of(std::uint32_t mode) {
  if (S_ISDIR(mode)) return {'d', "folder"};
  if (S_ISLNK(mode)) return {'l', "link"};
  if (S_ISREG(mode)) return {'-', "file"};
  if (S_ISFIFO(mode)) return {'p', "fifo"};
  if (S_ISSOCK(mode)) return {'s', "socket"};
  return S_ISCHR(mode) ? Kind{'c', "character device"} : Kind{'b', "block device"};
}

/// "drwxr-sr-x", as ls writes it.
std::string mode_text(std::uint32_t mode) {
  std::string text(1, kind_of(mode).letter);
  for (unsigned bit = 0; bit < 9; ++bit) text += (mode & (0400U >> bit)) != 0 ? "rwx"[bit % 3] : '-';
  auto special = [&](unsigned bit, std::size_t at, char letter, char alone) {
    if ((mode & bit) != 0) text[at] = text[at] == 'x' ? letter : alone;
  };
  special(S_ISUID, 3, 's', 'S');
  special(S_ISGID, 6, 's', 'S');
  special(S_ISVTX, 9, 't', 'T');
  return text;
}

std::string size_text(const FileInfo& info, bool human) {
  if (S_ISCHR(info.mode) || S_ISBLK(info.mode)) return fmt::format("{}, {}", major(info.device), minor(info.device));
  return human ? human_size_binary(info.size) : std::to_string(info.size);
}

constexpr auto file_fields = std::to_array<Field>({
    {"Mode", "MODE", true},
    {"Links", "LINKS"},
    {"Uid", "UID", true},
    {"Gid", "GID", true},
    {"Size", "SIZE", true},
    {"Modified", "MODIFIED", true},
    {"Name", "NAME", true},
    {"Type", "TYPE"},
    {"Target", "TARGET"},
    {"Permissions", "PERMISSIONS"},
});

Row file_row(const FileInfo& info, const std::string& name, bool human) {
  Row row;
  row.values = {mode_text(info.mode),
                std::to_string(info.links),
                std::to_string(info.uid),
                std::to_string(info.gid),
                size_text(info, human),
                shown_time(info.modified),
                name,
                std::string(kind_of(info.mode).word),
                info.target,
                fmt::format("{:04o}", info.mode & 07777U)};
  return row;
}

Listing file_listing() {
  Listing listing;
  listing.fields.assign(file_fields.begin(), file_fields.end());
  listing.quiet = 6;
  return listing;
}

// --- ls

class Lister {
 public:
  Lister(Context& context, const Parsed& parsed)
      : context_(context),
        container_(parsed.args[0]),
        hidden_(parsed.flag("all")),
        human_(parsed.flag("human")),
        recursive_(parsed.flag("recursive")),
        details_(parsed.flag("long") || parsed.has("format")) {}

  void list(const std::string& path, const std::string& before) {
    for (const FileInfo& info : context_.engine().list_path(container_, path)) {
      if (!hidden_ && info.name.starts_with('.')) continue;
      std::string name = before + info.name;
      std::string shown = details_ && !info.target.empty() ? name + " -> " + info.target : name;
      listing_.rows.push_back(file_row(info, details_ ? shown : name, human_));
      if (recursive_ && S_ISDIR(info.mode)) list(path + "/" + info.name, name + "/");
    }
  }

  void print(const Parsed& parsed) {
    if (details_) return print_listing(context_, parsed, listing_);
    for (const Row& row : listing_.rows) context_.out.line(printable(row.values[listing_.quiet]));
  }

 private:
  Context& context_;
  std::string container_;
  bool hidden_, human_, recursive_, details_;
  Listing listing_ = file_listing();
};

std::string path_of(const Parsed& parsed) { return parsed.args.size() > 1 ? parsed.args[1] : "/"; }

int ls_handler(Context& context, const Parsed& parsed) {
  Lister lister(context, parsed);
  lister.list(path_of(parsed), "");
  lister.print(parsed);
  return 0;
}

// --- the others

int cat_handler(Context& context, const Parsed& parsed) {
  context.out.flush();
  Fd out = copy_of_standard(1);
  for (std::size_t i = 1; i < parsed.args.size(); ++i) context.engine().cat(parsed.args[0], parsed.args[i], out);
  return 0;
}

std::string stat_json(const FileInfo& info) {
  return fmt::format(
      R"({{"Name":{},"Type":{},"Size":{},"Mode":{},"Permissions":{},"Uid":{},"Gid":{},"Links":{},"Modified":{},"Target":{}}})",
      quoted(info.name), quoted(kind_of(info.mode).word), info.size, quoted(mode_text(info.mode)),
      quoted(fmt::format("{:04o}", info.mode & 07777U)), info.uid, info.gid, info.links, quoted(rfc3339(info.modified)),
      quoted(info.target));
}

int stat_handler(Context& context, const Parsed& parsed) {
  FileInfo info = context.engine().stat_path(parsed.args[0], parsed.args[1], parsed.flag("follow-link"));
  if (auto format = parsed.value("format")) {
    print_object(context, *format, stat_json(info));
    return 0;
  }
  std::string name = printable(info.name);
  if (!info.target.empty()) name += " -> " + printable(info.target);
  context.out.line("  File: " + name);
  context.out.line(fmt::format("  Type: {}", kind_of(info.mode).word));
  context.out.line(fmt::format("  Size: {}", size_text(info, false)));
  context.out.line(fmt::format("  Mode: {:04o} ({})", info.mode & 07777U, mode_text(info.mode)));
  context.out.line(fmt::format(" Owner: {}:{}", info.uid, info.gid));
  context.out.line(fmt::format(" Links: {}", info.links));
  context.out.line(" Time: " + rfc3339(info.modified));
  return 0;
}

int find_handler(Context& context, const Parsed& parsed) {
  engine::FindRequest request;
  request.path = path_of(parsed);
  request.name = parsed.value_or("name", "");
  request.type = parsed.value_or("type", "");
  if (auto text = parsed.value("max-depth")) {
    auto depth = parse_u64(*text);
    if (!depth || *depth > INT32_MAX)
      throw error(ErrorCode::invalid_argument, "--max-depth {}: not a number", *text)
          .with_id("E-OPTION-VALUE")
          .with_hint("for example --max-depth 2");
    request.max_depth = static_cast<int>(*depth);
  }
  context.engine().find(parsed.args[0], request, [&](const FileInfo& info) {
    context.out.line(printable(info.name));
    return true;
  });
  return 0;
}

unsigned mode_of(const Parsed& parsed) {
  auto text = parsed.value("mode");
  if (!text) return 0755;
  bool octal = !text->empty() && text->size() <= 5 && text->find_first_not_of("01234567") == std::string::npos;
  if (!octal)
    throw error(ErrorCode::invalid_argument, "--mode {}: not an octal number", *text)
        .with_id("E-OPTION-VALUE")
        .with_hint("for example --mode 700");
  return static_cast<unsigned>(std::stoul(*text, nullptr, 8)) & 07777U;
}

int mkdir_handler(Context& context, const Parsed& parsed) {
  for (std::size_t i = 1; i < parsed.args.size(); ++i)
    context.engine().make_folder(parsed.args[0], parsed.args[i], mode_of(parsed), parsed.flag("parents"));
  return 0;
}

int rmdir_handler(Context& context, const Parsed& parsed) {
  for (std::size_t i = 1; i < parsed.args.size(); ++i) context.engine().remove_folder(parsed.args[0], parsed.args[i]);
  return 0;
}

int rm_handler(Context& context, const Parsed& parsed) {
  for (std::size_t i = 1; i < parsed.args.size(); ++i)
    context.engine().remove_path(parsed.args[0], parsed.args[i], parsed.flag("recursive"), parsed.flag("force"));
  return 0;
}

int mv_handler(Context& context, const Parsed& parsed) {
  context.engine().move_path(parsed.args[0], parsed.args[1], parsed.args[2]);
  return 0;
}

int chmod_handler(Context& context, const Parsed& parsed) {
  for (std::size_t i = 2; i < parsed.args.size(); ++i)
    context.engine().change_mode(parsed.args[0], parsed.args[i], parsed.args[1], parsed.flag("recursive"));
  return 0;
}

int pwd_handler(Context& context, const Parsed& parsed) {
  std::string dir = context.engine().inspect(parsed.args[0]).config.request.working_dir;
  context.out.line(printable(dir.empty() ? "/" : dir));
  return 0;
}

constexpr auto ls_options = std::to_array<OptionSpec>({
    {.names = "-l,--long", .value = "", .help = "mode, owner, size and time"},
    {.names = "-a,--all", .value = "", .help = "also names that begin with a dot"},
    {.names = "-h,--human", .value = "", .help = "sizes as 1.5MiB"},
    {.names = "-R,--recursive", .value = "", .help = "what lies in folders too"},
});
constexpr OptionSpec recursive = {.names = "-r,-R,--recursive", .value = "", .help = "folders with all in them"};
constexpr auto stat_options =
    std::to_array<OptionSpec>({{.names = "-L,--follow-link", .value = "", .help = "of a link: what it leads to"}});
constexpr auto find_options = std::to_array<OptionSpec>({
    {.names = "--name", .value = "PATTERN", .help = "of the last part: '*.conf'"},
    {.names = "--type",
     .value = "TYPE",
     .help = "f file, d folder, l link, p fifo, s socket, c and b devices",
     .complete = Complete::choice,
     .choices = "f|d|l|p|s|c|b"},
    {.names = "--max-depth", .value = "NUMBER", .help = "so many folders below PATH at most"},
});
constexpr auto mkdir_options = std::to_array<OptionSpec>({
    {.names = "-p,--parents", .value = "", .help = "folders above it too; no error when it is there"},
    {.names = "-m,--mode", .value = "MODE", .help = "octal (755)"},
});
constexpr auto rm_options = std::to_array<OptionSpec>({
    recursive,
    {.names = "-f,--force", .value = "", .help = "no error when it is not there"},
});
constexpr auto chmod_options = std::to_array<OptionSpec>({recursive});

constexpr auto ls_examples = std::to_array<Example>({{"fs ls web /etc", ""}, {"fs ls -la web /root", ""}});
constexpr auto cat_examples = std::to_array<Example>({{"fs cat web /etc/hosts", ""}});
constexpr auto stat_examples =
    std::to_array<Example>({{"fs stat web /bin/sh", ""}, {"fs stat --format '{{.Size}}' web /etc/passwd", ""}});
constexpr auto find_examples = std::to_array<Example>({{"fs find web /etc --name '*.conf' --type f", ""}});
constexpr auto mkdir_examples = std::to_array<Example>({{"fs mkdir -p web /srv/a/b", ""}});
constexpr auto rmdir_examples = std::to_array<Example>({{"fs rmdir web /srv/a/b", ""}});
constexpr auto pwd_examples = std::to_array<Example>({{"fs pwd web", ""}});
constexpr auto rm_examples = std::to_array<Example>({{"fs rm -r web /tmp/cache", ""}});
constexpr auto mv_examples = std::to_array<Example>({{"fs mv web /etc/old.conf /etc/new.conf", ""}});
constexpr auto chmod_examples =
    std::to_array<Example>({{"fs chmod web 644 /etc/motd", ""}, {"fs chmod -r web go-w /srv", ""}});

const CommandSpec table[] = {
    {.name = "fs ls",
     .aliases = "fs-ls,fs list",
     .group = group::files,
     .arguments = "CONTAINER [PATH]",
     .summary = "files in a folder",
     .options = ls_options,
     .more_options = inspect_options(),
     .min_args = 1,
     .max_args = 2,
     .complete = Complete::container,
     .one_target = true,
     .examples = ls_examples,
     .fields = file_fields,
     .handler = ls_handler},
    {.name = "fs cat",
     .aliases = "cat",
     .group = group::files,
     .arguments = "CONTAINER PATH...",
     .summary = "the content of files",
     .min_args = 2,
     .max_args = -1,
     .complete = Complete::container,
     .one_target = true,
     .examples = cat_examples,
     .handler = cat_handler},
    {.name = "fs stat",
     .aliases = "stat",
     .group = group::files,
     .arguments = "CONTAINER PATH",
     .summary = "kind, size, mode, owner and time",
     .options = stat_options,
     .more_options = inspect_options(),
     .min_args = 2,
     .max_args = 2,
     .complete = Complete::container,
     .one_target = true,
     .examples = stat_examples,
     .handler = stat_handler},
    {.name = "fs find",
     .aliases = "find",
     .group = group::files,
     .arguments = "CONTAINER [PATH]",
     .summary = "files below a folder",
     .options = find_options,
     .min_args = 1,
     .max_args = 2,
     .complete = Complete::container,
     .one_target = true,
     .examples = find_examples,
     .handler = find_handler},
    {.name = "fs mkdir",
     .aliases = "mkdir",
     .group = group::files,
     .arguments = "CONTAINER PATH...",
     .summary = "make folders",
     .options = mkdir_options,
     .min_args = 2,
     .max_args = -1,
     .complete = Complete::container,
     .one_target = true,
     .examples = mkdir_examples,
     .handler = mkdir_handler},
    {.name = "fs rmdir",
     .aliases = "rmdir",
     .group = group::files,
     .arguments = "CONTAINER PATH...",
     .summary = "remove empty folders",
     .min_args = 2,
     .max_args = -1,
     .complete = Complete::container,
     .one_target = true,
     .examples = rmdir_examples,
     .handler = rmdir_handler},
    {.name = "fs rm",
     .group = group::files,
     .arguments = "CONTAINER PATH...",
     .summary = "remove files",
     .text = "What is mounted into the container stays: volumes are emptied, but not taken off.",
     .options = rm_options,
     .min_args = 2,
     .max_args = -1,
     .complete = Complete::container,
     .one_target = true,
     .examples = rm_examples,
     .handler = rm_handler},
    {.name = "fs mv",
     .aliases = "mv",
     .group = group::files,
     .arguments = "CONTAINER FROM TO",
     .summary = "move or rename a file or folder",
     .min_args = 3,
     .max_args = 3,
     .complete = Complete::container,
     .one_target = true,
     .examples = mv_examples,
     .handler = mv_handler},
    {.name = "fs chmod",
     .aliases = "chmod",
     .group = group::files,
     .arguments = "CONTAINER MODE PATH...",
     .summary = "change modes",
     .options = chmod_options,
     .min_args = 3,
     .max_args = -1,
     .complete = Complete::container,
     .one_target = true,
     .examples = chmod_examples,
     .handler = chmod_handler},
    {.name = "fs pwd",
     .aliases = "pwd",
     .group = group::files,
     .arguments = "CONTAINER",
     .summary = "the folder that its program starts in",
     .min_args = 1,
     .max_args = 1,
     .complete = Complete::container,
     .examples = pwd_examples,
     .handler = pwd_handler},
};

}  // namespace

std::span<const CommandSpec> file_commands() { return table; }

}  // namespace servin::cli
