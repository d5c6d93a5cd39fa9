// SPDX-License-Identifier: Apache-2.0
// volume create, ls, inspect, rm, prune.
#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "cli/container_words.h"
#include "cli/listing.h"
#include "cli/prune.h"
#include "cli/registry.h"
#include "cli/targets.h"

namespace servin::cli {
namespace {

std::map<std::string, std::string> pairs_of(const Parsed& parsed, std::string_view option) {
  std::map<std::string, std::string> result;
  for (const std::string& text : parsed.all(option)) {
    auto pair = split_once(text, '=');
    result[pair ? pair->first : text] = pair ? pair->second : std::string();
  }
  return result;
}

int create_handler(Context& context, const Parsed& parsed) {
  engine::Volume request;
  if (!parsed.args.empty()) request.name = parsed.args[0];
  request.driver = parsed.value_or("driver", "local");
  request.labels = pairs_of(parsed, "label");
  request.options = pairs_of(parsed, "opt");
  context.out.line(context.engine().create_volume(request).name);
  return 0;
}

constexpr auto volume_fields = std::to_array<Field>({{"Driver", "DRIVER", true},
                                                     {"Name", "VOLUME NAME", true},
                                                     {"Labels", "LABELS"},
                                                     {"Mountpoint", "MOUNTPOINT"},
                                                     {"Scope", "SCOPE"},
                                                     {"CreatedAt", "CREATED AT"},
                                                     {"Size", "SIZE"},
                                                     {"Links", "LINKS"},
                                                     {"Availability", "AVAILABILITY"},
                                                     {"Group", "GROUP"},
                                                     {"Status", "STATUS"}});

int ls_handler(Context& context, const Parsed& parsed) {
  Listing listing;
  listing.fields.assign(volume_fields.begin(), volume_fields.end());
  listing.quiet = 1;
  for (const engine::Volume& volume : context.engine().list_volumes(filters_of(parsed))) {
    listing.rows.push_back({{volume.driver, volume.name, shown_labels(volume.labels), volume.mountpoint, "local",
                             rfc3339(volume.created), "N/A", "N/A", "N/A", "N/A", "N/A"},
                            volume.labels});
  }
  print_listing(context, parsed, listing);
  return 0;
}

int inspect_handler(Context& context, const Parsed& parsed) {
  std::vector<std::string> documents;
  int result = for_each_target(context, parsed.args, false, [&](const std::string& name) {
    documents.push_back(volume_json(context.engine().inspect_volume(name)));
  });
  print_documents(context, parsed.value_or("format", ""), documents);
  return result;
}

int rm_handler(Context& context, const Parsed& parsed) {
  bool force = parsed.flag("force");
  return for_each_target(context, parsed.args, true, [&](const std::string& name) {
    try {
      context.engine().remove_volume(name, force);
    } catch (const Error& e) {
      if (!force || e.id() != "E-VOLUME-NOT-FOUND") throw;
    }
  });
}

int prune_handler(Context& context, const Parsed& parsed) {
  bool all = parsed.flag("all");
  return prune(context, parsed,
               all ? "all volumes that no container uses" : "all anonymous volumes that no container uses",
               {prune_volumes});
}

constexpr auto create_options = std::to_array<OptionSpec>({
    {.names = "-d,--driver", .value = "DRIVER", .help = "local", .complete = Complete::choice, .choices = "local"},
    {.names = "--label", .value = "KEY=VALUE", .help = "a label", .repeat = true},
    {.names = "-o,--opt", .value = "NAME=VALUE", .help = "an option of the driver", .repeat = true},
});
constexpr auto rm_options =
    std::to_array<OptionSpec>({{.names = "-f,--force", .value = "", .help = "no failure when it does not exist"}});
constexpr auto create_examples = std::to_array<Example>({{"volume create data", ""}});
constexpr auto ls_examples = std::to_array<Example>(
    {{"volume ls", ""}, {"volume ls -q --filter dangling=true", "names of those that nothing uses"}});
constexpr auto inspect_examples = std::to_array<Example>({{"volume inspect data", ""}});
constexpr auto rm_examples = std::to_array<Example>({{"volume rm data", ""}});
constexpr auto prune_examples = std::to_array<Example>({{"volume prune --dry-run", "what would go"}});

const CommandSpec table[] = {
    {.name = "volume create",
     .group = group::volumes,
     .arguments = "[NAME]",
     .summary = "make a volume",
     .options = create_options,
     .max_args = 1,
     .examples = create_examples,
     .handler = create_handler},
    {.name = "volume ls",
     .aliases = "volume list",
     .group = group::volumes,
     .summary = "list volumes",
     .options = listing_options(),
     .examples = ls_examples,
     .fields = volume_fields,
     .handler = ls_handler},
    {.name = "volume inspect",
     .group = group::volumes,
     .arguments = "VOLUME...",
     .summary = "everything about volumes",
     .options = inspect_options(),
     .min_args = 1,
     .max_args = -1,
     .complete = Complete::volume,
     .examples = inspect_examples,
     .handler = inspect_handler},
    {.name = "volume rm",
     .aliases = "volume remove",
     .group = group::volumes,
     .arguments = "VOLUME...",
     .summary = "remove volumes",
     .options = rm_options,
     .min_args = 1,
     .max_args = -1,
     .complete = Complete::volume,
     .examples = rm_examples,
     .handler = rm_handler},
    {.name = "volume prune",
     .group = group::engine,
     .summary = "remove volumes that nothing uses",
     .options = prune_all_options(),
     .examples = prune_examples,
     .handler = prune_handler},
};

}  // namespace

std::span<const CommandSpec> volume_commands() { return table; }

}  // namespace servin::cli
