// SPDX-License-Identifier: Apache-2.0
#include "cli/prune.h"

#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "cli/listing.h"

namespace servin::cli {
namespace {

constexpr OptionSpec force = {.names = "-y,--yes,-f,--force", .value = "", .help = "do not ask"};
constexpr OptionSpec filter_option = {
    .names = "--filter", .value = "KEY=VALUE", .help = "only those: until=24h, label=...", .repeat = true};
constexpr OptionSpec dry_run = {.names = "--dry-run", .value = "", .help = "only print what would go"};

constexpr auto plain = std::to_array<OptionSpec>({force, filter_option, dry_run});
constexpr auto with_all =
    std::to_array<OptionSpec>({{.names = "-a,--all", .value = "", .help = "not only the dangling or anonymous ones"},
                               force,
                               filter_option,
                               dry_run});

/// False when the person said no.
bool agreed(Context& context, const Parsed& parsed, std::string_view what) {
  if (parsed.flag("force") || parsed.flag("dry-run")) return true;
  if (!context.can_ask()) {
    throw error(ErrorCode::failed_precondition, "{}: nobody to ask", parsed.command->name)
        .with_id("E-NO-TERMINAL")
        .with_hint(fmt::format("servin {} --force, or --dry-run to see what would go", parsed.command->name));
  }
  return context.confirm(fmt::format("This removes {}. Go on?", what));
}

void print_report(Context& context, const PruneReport& report) {
  if (report.result.deleted.empty()) return;
  context.out.line(report.heading);
  for (const std::string& name : report.result.deleted) context.out.line(printable(name));
  context.out.line("");
}

}  // namespace

std::span<const OptionSpec> prune_options() { return plain; }
std::span<const OptionSpec> prune_all_options() { return with_all; }

PruneReport prune_containers(Context& context, const PruneRequest& request) {
  return {"Deleted Containers:", context.engine().prune_containers(request.filters, request.dry_run)};
}

PruneReport prune_images(Context& context, const PruneRequest& request) {
  return {"Deleted Images:", context.engine().prune_images(request.all, request.filters, request.dry_run)};
}

PruneReport prune_volumes(Context& context, const PruneRequest& request) {
  return {"Deleted Volumes:", context.engine().prune_volumes(request.all, request.filters, request.dry_run)};
}

PruneReport prune_networks(Context& context, const PruneRequest& request) {
  return {"Deleted Networks:", context.engine().prune_networks(request.filters, request.dry_run)};
}

int prune(Context& context, const Parsed& parsed, std::string_view what, const std::vector<PruneStep>& steps) {
  if (!agreed(context, parsed, what)) {
    context.note("nothing was removed");
    return 125;
  }
  PruneRequest request{parsed.flag("all"), parsed.flag("dry-run"), filters_of(parsed)};
  std::uint64_t reclaimed = 0;
  for (PruneStep step : steps) {
    PruneReport report = step(context, request);
    print_report(context, report);
    reclaimed += report.result.reclaimed;
  }
  context.out.line((request.dry_run ? "Total space that would be reclaimed: " : "Total reclaimed space: ") +
                   human_size(reclaimed));
  return 0;
}

}  // namespace servin::cli
