// SPDX-License-Identifier: Apache-2.0
// What the prune commands share: the question, --dry-run, the report.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/context.h"

namespace servin::cli {

struct PruneRequest {
  bool all = false;
  bool dry_run = false;
  std::map<std::string, std::vector<std::string>> filters;
};
struct PruneReport {
  std::string_view heading;  // "Deleted Containers:"
  engine::PruneResult result;
};
using PruneStep = PruneReport (*)(Context&, const PruneRequest&);

/// Asks on a terminal (without one, --force is needed), then takes the steps and prints what went.
int prune(Context& context, const Parsed& parsed, std::string_view what, const std::vector<PruneStep>& steps);
/// -f/--force, --filter, --dry-run.
std::span<const OptionSpec> prune_options();
/// and -a/--all
std::span<const OptionSpec> prune_all_options();

PruneReport prune_containers(Context& context, const PruneRequest& request);
PruneReport prune_images(Context& context, const PruneRequest& request);
PruneReport prune_volumes(Context& context, const PruneRequest& request);
PruneReport prune_networks(Context& context, const PruneRequest& request);

}  // namespace servin::cli
