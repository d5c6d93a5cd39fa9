// SPDX-License-Identifier: Apache-2.0
// network create, ls, inspect, rm, prune, connect, disconnect, reload.
#include <algorithm>
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
  engine::NetworkRequest request;
  request.name = parsed.args[0];
  request.driver = parsed.value_or("driver", "bridge");
  request.subnets = parsed.all("subnet");
  request.gateways = parsed.all("gateway");
  request.ip_ranges = parsed.all("ip-range");
  request.ipv6 = parsed.flag("ipv6");
  request.internal = parsed.flag("internal");
  request.options = pairs_of(parsed, "opt");
  request.labels = pairs_of(parsed, "label");
  context.out.line(context.engine().create_network(request).id);
  return 0;
}

constexpr auto network_fields = std::to_array<Field>({{"ID", "NETWORK ID", true},
                                                      {"Name", "NAME", true},
                                                      {"Driver", "DRIVER", true},
                                                      {"Scope", "SCOPE", true},
                                                      {"IPv6", "IPV6"},
                                                      {"Internal", "INTERNAL"},
                                                      {"Labels", "LABELS"},
                                                      {"CreatedAt", "CREATED AT"},
                                                      {"Subnets", "SUBNETS"}});

std::string shown_subnets(const engine::Network& n) {
  std::vector<std::string> subnets;
  for (const auto& s : n.subnets) subnets.push_back(s.subnet);
  return join(subnets, ", ");
}

int ls_handler(Context& context, const Parsed& parsed) {
  Listing listing;
  listing.fields.assign(network_fields.begin(), network_fields.end());
  bool full = parsed.flag("no-trunc");
  for (const engine::Network& n : context.engine().list_networks(filters_of(parsed))) {
    listing.rows.push_back({{full ? n.id : n.id.substr(0, 12), n.name, n.driver, "local",
                             has_ipv6(n) ? "true" : "false", n.internal ? "true" : "false", shown_labels(n.labels),
                             n.built_in ? "N/A" : rfc3339(n.created), shown_subnets(n)},
                            n.labels});
  }
  print_listing(context, parsed, listing);
  return 0;
}

int inspect_handler(Context& context, const Parsed& parsed) {
  std::vector<std::string> documents;
  int result = for_each_target(context, parsed.args, false, [&](const std::string& name) {
    documents.push_back(network_json(context.engine().inspect_network(name)));
  });
  print_documents(context, parsed.value_or("format", ""), documents);
  return result;
}

int rm_handler(Context& context, const Parsed& parsed) {
  bool force = parsed.flag("force");
  return for_each_target(context, parsed.args, true,
                         [&](const std::string& name) { context.engine().remove_network(name, force); });
}

int connect_handler(Context& context, const Parsed& parsed) {
  engine::NetworkAddress wanted;
  wanted.address = parsed.value_or("ip", "");
  wanted.address6 = parsed.value_or("ip6", "");
  wanted.aliases = parsed.all("alias");
  context.engine().connect_network(parsed.args[0], parsed.args[1], wanted);
  return 0;
}

int disconnect_handler(Context& context, const Parsed& parsed) {
  context.engine().disconnect_network(parsed.args[0], parsed.args[1], parsed.flag("force"));
  return 0;
}

int reload_handler(Context& context, const Parsed&) {
  context.engine().reload_networks();
  return 0;
}

int prune_handler(Context& context, const Parsed& parsed) {
  return prune(context, parsed, "all networks that no container is in", {prune_networks});
}

constexpr auto create_options = std::to_array<OptionSpec>({
    {.names = "-d,--driver",
     .value = "DRIVER",
     .help = "bridge (default), macvlan or ipvlan",
     .complete = Complete::choice,
     .choices = "bridge|macvlan|ipvlan"},
    {.names = "--subnet", .value = "ADDRESS/BITS", .help = "its addresses (a free one)", .repeat = true},
    {.names = "--gateway", .value = "IP", .help = "the way out (the subnet's first address)", .repeat = true},
    {.names = "--ip-range", .value = "ADDRESS/BITS", .help = "containers get addresses of this part", .repeat = true},
    {.names = "--ipv6", .value = "", .help = "addresses of IPv6 too"},
    {.names = "--internal", .value = "", .help = "no way out, and none in"},
    {.names = "-o,--opt",
     .value = "NAME=VALUE",
     .help = "mtu=N; macvlan, ipvlan: parent=eth0, mode=...",
     .repeat = true},
    {.names = "--label", .value = "KEY=VALUE", .help = "a label", .repeat = true},
});
constexpr auto rm_options =
    std::to_array<OptionSpec>({{.names = "-f,--force", .value = "", .help = "no failure when it does not exist"}});
