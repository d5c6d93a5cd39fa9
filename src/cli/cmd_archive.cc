// SPDX-License-Identifier: Apache-2.0
// load, import and save: images in files.
#include <array>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/strings.h"
#include "cli/output_file.h"
#include "cli/progress.h"
#include "cli/registry.h"
#include "cli/stdio.h"
#include "oci/image.h"
#include "os/file.h"

namespace servin::cli {
namespace {

constexpr OptionSpec platform = {.names = "--platform", .value = "OS/ARCH", .help = "of an image that has several"};
constexpr OptionSpec quiet = {.names = "-q,--quiet", .value = "", .help = "no progress"};
constexpr OptionSpec max_entries = {
    .names = "--max-entries", .value = "NUMBER", .help = "refuse a layer with more files than this"};
constexpr OptionSpec max_size = {
    .names = "--max-size", .value = "SIZE", .help = "refuse a layer that unpacks to more than this"};

std::string shown_reference(const engine::LoadedImage& image) {
  return image.reference.empty() ? image.id : oci::Reference::parse(image.reference).familiar();
}

struct Source {
  Fd file;
  std::string path;  // "-" = stdin
};

Source open_source(const std::string& path, std::string_view command, bool stdin_terminal) {
  if (path == "-") {
    if (stdin_terminal) {
      throw error(ErrorCode::invalid_argument, "{}: will not read an archive from a terminal", command)
          .with_id("E-ARCHIVE-TERMINAL")
          .with_hint(fmt::format("servin {} -i FILE, or servin {} < FILE", command, command));
    }
    return {copy_of_standard(0), "-"};
  }
  try {
    return {open_file(path, O_RDONLY), path};
  } catch (Error& e) {
    if (e.code() != ErrorCode::not_found) throw;
    throw error(ErrorCode::not_found, "{}: {}: no such file", command, path)
        .with_id("E-FILE-NOT-FOUND")
        .with_hint("check the path");
  }
}

engine::LoadRequest limits_of(const Parsed& parsed) {
  engine::LoadRequest request;
  request.platform = parsed.value_or("platform", "");
  if (!request.platform.empty()) oci::Platform::parse(request.platform);
  if (auto text = parsed.value("max-size")) request.max_bytes = parse_size(*text);
  if (auto text = parsed.value("max-entries")) {
    auto number = parse_u64(*text);
    if (!number || *number == 0) {
      throw error(ErrorCode::invalid_argument, "--max-entries {}: not a number", *text)
          .with_id("E-OPTION-VALUE")
          .with_hint("for example --max-entries 1000000");
    }
    request.max_entries = *number;
  }
  return request;
}

std::vector<engine::LoadedImage> read_archive(Context& context, const Parsed& parsed, const Source& source,
                                              const engine::LoadRequest& request) {
  auto view = progress_of(context, parsed);
  try {
    auto images = context.engine().load(source.file, source.path, request,
                                        [&](const engine::Progress& progress) { view->show(progress); });
    view->finish();
    return images;
  } catch (...) {
    view->finish();
    throw;
  }
}

int load_handler(Context& context, const Parsed& parsed) {
  std::string path = parsed.value_or("input", parsed.args.empty() ? "-" : parsed.args[0]);
  if (parsed.has("input") && !parsed.args.empty()) {
    throw Error(ErrorCode::invalid_argument, "load: --input and FILE exclude each other")
        .with_id("E-OPTION-CONFLICT")
        .with_hint("servin load -i FILE");
  }
  Source source = open_source(path, "load", context.stdin_terminal);
  for (const engine::LoadedImage& image : read_archive(context, parsed, source, limits_of(parsed))) {
    std::string_view words = image.reference.empty() ? "Loaded image ID: " : "Loaded image: ";
    context.out.line(fmt::format("{}{}", words, printable(shown_reference(image))));
  }
  return 0;
}

int import_handler(Context& context, const Parsed& parsed) {
  Source source = open_source(parsed.args[0], "import", context.stdin_terminal);
  engine::LoadRequest request = limits_of(parsed);
  if (parsed.args.size() > 1) request.name = oci::Reference::parse(parsed.args[1]).str();
  request.changes = parsed.all("change");
  request.message = parsed.value_or("message", "");
  for (const engine::LoadedImage& image : read_archive(context, parsed, source, request)) context.out.line(image.id);
  return 0;
}

int save_handler(Context& context, const Parsed& parsed) {
  std::string path = parsed.value_or("output", "");
  bool to_stdout = path.empty() || path == "-";
  if (to_stdout && context.out.is_terminal()) {
    throw Error(ErrorCode::invalid_argument, "save: will not write an archive to a terminal")
        .with_id("E-ARCHIVE-TERMINAL")
        .with_hint("servin save -o FILE IMAGE, or redirect the output");
  }
  bool oci = parsed.value_or("format", "docker-archive").starts_with("oci");
  auto format = oci ? engine::SaveFormat::oci_archive : engine::SaveFormat::docker_archive;
  auto view = progress_of(context, parsed);
  auto show = [&](const engine::Progress& progress) { view->show(progress); };
  if (to_stdout) {
    context.engine().save(parsed.args, format, copy_of_standard(1), show);
    view->finish();
    return 0;
  }
  OutputFile file(path, 0644);
  try {
    context.engine().save(parsed.args, format, file.fd(), show);
    file.finish();
  } catch (...) {
    view->finish();
    throw;
  }
  view->finish();
  return 0;
}

constexpr auto progress = std::to_array<OptionSpec>({progress_option});
constexpr auto load_options = std::to_array<OptionSpec>({
    {.names = "-i,--input", .value = "FILE", .help = "instead of stdin", .complete = Complete::file},
    platform,
    quiet,
    max_entries,
    max_size,
});
constexpr auto import_options = std::to_array<OptionSpec>({
    {.names = "-c,--change",
     .value = "INSTRUCTION",
     .help = "for a plain root file system: CMD, ENV, ...",
     .repeat = true},
    {.names = "-m,--message", .value = "TEXT", .help = "noted in its history"},
    platform,
    quiet,
    max_entries,
    max_size,
});
constexpr auto save_options = std::to_array<OptionSpec>({
    {.names = "-o,--output", .value = "FILE", .help = "instead of stdout", .complete = Complete::file},
    {.names = "--format",
     .value = "FORMAT",
     .help = "docker-archive or oci-archive",
     .complete = Complete::choice,
     .choices = "docker-archive|oci-archive|docker|oci"},
    quiet,
});
constexpr auto load_examples = std::to_array<Example>(
    {{"load -i nginx.tar.gz", "of docker save, podman save, skopeo, umoci"}, {"load < nginx.tar.gz", ""}});
constexpr auto import_examples =
    std::to_array<Example>({{"import alpine.tar.gz alpine:latest", ""},
                            {"import -c 'CMD [\"/bin/sh\"]' rootfs.tar mine:1", "a plain root file system"}});
constexpr auto save_examples =
    std::to_array<Example>({{"save -o base.tar base", "for docker load, podman load"},
                            {"save --format oci-archive -o base.oci.tar base", "as OCI image layout"}});

constexpr std::string_view load_text =
    "Reads what other tools save: docker-archive, OCI image layout (file or folder), a plain root file system; plain "
    "or "
    "compressed with gzip, zstd, xz or bzip2. What it is is found by looking at it.";

const CommandSpec table[] = {
    {.name = "image load",
     .aliases = "load",
     .group = group::images,
     .arguments = "[FILE|-]",
     .summary = "images from an archive",
     .text = load_text,
     .options = load_options,
     .more_options = progress,
     .max_args = 1,
     .complete = Complete::file,
     .examples = load_examples,
     .handler = load_handler},
    {.name = "image import",
     .aliases = "import",
     .group = group::images,
     .arguments = "FILE|- [NAME[:TAG]]",
     .summary = "one image from an archive or a root file system",
     .text = load_text,
     .options = import_options,
     .more_options = progress,
     .min_args = 1,
     .max_args = 2,
     .complete = Complete::file,
     .one_target = true,
     .examples = import_examples,
     .handler = import_handler},
    {.name = "image save",
     .aliases = "save",
     .group = group::images,
     .arguments = "IMAGE...",
     .summary = "images into an archive",
     .options = save_options,
     .more_options = progress,
     .min_args = 1,
     .max_args = -1,
     .complete = Complete::image,
     .examples = save_examples,
     .handler = save_handler},
};

}  // namespace

std::span<const CommandSpec> archive_commands() { return table; }

}  // namespace servin::cli
