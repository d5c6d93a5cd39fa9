// SPDX-License-Identifier: Apache-2.0
// system info, df, doctor, prune.
#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "cli/listing.h"
#include "cli/prune.h"
#include "cli/registry.h"

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

int df_handler(Context& context, const Parsed& parsed) {
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
  std::vector<PruneStep> steps = {prune_containers, prune_images};
  std::string what = parsed.flag("all") ? "all containers that do not run and all images that no container uses"
                                        : "all containers that do not run and all images without a name";
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
constexpr auto df_options = std::to_array<OptionSpec>(
    {{.names = "-v,--verbose", .value = "", .help = "per object", .later = "use image ls, ls -s and volume ls"}});
constexpr auto doctor_options = std::to_array<OptionSpec>({
    {.names = "--verify", .value = "", .help = "read every blob and layer and compare digests"},
    {.names = "--repair", .value = "", .help = "remove or unpack anew what is damaged"},
});
constexpr auto volumes_option =
    std::to_array<OptionSpec>({{.names = "--volumes", .value = "", .help = "anonymous volumes too"}});
constexpr auto info_examples = std::to_array<Example>({{"info", ""}, {"info -f '{{.KernelVersion}}'", "one field"}});
constexpr auto df_examples = std::to_array<Example>({{"system df", ""}});
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
