// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <arpa/inet.h>

#include "base/strings.h"
#include "engine/option_error.h"
#include "engine/options.h"

namespace servin::engine {
namespace {

constexpr std::uint64_t last_port = 65535;

Error bad(std::string_view text, std::string_view why) {
  return error(ErrorCode::invalid_argument, "port {}: {}", quoted(text), why)
      .with_id("E-OPTION-VALUE")
      .with_hint("write it as [IP:][HOST:]PORT[/udp], for example 8080:80, 127.0.0.1:5353:53/udp, 8000-8009:8000-8009");
}

bool is_address(const std::string& text) {
  unsigned char buffer[16];
  return ::inet_pton(AF_INET, text.c_str(), buffer) == 1 || ::inet_pton(AF_INET6, text.c_str(), buffer) == 1;
}

struct Range {
  std::uint64_t first = 0, last = 0;
  std::uint64_t size() const { return last - first + 1; }
};

Range parse_range(std::string_view part, std::string_view whole) {
  auto ends = split_once(part, '-');
  auto first = parse_u64(ends ? ends->first : part), last = ends ? parse_u64(ends->second) : first;
  if (!first || !last || *first > last_port || *last > last_port) throw bad(whole, "ports are numbers up to 65535");
  if (*first > *last) throw bad(whole, "the range runs backwards");
  return {*first, *last};
}

/// Takes the address off the front: "[::1]:" or "127.0.0.1:" before two more parts.
std::string take_address(std::string_view& rest, std::string_view whole) {
  std::string address;
  if (rest.starts_with('[')) {
    auto end = rest.find("]:");
    if (end == std::string_view::npos) throw bad(whole, "an IPv6 address is written [ADDRESS]:");
    address = rest.substr(1, end - 1);
    rest.remove_prefix(end + 2);
  } else if (std::count(rest.begin(), rest.end(), ':') >= 2) {
    auto end = rest.find(':');
    address = rest.substr(0, end);
    rest.remove_prefix(end + 1);
  } else {
    return "";
  }
  if (!is_address(address)) throw bad(whole, quoted(address) + " is not an address");
  return address;
}

}  // namespace

std::vector<PortSpec> parse_publish(std::string_view text) {
  std::string_view rest = text;
  PortSpec spec;
  if (auto slash = rest.rfind('/'); slash != std::string_view::npos) {
    spec.protocol = lower(rest.substr(slash + 1));
    rest = rest.substr(0, slash);
  }
  if (spec.protocol != "tcp" && spec.protocol != "udp" && spec.protocol != "sctp")
    throw bad(text, "the protocol is tcp, udp or sctp");
  bool has_address = rest.starts_with('[') || std::count(rest.begin(), rest.end(), ':') >= 2;
  spec.host_ip = take_address(rest, text);
  auto halves = split_once(rest, ':');
  if (has_address && !halves) halves = {"", std::string(rest)};
  Range inside = parse_range(halves ? halves->second : rest, text);
  if (inside.first == 0) throw bad(text, "the container's port is 1 to 65535");
  Range host;
  bool chosen = halves && !halves->first.empty();
  if (chosen) host = parse_range(halves->first, text);
  bool one_of = chosen && inside.size() == 1 && host.size() > 1;
  if (one_of && host.first == 0) throw bad(text, "a range of the host's begins with 1 at least");
  if (chosen && !one_of && host.size() != inside.size()) throw bad(text, "the two ranges are of different length");
  if (one_of) spec.last_host_port = static_cast<std::uint16_t>(host.last);
  std::vector<PortSpec> ports;
  for (std::uint64_t i = 0; i < inside.size(); ++i) {
    spec.container_port = static_cast<std::uint16_t>(inside.first + i);
    spec.host_port = static_cast<std::uint16_t>(chosen ? host.first + i : 0);
    ports.push_back(spec);
  }
  return ports;
}

std::vector<std::string> parse_expose(std::string_view text) {
  if (text.find(':') != std::string_view::npos)
    throw bad(text, "--expose only notes a port of the container").with_hint("--publish reaches it from the host");
  std::vector<std::string> ports;
  for (const auto& p : parse_publish(text)) ports.push_back(fmt::format("{}/{}", p.container_port, p.protocol));
  return ports;
}

}  // namespace servin::engine
