// SPDX-License-Identifier: Apache-2.0
// system info, df, doctor, prune.
#include <array>

#include "base/error.h"
#include "base/id.h"
#include "base/strings.h"
#include "cli/container_words.h"
#include "cli/listing.h"
#include "cli/prune.h"
#include "cli/registry.h"
#include "oci/image.h"

namespace servin::cli {
namespace {

// --- info

std::string string_list(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& item : list) text += (text.empty() ? "" : ",") + quoted(item);
  return "[" + text + "]";
}

std::string info_json(const engine::EngineInfo& info) {
  return fmt::format(
      R"({{"ServerVersion":{},"ServinRootDir":{},"RunDir":{},"Driver":{},"KernelVersion":{},"OperatingSystem":{},)"
      R"("OSType":"linux","Architecture":{},"CgroupLayout":{},"CgroupDriver":"cgroupfs","NCPU":{},"MemTotal":{},)"
      R"("Containers":{},"ContainersRunning":{},"ContainersPaused":{},"ContainersStopped":{},"Images":{},)"
      R"("Runtimes":{{"servin":{{}}}},"SecurityOptions":{},"Warnings":{}}})",
      quoted(info.version), quoted(info.root), quoted(info.run), quoted(info.storage_driver), quoted(info.kernel),
      quoted(info.os), quoted(info.architecture), quoted(info.cgroup_layout), info.cpus, info.memory, info.containers,
      info.running, info.paused, info.stopped, info.images, string_list(info.security), string_list(info.warnings));
}

int info_handler(Context& context, const Parsed& parsed) {
  engine::EngineInfo info = context.engine().info();
  std::string format = parsed.value_or("format", "");
  if (!format.empty()) {
    print_object(context, format, info_json(info));
    return 0;
  }
  auto row = [&](std::string_view name, std::string_view value) {
    context.out.line(fmt::format("{:<16}{}", name, printable(value)));
  };
  row("Version:", info.version);
  row("Root:", info.root);
  row("Running state:", info.run);
  row("Containers:",
      fmt::format("{} ({} running, {} paused, {} stopped)", info.containers, info.running, info.paused, info.stopped));
  row("Images:", fmt::format("{}", info.images));
  row("Storage:", info.storage_driver);
  row("Cgroups:", info.cgroup_layout);
  row("Security:", join(info.security, ", "));
  row("Kernel:", info.kernel);
  row("System:", info.os);
  row("Architecture:", info.architecture);
  row("CPUs:", fmt::format("{}", info.cpus));
  row("Memory:", human_size_binary(info.memory));
  for (const std::string& warning : info.warnings) context.note("warning: " + warning);
  return 0;
}

// --- df

constexpr auto df_fields = std::to_array<Field>({{"Type", "TYPE", true},
                                                 {"TotalCount", "TOTAL", true},
                                                 {"Active", "ACTIVE", true},
                                                 {"Size", "SIZE", true},
                                                 {"Reclaimable", "RECLAIMABLE", true}});

constexpr auto df_image_fields = std::to_array<Field>({{"Repository", "REPOSITORY", true},
                                                       {"Tag", "TAG", true},
                                                       {"ID", "IMAGE ID", true},
                                                       {"CreatedSince", "CREATED", true},
                                                       {"Size", "SIZE", true},
                                                       {"SharedSize", "SHARED SIZE", true},
                                                       {"UniqueSize", "UNIQUE SIZE", true},
                                                       {"Containers", "CONTAINERS", true}});
constexpr auto df_container_fields = std::to_array<Field>({{"ID", "CONTAINER ID", true},
                                                           {"Image", "IMAGE", true},
                                                           {"LocalVolumes", "LOCAL VOLUMES", true},
                                                           {"Size", "SIZE", true},
                                                           {"RunningFor", "CREATED", true},
                                                           {"Status", "STATUS", true},
                                                           {"Names", "NAMES", true}});
constexpr auto df_volume_fields =
    std::to_array<Field>({{"Name", "VOLUME NAME", true}, {"Links", "LINKS", true}, {"Size", "SIZE", true}});

std::string age(Time created) { return human_duration(now().ns - created.ns) + " ago"; }

Listing df_images(const engine::DiskUsage& usage) {
  Listing listing;
  listing.fields.assign(df_image_fields.begin(), df_image_fields.end());
  for (const auto& use : usage.images) {
    const auto& image = use.image;
    std::string name = image.repo_tags.empty() ? "<none>" : oci::Reference::parse(image.repo_tags[0]).familiar();
    auto colon = name.rfind(':');
    bool tagged = colon != std::string::npos && name.find('/', colon) == std::string::npos;
    listing.rows.push_back({{tagged ? name.substr(0, colon) : name, tagged ? name.substr(colon + 1) : "<none>",
                             std::string(short_id(image.id.substr(7))), age(image.created), human_size(image.size),
                             human_size(use.shared), human_size(use.unique), fmt::format("{}", image.containers)},
                            {}});
  }
  return listing;
}

Listing df_containers(const engine::DiskUsage& usage) {
  Listing listing;
  listing.fields.assign(df_container_fields.begin(), df_container_fields.end());
  for (const auto& use : usage.containers) {
    const auto& c = use.container;
    listing.rows.push_back({{std::string(short_id(c.config.id)), shown_image(c.config),
                             fmt::format("{}", count_volumes(c.config.request.mounts)), human_size(use.size),
                             age(c.config.created), shown_status(c.state, now()), c.name()},
                            {}});
  }
  return listing;
}

Listing df_volumes(const engine::DiskUsage& usage) {
  Listing listing;
  listing.fields.assign(df_volume_fields.begin(), df_volume_fields.end());
  for (const auto& use : usage.volumes)
    listing.rows.push_back({{use.volume.name, fmt::format("{}", use.links), human_size(use.size)}, {}});
  return listing;
}

int df_by_object(Context& context, const Parsed& parsed) {
  if (parsed.has("format")) {
    throw Error(ErrorCode::invalid_argument, "--verbose and --format exclude each other")
        .with_id("E-OPTION-CONFLICT")
        .with_hint("servin image ls, ls -s and volume ls have --format");
  }
  engine::DiskUsage usage = context.engine().disk_usage();
  for (const auto& [title, listing] :
       {std::pair("Images", df_images(usage)), std::pair("Containers", df_containers(usage)),
        std::pair("Local volumes", df_volumes(usage))}) {
    if (title != std::string_view("Images")) context.out.line("");
    context.out.line(fmt::format("{} space usage:\n", title));
    print_listing(context, parsed, listing);
  }
  return 0;
}

int df_handler(Context& context, const Parsed& parsed) {
  if (parsed.flag("verbose")) return df_by_object(context, parsed);
  Listing listing;
  listing.fields.assign(df_fields.begin(), df_fields.end());
  for (const auto& row : context.engine().disk_usage().rows) {
    std::string reclaimable = human_size(row.reclaimable);
    if (row.size > 0) reclaimable += fmt::format(" ({}%)", row.reclaimable * 100 / row.size);
    listing.rows.push_back(
        {{row.type, fmt::format("{}", row.total), fmt::format("{}", row.active), human_size(row.size), reclaimable},
         {}});
  }
  print_listing(context, parsed, listing);
  return 0;
}

// --- doctor

std::string_view word_of(engine::DoctorCheck::Result result) {
  switch (result) {
    case engine::DoctorCheck::Result::ok:
      return "ok";
    case engine::DoctorCheck::Result::warning:
      return "warning";
    case engine::DoctorCheck::Result::failed:
      return "failed";
  }
  return "";
}

constexpr auto doctor_fields = std::to_array<Field>(
    {{"Result", "RESULT", true}, {"Name", "CHECK", true}, {"Detail", "DETAIL", true, 1}, {"Fix", "FIX", true}});

int doctor_handler(Context& context, const Parsed& parsed) {
  auto checks = context.engine().doctor(parsed.flag("verify"), parsed.flag("repair"));
  bool failed = false;
  Listing listing;
  listing.fields.assign(doctor_fields.begin(), doctor_fields.end());
  for (const engine::DoctorCheck& check : checks) {
    failed = failed || check.result == engine::DoctorCheck::Result::failed;
    listing.rows.push_back({{std::string(word_of(check.result)), check.name, check.detail, check.fix}, {}});
  }
  print_listing(context, parsed, listing);
  return failed ? 1 : 0;
}

// --- prune

int prune_handler(Context& context, const Parsed& parsed) {
  std::vector<PruneStep> steps = {prune_containers, prune_networks, prune_images};
  std::string what =
      parsed.flag("all")
          ? "all containers that do not run, all networks that no container is in and all images that no container uses"
          : "all containers that do not run, all networks that no container is in and all images without a name";
  if (parsed.flag("volumes")) {
    steps.push_back(prune_volumes);
    what += ", and anonymous volumes";
  }
  return prune(context, parsed, what, steps);
}

constexpr auto format_option =
    std::to_array<OptionSpec>({{.names = "-f,--format", .value = "FORMAT", .help = "json, yaml or a template"}});
constexpr auto list_format = std::to_array<OptionSpec>({
    {.names = "--format", .value = "FORMAT", .help = "table, json, yaml or a template"},
    {.names = "--no-trunc", .value = "", .help = "cut nothing"},
});
constexpr auto df_options =
    std::to_array<OptionSpec>({{.names = "-v,--verbose", .value = "", .help = "object by object"}});
constexpr auto doctor_options = std::to_array<OptionSpec>({
    {.names = "--verify", .value = "", .help = "read every blob and layer and compare digests"},
    {.names = "--repair", .value = "", .help = "remove or unpack anew what is damaged"},
});
constexpr auto volumes_option =
    std::to_array<OptionSpec>({{.names = "--volumes", .value = "", .help = "anonymous volumes too"}});
constexpr auto info_examples = std::to_array<Example>({{"info", ""}, {"info -f '{{.KernelVersion}}'", "one field"}});
constexpr auto df_examples = std::to_array<Example>({{"system df", ""}, {"system df -v", "object by object"}});
constexpr auto doctor_examples = std::to_array<Example>(
    {{"system doctor", "is this host fit, and the store whole?"}, {"system doctor --verify", "with all content"}});
constexpr auto prune_examples = std::to_array<Example>({{"system prune --force", "without asking"}});

const CommandSpec table[] = {
    {.name = "system info",
     .aliases = "info",
     .group = group::engine,
     .summary = "the engine and its host",
     .options = format_option,
     .examples = info_examples,
     .handler = info_handler},
    {.name = "system df",
     .group = group::engine,
     .summary = "disk usage",
     .options = df_options,
     .more_options = list_format,
     .examples = df_examples,
     .fields = df_fields,
     .handler = df_handler},
    {.name = "system doctor",
     .group = group::engine,
     .summary = "check the host and the store",
     .text = "Exit code 1 when a check failed.",
     .options = doctor_options,
     .more_options = list_format,
     .examples = doctor_examples,
     .fields = doctor_fields,
     .handler = doctor_handler},
    {.name = "system prune",
     .group = group::engine,
     .summary = "remove what nothing uses",
     .options = prune_all_options(),
     .more_options = volumes_option,
     .examples = prune_examples,
     .handler = prune_handler},
};

}  // namespace

std::span<const CommandSpec> system_commands() { return table; }

}  // namespace servin::cli
