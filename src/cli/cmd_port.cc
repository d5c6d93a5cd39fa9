// SPDX-License-Identifier: Apache-2.0
// port: where a container's ports are on this host.
#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "cli/context.h"
#include "cli/registry.h"

namespace servin::cli {
namespace {

std::string place(const std::string& ip, const engine::PortSpec& p) {
  bool v6 = ip.find(':') != std::string::npos;
  return fmt::format("{}:{}", v6 ? "[" + ip + "]" : ip, p.host_port);
}

/// "80" is 80/tcp.
std::string inside(const engine::PortSpec& p) { return fmt::format("{}/{}", p.container_port, p.protocol); }

std::string wanted_port(const Parsed& parsed) {
  if (parsed.args.size() < 2) return "";
  const std::string& text = parsed.args[1];
  auto pair = split_once(text, '/');
  auto number = parse_u64(pair ? pair->first : text);
  if (!number || *number == 0 || *number > 65535) {
    throw error(ErrorCode::invalid_argument, "{} is no port", quoted(text))
        .with_id("E-OPTION-VALUE")
        .with_hint("for example 80 or 53/udp");
  }
  return pair ? lower(text) : text + "/tcp";
}

int port_handler(Context& context, const Parsed& parsed) {
  std::string wanted = wanted_port(parsed);
  engine::Container container = context.engine().inspect(parsed.args[0]);
  bool found = false;
  for (const engine::PortSpec& p : container.ports) {
    if (!wanted.empty() && inside(p) != wanted) continue;
    found = true;
    for (const auto& ip : p.host_ip.empty() ? std::vector<std::string>{"0.0.0.0", "::"} : std::vector{p.host_ip})
      context.out.line(wanted.empty() ? fmt::format("{} -> {}", inside(p), place(ip, p)) : place(ip, p));
  }
  if (!found && !wanted.empty()) {
    throw error(ErrorCode::not_found, "port {} of container {} is not published", wanted, container.name())
        .with_id("E-PORT-NOT-PUBLISHED")
        .with_hint("servin port " + container.name() + " shows those that are; a stopped container has none");
  }
  return 0;
}

constexpr auto port_examples =
    std::to_array<Example>({{"port web", "all of them"}, {"port web 80", "where its port 80 is"}});

const CommandSpec table[] = {
    {.name = "port",
     .group = group::containers,
     .arguments = "CONTAINER [PORT[/PROTOCOL]]",
     .summary = "its published ports",
     .min_args = 1,
     .max_args = 2,
     .complete = Complete::running,
     .one_target = true,
     .examples = port_examples,
     .handler = port_handler},
};

}  // namespace

std::span<const CommandSpec> port_commands() { return table; }

}  // namespace servin::cli
