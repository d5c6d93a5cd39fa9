// SPDX-License-Identifier: Apache-2.0
// Docker's option syntaxes -> value types, used by the command line and by every other door. Pure; errors name the text
// and the form.
#pragma once

#include <string>
#include <string_view>

#include "engine/types.h"

namespace servin::engine {

/// -v [SOURCE:]TARGET[:OPTIONS]. Relative sources ("./data", "../x") and "~" are made absolute against `cwd` and
/// `home`.
MountSpec parse_volume(std::string_view text, const std::string& cwd, const std::string& home);
/// --mount type=bind,source=...,target=...[,readonly]...
MountSpec parse_mount(std::string_view text, const std::string& cwd, const std::string& home);
/// --tmpfs TARGET[:OPTIONS]
MountSpec parse_tmpfs(std::string_view text);
/// --device HOST[:CONTAINER[:rwm]]
DeviceSpec parse_device(std::string_view text);
/// --ulimit name=soft[:hard]
Ulimit parse_ulimit(std::string_view text);
/// -p [IP:][HOST[-LAST]:]PORT[-LAST][/tcp|udp|sctp], spread out; also what an image exposes ("80/tcp").
std::vector<PortSpec> parse_publish(std::string_view text);
/// --expose: "80", "53/udp", "8000-8002" as "80/tcp", ...
std::vector<std::string> parse_expose(std::string_view text);
/// --cpus 1.5 in billionths
std::int64_t parse_cpus(std::string_view text);
/// "SIGTERM", "term", "15", "RTMIN+3" -> number
int parse_signal(std::string_view text);
std::string signal_name(int number);
/// daemon (when empty), user, local0, ... or a number from 0 to 23.
int parse_syslog_facility(std::string_view text);
/// --restart no|on-failure[:N]|always|unless-stopped; "no" is the empty policy.
RestartRule parse_restart(std::string_view text);

/// Everything that can be judged without looking at the host: contradictions, ranges, names. Throws the first problem.
void validate(const CreateRequest& request);
/// The part of it that `update` changes.
void validate_limits(const Resources& resources);
/// What somebody asks for in one network. `alias_option`: as the command calls it.
void validate_endpoint(const NetworkAddress& wanted, std::string_view alias_option);

}  // namespace servin::engine
