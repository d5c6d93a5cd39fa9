// SPDX-License-Identifier: Apache-2.0
#include "cli/container_words.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/strings.h"
#include "cli/listing.h"
#include "oci/image.h"

namespace servin::cli {
namespace {

/// Go's strconv.Quote, as far as arguments of programs need it.
std::string go_quote(std::string_view text) {
  std::string result = "\"";
  for (char c : text) {
    switch (c) {
      case '"':
        result += "\\\"";
        break;
      case '\\':
        result += "\\\\";
        break;
      case '\n':
        result += "\\n";
        break;
      case '\t':
        result += "\\t";
        break;
      case '\r':
        result += "\\r";
        break;
      default:
        result += c;
    }
  }
  return result + "\"";
}

std::string ago(Time then, Time now) {
  return then.is_set() ? human_duration(std::max<std::int64_t>(now.ns - then.ns, 0)) + " ago" : "at an unknown time";
}

std::string health_words(const std::string& health) {
  if (health.empty()) return "";
  return health == "starting" ? " (health: starting)" : " (" + health + ")";
}

}  // namespace

std::string shown_command(const std::vector<std::string>& args, bool full) {
  std::string text = join(args, " ");
  return go_quote(full ? text : ellipsis(text, 20));
}

std::string shown_image(const engine::ContainerConfig& config) {
  const std::string& name = config.image_name.empty() ? config.request.image : config.image_name;
  if (name.starts_with("sha256:")) return name.substr(7, 12);
  try {
    // As it was typed, unless that was an id.
    oci::Reference reference = oci::Reference::parse(name);
    oci::Reference typed = oci::Reference::parse(config.request.image);
    return typed.str() == reference.str() ? config.request.image : reference.familiar();
  } catch (const Error&) {
    return name;
  }
}

std::string shown_status(const engine::ContainerState& state, Time now) {
  using engine::Status;
  switch (state.status) {
    case Status::created:
      return "Created";
    case Status::running:
      return "Up " + human_duration(std::max<std::int64_t>(now.ns - state.started.ns, 0)) + health_words(state.health);
    case Status::paused:
      return "Up " + human_duration(std::max<std::int64_t>(now.ns - state.started.ns, 0)) + " (Paused)";
    case Status::exited:
      return fmt::format("Exited ({}) {}", state.exit_code, ago(state.finished, now));
    case Status::removing:
      return "Removal In Progress";
    case Status::dead:
      return "Dead";
    case Status::restarting:
      return fmt::format("Restarting ({}) {}", state.exit_code, ago(state.finished, now));
  }
  return "";
}

std::string shown_time(Time time) {
  std::string text = rfc3339(time);  // 2026-11-27T08:00:00.123456789Z
  return text.substr(0, 10) + " " + text.substr(11, 8) + " +0000 UTC";
}

std::string shown_labels(const std::map<std::string, std::string>& labels) {
  std::string result;
  for (const auto& [key, value] : labels) result += (result.empty() ? "" : ",") + key + "=" + value;
  return result;
}

std::string shown_ports(const engine::Container& container) {
  std::vector<std::string> words;
  std::set<std::string> published;
  for (const auto& p : container.ports) {
    std::string inside = fmt::format("{}/{}", p.container_port, p.protocol);
    published.insert(inside);
    for (const auto& ip : p.host_ip.empty() ? std::vector<std::string>{"0.0.0.0", "::"} : std::vector{p.host_ip}) {
      bool v6 = ip.find(':') != std::string::npos;
      words.push_back(fmt::format("{}:{}->{}", v6 ? "[" + ip + "]" : ip, p.host_port, inside));
    }
  }
  if (!container.networks.empty())
    for (const auto& port : container.config.exposed_ports)
      if (published.count(port) == 0) words.push_back(port);
  return join(words, ", ");
}

std::string shown_mounts(const std::vector<engine::MountSpec>& mounts, bool full) {
  std::string result;
  for (const engine::MountSpec& mount : mounts) {
    if (mount.type == engine::MountSpec::Type::tmpfs) continue;
    result += (result.empty() ? "" : ",") + (full ? mount.source : ellipsis(mount.source, 15));
  }
  return result;
}

std::size_t count_volumes(const std::vector<engine::MountSpec>& mounts) {
  return static_cast<std::size_t>(std::ranges::count_if(
      mounts, [](const engine::MountSpec& mount) { return mount.type == engine::MountSpec::Type::volume; }));
}

namespace {

std::string json_object(const std::map<std::string, std::string>& map) {
  std::string text;
  for (const auto& [key, value] : map) text += (text.empty() ? "" : ",") + quoted(key) + ":" + quoted(value);
  return "{" + text + "}";
}

std::string json_list(const std::vector<std::string>& items) { return "[" + join(items, ",") + "]"; }

}  // namespace

std::string volume_json(const engine::Volume& volume) {
  return fmt::format(
      R"({{"CreatedAt":{},"Driver":{},"Labels":{},"Mountpoint":{},"Name":{},"Options":{},"Scope":"local"}})",
      quoted(rfc3339(volume.created)), quoted(volume.driver), json_object(volume.labels), quoted(volume.mountpoint),
      quoted(volume.name), json_object(volume.options));
}

bool has_ipv6(const engine::Network& network) {
  return std::ranges::any_of(network.subnets, [](const auto& s) { return s.subnet.find(':') != std::string::npos; });
}

std::string network_json(const engine::Network& n) {
  std::vector<std::string> subnets, members;
  for (const auto& s : n.subnets) {
    std::string range = s.ip_range.empty() ? "" : R"(,"IPRange":)" + quoted(s.ip_range);
    subnets.push_back(fmt::format(R"({{"Subnet":{}{},"Gateway":{}}})", quoted(s.subnet), range, quoted(s.gateway)));
  }
  for (const auto& m : n.members)
    members.push_back(fmt::format(R"({}:{{"Name":{},"MacAddress":{},"IPv4Address":{},"IPv6Address":{}}})", quoted(m.id),
                                  quoted(m.name), quoted(m.mac), quoted(m.address), quoted(m.address6)));
  return fmt::format(
      R"({{"Name":{},"Id":{},"Created":{},"Scope":"local","Driver":{},"EnableIPv4":true,"EnableIPv6":{},)"
      R"("IPAM":{{"Driver":"default","Options":{{}},"Config":{}}},"Internal":{},"Attachable":false,"Ingress":false,)"
      R"("ConfigFrom":{{"Network":""}},"ConfigOnly":false,"Containers":{{{}}},"Options":{},"Labels":{}}})",
      quoted(n.name), quoted(n.id), quoted(rfc3339(n.created)), quoted(n.driver), has_ipv6(n), json_list(subnets),
      n.internal, join(members, ","), json_object(n.options), json_object(n.labels));
}

}  // namespace servin::cli
