// SPDX-License-Identifier: Apache-2.0
// image ls, rm, tag, inspect, history, prune and template.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "cli/container_words.h"
#include "cli/listing.h"
#include "cli/prune.h"
#include "cli/registry.h"
#include "cli/targets.h"
#include "oci/image.h"

namespace servin::cli {
namespace {

std::string short_digest(const std::string& digest, bool full) {
  if (full) return digest;
  std::size_t colon = digest.find(':');
  return digest.substr(colon == std::string::npos ? 0 : colon + 1, 12);
}

std::string since(Time then, Time now) {
  return then.is_set() ? human_duration(std::max<std::int64_t>(now.ns - then.ns, 0)) + " ago" : "N/A";
}

// --- ls

constexpr auto image_fields = std::to_array<Field>({
    {"Repository", "REPOSITORY", true, 1},
    {"Tag", "TAG", true},
    {"Digest", "DIGEST"},  // a column with --digests
    {"ID", "IMAGE ID", true},
    {"CreatedSince", "CREATED", true},
    {"Size", "SIZE", true},
    {"CreatedAt", "CREATED AT"},
    {"Containers", "CONTAINERS"},
    {"SharedSize", "SHARED SIZE"},
    {"UniqueSize", "UNIQUE SIZE"},
    {"VirtualSize", "VIRTUAL SIZE"},
    {"Platform", "PLATFORM"},
});

Row image_row(const engine::ImageSummary& image, const std::string& reference, bool full) {
  std::string repository = "<none>";
  std::string tag = "<none>";
  if (!reference.empty()) {
    oci::Reference parsed = oci::Reference::parse(reference);
    repository = parsed.familiar_name();
    if (!parsed.tag.empty()) tag = parsed.tag;
  }
  Time now = servin::now();
  Row row;
  row.values = {repository,
                tag,
                image.manifest_digest.empty() ? "<none>" : image.manifest_digest,
                short_digest(image.id, full),
                since(image.created, now),
                human_size(image.size),
                shown_time(image.created),
                fmt::format("{}", image.containers),
                "N/A",
                "N/A",
                human_size(image.size),
                image.platform};
  row.labels = image.labels;
  return row;
}

engine::ImageFilter image_filter(const Parsed& parsed) {
  engine::ImageFilter filter;
  filter.filters = filters_of(parsed);
  if (!parsed.args.empty()) {
    // `images ls` finds nothing and says nothing elsewhere; here the likely mistake is named.
    if (parsed.args[0] == "ls" || parsed.args[0] == "list") {
      throw error(ErrorCode::invalid_argument, "images {}: lists images called \"{}\"", parsed.args[0], parsed.args[0])
          .with_id("E-ARGUMENTS")
          .with_hint("servin images, or servin image ls");
    }
    filter.filters["reference"].push_back(parsed.args[0]);
  }
  return filter;
}

int image_ls_handler(Context& context, const Parsed& parsed) {
  bool full = parsed.flag("no-trunc");
  Listing listing;
  listing.fields.assign(image_fields.begin(), image_fields.end());
  listing.fields[2].column = parsed.flag("digests");
  listing.quiet = 3;
  bool quiet = parsed.flag("quiet");
  for (const engine::ImageSummary& image : context.engine().list_images(image_filter(parsed))) {
    if (image.repo_tags.empty()) listing.rows.push_back(image_row(image, "", full));
    for (const std::string& reference : image.repo_tags) {
      listing.rows.push_back(image_row(image, reference, full));
      if (quiet) break;  // one id, however many names
    }
  }
  print_listing(context, parsed, listing);
  return 0;
}

constexpr auto image_ls_options = std::to_array<OptionSpec>({
    {.names = "-a,--all", .value = "", .help = "as docker: there are no intermediate images here"},
    {.names = "--digests", .value = "", .help = "with a column for digests"},
});
constexpr auto image_ls_examples =
    std::to_array<Example>({{"images", ""},
                            {"image ls --filter dangling=true -q", "ids of those without a name"},
                            {"images --format '{{.Repository}}:{{.Tag}}'", "names"}});

// --- rm, tag, inspect

int image_rm_handler(Context& context, const Parsed& parsed) {
  bool force = parsed.flag("force");
  return for_each_target(context, parsed.args, false, [&](const std::string& name) {
    engine::RemovedImage removed;
    try {
      removed = context.engine().remove_image(name, force);
    } catch (const Error& e) {
      if (!force || e.id() != "E-IMAGE-NOT-FOUND") throw;
    }
    for (const std::string& reference : removed.untagged) context.out.line("Untagged: " + printable(reference));
    for (const std::string& digest : removed.deleted) context.out.line("Deleted: " + printable(digest));
  });
}
constexpr auto image_rm_options = std::to_array<OptionSpec>({
    {.names = "-f,--force",
     .value = "",
     .help = "although containers that do not run use it; no failure when it does not exist"},
    {.names = "--no-prune", .value = "", .help = "as docker: there are no untagged parents here"},
});
constexpr auto image_rm_examples = std::to_array<Example>({{"image rm myapp:dev", ""}, {"rmi -f old", ""}});

int tag_handler(Context& context, const Parsed& parsed) {
  context.engine().tag(parsed.args[0], parsed.args[1]);
  return 0;
}
constexpr auto tag_examples = std::to_array<Example>({{"tag base myapp:1", ""}});

int image_inspect_handler(Context& context, const Parsed& parsed) {
  std::vector<std::string> documents;
  int result = for_each_target(context, parsed.args, false, [&](const std::string& name) {
    documents.push_back(context.engine().inspect_image_json(name));
  });
  print_documents(context, parsed.value_or("format", ""), documents);
  return result;
}
constexpr auto image_inspect_examples =
    std::to_array<Example>({{"image inspect base", ""}, {"image inspect -f '{{json .Config.Env}}' base", ""}});

// --- history

constexpr auto history_fields = std::to_array<Field>({{"ID", "IMAGE", true},
                                                      {"CreatedSince", "CREATED", true},
                                                      {"CreatedBy", "CREATED BY", true, 1},
                                                      {"Size", "SIZE", true},
                                                      {"Comment", "COMMENT", true},
                                                      {"CreatedAt", "CREATED AT"}});

int history_handler(Context& context, const Parsed& parsed) {
  bool full = parsed.flag("no-trunc");
  bool human = !parsed.has("human") || parsed.flag("human");
  engine::ImageDetail image = context.engine().inspect_image(parsed.args[0]);
  Listing listing;
  listing.fields.assign(history_fields.begin(), history_fields.end());
  Time now = servin::now();
  bool newest = true;
  for (auto entry = image.history.rbegin(); entry != image.history.rend(); ++entry) {
    Row row;
    row.values = {newest ? short_digest(image.summary.id, full) : "<missing>",
                  human ? since(entry->created, now) : rfc3339(entry->created),
                  full ? entry->created_by : ellipsis(entry->created_by, 45),
                  human ? human_size(entry->size) : fmt::format("{}", entry->size),
                  entry->comment,
                  rfc3339(entry->created)};
    listing.rows.push_back(std::move(row));
    newest = false;
  }
  print_listing(context, parsed, listing);
  return 0;
}
constexpr auto history_options = std::to_array<OptionSpec>({
    {.names = "--format", .value = "FORMAT", .help = "table, json, yaml or a template"},
    {.names = "-q,--quiet", .value = "", .help = "only ids"},
    {.names = "--no-trunc", .value = "", .help = "cut nothing"},
    {.names = "-H,--human", .value = "", .help = "sizes and times for people (default; --human=false)"},
});
constexpr auto history_examples =
    std::to_array<Example>({{"history base", ""}, {"image history --no-trunc base", "with whole commands"}});

// --- prune, template

int image_prune_handler(Context& context, const Parsed& parsed) {
  bool all = parsed.flag("all");
  return prune(context, parsed, all ? "all images that no container uses" : "all images without a name",
               {prune_images});
}
constexpr auto image_prune_examples = std::to_array<Example>({{"image prune --all --dry-run", "what would go"}});

constexpr auto template_fields =
    std::to_array<Field>({{"Name", "NAME", true}, {"Description", "DESCRIPTION", true, 1}});

int template_ls_handler(Context& context, const Parsed& parsed) {
  Listing listing;
  listing.fields.assign(template_fields.begin(), template_fields.end());
  for (const auto& entry : context.engine().list_templates())
    listing.rows.push_back({{entry.name, entry.description}, {}});
  print_listing(context, parsed, listing);
  return 0;
}
constexpr auto template_ls_examples = std::to_array<Example>({{"image template ls", ""}});

int template_create_handler(Context& context, const Parsed& parsed) {
  engine::LoadedImage image =
      context.engine().create_template(parsed.args[0], parsed.args.size() > 1 ? parsed.args[1] : "");
  context.out.line(image.reference.empty() ? image.id : oci::Reference::parse(image.reference).familiar());
  return 0;
}
constexpr auto template_create_examples =
    std::to_array<Example>({{"image template create base myapp:1", "an image of the built-in base"}});

const CommandSpec table[] = {
    {.name = "image ls",
     .aliases = "image list,images",
     .group = group::images,
     .arguments = "[NAME]",
     .summary = "list images",
     .options = image_ls_options,
     .more_options = listing_options(),
     .max_args = 1,
     .complete = Complete::image,
     .examples = image_ls_examples,
     .fields = image_fields,
     .handler = image_ls_handler},
    {.name = "image inspect",
     .group = group::images,
     .arguments = "IMAGE...",
     .summary = "everything about images",
     .options = inspect_options(),
     .min_args = 1,
     .max_args = -1,
     .complete = Complete::image,
     .examples = image_inspect_examples,
     .handler = image_inspect_handler},
    {.name = "image tag",
     .aliases = "tag",
     .group = group::images,
     .arguments = "IMAGE NAME[:TAG]",
     .summary = "give one more name",
     .min_args = 2,
     .max_args = 2,
     .complete = Complete::image,
     .examples = tag_examples,
     .handler = tag_handler},
    {.name = "image rm",
     .aliases = "image remove,rmi",
     .group = group::images,
     .arguments = "IMAGE...",
     .summary = "remove images",
     .options = image_rm_options,
     .min_args = 1,
     .max_args = -1,
     .complete = Complete::image,
     .examples = image_rm_examples,
     .handler = image_rm_handler},
    {.name = "image history",
     .aliases = "history",
     .group = group::images,
     .arguments = "IMAGE",
     .summary = "the steps that made it",
     .options = history_options,
     .min_args = 1,
     .max_args = 1,
     .complete = Complete::image,
     .examples = history_examples,
     .fields = history_fields,
     .handler = history_handler},
    {.name = "image prune",
     .group = group::engine,
     .summary = "remove images that nothing uses",
     .options = prune_all_options(),
     .examples = image_prune_examples,
     .handler = image_prune_handler},
    {.name = "image template ls",
     .aliases = "image template list",
     .group = group::images,
     .summary = "the built-in images",
     .options = listing_options(),
     .examples = template_ls_examples,
     .fields = template_fields,
     .handler = template_ls_handler},
    {.name = "image template create",
     .group = group::images,
     .arguments = "TEMPLATE [NAME[:TAG]]",
     .summary = "make an image of one",
     .min_args = 1,
     .max_args = 2,
     .examples = template_create_examples,
     .handler = template_create_handler},
};

}  // namespace

std::span<const CommandSpec> image_commands() { return table; }

}  // namespace servin::cli