constexpr auto connect_options = std::to_array<OptionSpec>({
    {.names = "--ip", .value = "IP", .help = "its address there"},
    {.names = "--ip6", .value = "IP", .help = "its IPv6 address there"},
    {.names = "--alias", .value = "NAME", .help = "another name there", .repeat = true},
});
constexpr auto disconnect_options =
    std::to_array<OptionSpec>({{.names = "-f,--force", .value = "", .help = "no failure when it is not in it"}});
constexpr auto connect_examples = std::to_array<Example>({{"network connect --alias front mine web", ""}});
constexpr auto disconnect_examples = std::to_array<Example>({{"network disconnect --force mine web", ""}});
constexpr auto create_examples = std::to_array<Example>({
    {"network create backend", "containers in it find each other by name"},
    {"network create --internal --subnet 10.77.0.0/24 vault", "with these addresses, and no way out"},
});
constexpr auto ls_examples =
    std::to_array<Example>({{"network ls", ""}, {"network ls -q --filter type=custom", "ids of those that you made"}});
constexpr auto inspect_examples =
    std::to_array<Example>({{"network inspect mine", ""},
                            {"network inspect -f '{{range .IPAM.Config}}{{.Subnet}}{{end}}' mine", "one field"}});
constexpr auto rm_examples = std::to_array<Example>({{"network rm mine", ""}});
constexpr auto reload_examples =
    std::to_array<Example>({{"network reload", "after nft flush ruleset, or a firewall that was started again"}});
constexpr auto prune_examples = std::to_array<Example>({{"network prune --dry-run", "what would go"}});

const CommandSpec table[] = {
    {.name = "network create",
     .group = group::networks,
     .arguments = "NETWORK",
     .summary = "make a network",
     .text = "Containers in a network of yours have addresses that they keep, find each other by name, alias and short "
             "id, and reach nothing of other networks. A macvlan or ipvlan network puts them beside the host, into the "
             "network of its interface: there are no names there, and the host itself does not reach them.",
     .options = create_options,
     .min_args = 1,
     .max_args = 1,
     .examples = create_examples,
     .handler = create_handler},
    {.name = "network ls",
     .aliases = "network list",
     .group = group::networks,
     .summary = "list networks",
     .options = listing_options(),
     .examples = ls_examples,
     .fields = network_fields,
     .handler = ls_handler},
    {.name = "network inspect",
     .group = group::networks,
     .arguments = "NETWORK...",
     .summary = "everything about networks, with those who are in them",
     .options = inspect_options(),
     .min_args = 1,
     .max_args = -1,
     .complete = Complete::made_network,
     .examples = inspect_examples,
     .handler = inspect_handler},
    {.name = "network rm",
     .aliases = "network remove",
     .group = group::networks,
     .arguments = "NETWORK...",
     .summary = "remove networks",
     .options = rm_options,
     .min_args = 1,
     .max_args = -1,
     .complete = Complete::made_network,
     .examples = rm_examples,
     .handler = rm_handler},
    {.name = "network connect",
     .group = group::networks,
     .arguments = "NETWORK CONTAINER",
     .summary = "put a container into a further network",
     .text = "Running containers have the new interface at once, others from their next start.",
     .options = connect_options,
     .min_args = 2,
     .max_args = 2,
     .complete = Complete::made_network,
     .one_target = true,
     .examples = connect_examples,
     .handler = connect_handler},
    {.name = "network disconnect",
     .group = group::networks,
     .arguments = "NETWORK CONTAINER",
     .summary = "take a container out of a network",
     .text =
         "Not out of the only one that it is in, nor, while it runs, out of the one that its ports are published in.",
     .options = disconnect_options,
     .min_args = 2,
     .max_args = 2,
     .complete = Complete::network,
     .one_target = true,
     .examples = disconnect_examples,
     .handler = disconnect_handler},
    {.name = "network reload",
     .group = group::networks,
     .summary = "make the networks of running containers anew in the kernel",
     .text = "Bridges, links that somebody took off them, and packet rules; also what lets packets through other "
             "programs' rules. The next start of a container in a network does the same.",
     .max_args = 0,
     .examples = reload_examples,
     .handler = reload_handler},
    {.name = "network prune",
     .group = group::engine,
     .summary = "remove networks that no container is in",
     .options = prune_options(),
     .examples = prune_examples,
     .handler = prune_handler},
};

}  // namespace

std::span<const CommandSpec> network_commands() { return table; }

}  // namespace servin::cli
