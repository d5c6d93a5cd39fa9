// SPDX-License-Identifier: Apache-2.0
// ls and inspect.
#include <array>

#include "base/error.h"
#include "base/id.h"
#include "base/strings.h"
#include "cli/container_words.h"
#include "cli/listing.h"
#include "cli/registry.h"
#include "cli/targets.h"

namespace servin::cli {
namespace {

constexpr auto container_fields = std::to_array<Field>({
    {"ID", "CONTAINER ID", true},
    {"Image", "IMAGE", true, 2},
    {"Command", "COMMAND", true, 1},
    {"RunningFor", "CREATED", true},
    {"Status", "STATUS", true},
    {"Ports", "PORTS", true, 3},
    {"Names", "NAMES", true},
    {"Size", "SIZE"},  // a column with --size
    {"CreatedAt", "CREATED AT"},
    {"State", "STATE"},
    {"Labels", "LABELS"},
    {"Mounts", "MOUNTS"},
    {"Networks", "NETWORKS"},
    {"LocalVolumes", "LOCAL VOLUMES"},
    {"Platform", "PLATFORM"},
});

std::string size_text(Context& context, const engine::Container& container) {
  engine::ContainerSize size = context.engine().size(container.config.id);
  return fmt::format("{} (virtual {})", human_size(size.writable), human_size(size.virtual_));
}

Row container_row(const engine::Container& c, bool full, std::string size) {
  Time now = servin::now();
  Row row;
  row.values = {full ? c.config.id : std::string(short_id(c.config.id)),
                shown_image(c.config),
                shown_command(c.config.args, full),
                human_duration(now.ns - c.config.created.ns) + " ago",
                shown_status(c.state, now),
                shown_ports(c),
                c.name(),
                std::move(size),
                shown_time(c.config.created),
                std::string(engine::to_string(c.state.status)),
                shown_labels(c.config.labels),
                shown_mounts(c.config.request.mounts, full),
                c.config.request.network,
                fmt::format("{}", count_volumes(c.config.request.mounts)),
                c.config.request.platform.empty() ? "linux" : c.config.request.platform};
  row.labels = c.config.labels;
  return row;
}

/// Sizes are only measured when somebody looks at them.
bool wants_size(const Parsed& parsed) {
  return parsed.flag("size") || parsed.value_or("format", "").find(".Size") != std::string::npos;
}

engine::ContainerFilter filter_of(const Parsed& parsed) {
  engine::ContainerFilter filter;
  filter.filters = filters_of(parsed);
  filter.all = parsed.flag("all") || filter.filters.contains("status") || filter.filters.contains("exited");
  if (parsed.flag("latest")) filter.last = 1;
  if (auto text = parsed.value("last")) {
    auto number = parse_i64(*text);
    if (!number || *number < -1 || *number > INT32_MAX) {
      throw error(ErrorCode::invalid_argument, "--last {}: not a number", *text)
          .with_id("E-OPTION-VALUE")
          .with_hint("for example --last 5");
    }
    filter.last = static_cast<int>(std::max<std::int64_t>(*number, 0));
  }
  if (filter.last > 0) filter.all = true;
  return filter;
}

int list_processes(Context& context, const Parsed& parsed) { return find_command("top")->handler(context, parsed); }

int ls_handler(Context& context, const Parsed& parsed) {
  if (!parsed.args.empty()) return list_processes(context, parsed);
  bool full = parsed.flag("no-trunc");
  bool size = wants_size(parsed);
  Listing listing;
  listing.fields.assign(container_fields.begin(), container_fields.end());
  listing.fields[7].column = parsed.flag("size");
  for (const engine::Container& container : context.engine().list(filter_of(parsed))) {
    listing.rows.push_back(container_row(container, full, size ? size_text(context, container) : "0B"));
  }
  print_listing(context, parsed, listing);
  return 0;
}

constexpr auto ls_options = std::to_array<OptionSpec>({
    {.names = "-a,--all", .value = "", .help = "also those that do not run"},
    {.names = "-n,--last", .value = "NUMBER", .help = "the newest so many"},
    {.names = "-l,--latest", .value = "", .help = "the newest"},
    {.names = "-s,--size", .value = "", .help = "measure sizes"},
    {.names = "-d,--detailed", .value = "", .help = "with ports and sizes", .later = "use --size or --format"},
});
constexpr auto ls_examples = std::to_array<Example>({
    {"ls -a", "all of them"},
    {"ls -q --filter status=exited", "ids of those that have ended"},
    {"ps --format 'table {{.Names}}\\t{{.Status}}'", "two columns"},
    {"ps web", "the processes of one"},
});

// --- inspect

bool is_missing(const Error& e) { return e.code() == ErrorCode::not_found; }

/// A container, else an image, a volume, a network; --type says which one only.
std::string inspect_any(Context& context, const std::string& name, const std::string& type, bool size) {
  engine::Engine& engine = context.engine();
  if (type.empty() || type == "container") {
    try {
      return engine.inspect_json(name, size);
    } catch (const Error& e) {
      if (!type.empty() || !is_missing(e)) throw;
    }
  }
  if (type.empty() || type == "image") {
    try {
      return engine.inspect_image_json(name);
    } catch (const Error& e) {
      if (!type.empty() || (!is_missing(e) && e.code() != ErrorCode::invalid_argument)) throw;
    }
  }
  if (type.empty() || type == "volume") {
    try {
      return volume_json(engine.inspect_volume(name));
    } catch (const Error& e) {
      if (!type.empty() || (!is_missing(e) && e.code() != ErrorCode::invalid_argument)) throw;
    }
  }
  try {
    return network_json(engine.inspect_network(name));
  } catch (const Error& e) {
    if (!type.empty() || !is_missing(e)) throw;
  }
  throw error(ErrorCode::not_found, "{}: no container, image, volume or network of this name", name)
      .with_id("E-OBJECT-NOT-FOUND")
      .with_hint("servin ls -a, servin images, servin volume ls and servin network ls list them");
}

int inspect_handler(Context& context, const Parsed& parsed) {
  std::string type = parsed.value_or("type", "");
  std::vector<std::string> documents;
  int result = for_each_target(context, parsed.args, false, [&](const std::string& name) {
    documents.push_back(inspect_any(context, name, type, parsed.flag("size")));
  });
  print_documents(context, parsed.value_or("format", ""), documents);
  return result;
}

constexpr auto type_options = std::to_array<OptionSpec>({
    {.names = "--type",
     .value = "KIND",
     .help = "container, image, volume or network",
     .complete = Complete::choice,
     .choices = "container|image|volume|network"},
    {.names = "-s,--size", .value = "", .help = "measure a container's size"},
});
constexpr auto inspect_examples = std::to_array<Example>({
    {"inspect web", "everything, as JSON"},
    {"inspect -f '{{.State.Status}} {{.State.Pid}}' web", "two fields"},
});

const CommandSpec table[] = {
    {.name = "ls",
     .aliases = "list,ps",
     .group = group::containers,
     .arguments = "[CONTAINER]",
     .summary = "list containers (of one: its processes)",
     .text = "Lists running containers; -a all of them. With a CONTAINER it shows that container's processes, as "
             "`servin top`.",
     .options = ls_options,
     .more_options = listing_options(),
     .max_args = -1,
     .complete = Complete::container,
     .examples = ls_examples,
     .fields = container_fields,
     .handler = ls_handler},
    {.name = "inspect",
     .group = group::containers,
     .arguments = "NAME...",
     .summary = "everything about containers, images, volumes, networks",
     .options = type_options,
     .more_options = inspect_options(),
     .min_args = 1,
     .max_args = -1,
     .complete = Complete::container,
     .examples = inspect_examples,
     .handler = inspect_handler},
};

}  // namespace

std::span<const CommandSpec> list_commands() { return table; }

}  // namespace servin::cli
