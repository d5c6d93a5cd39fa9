// SPDX-License-Identifier: Apache-2.0
#include "image/changes.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"
#include "base/time.h"
#include "oci/json_list.h"

namespace servin::image {

namespace {

Error bad(std::string_view change, std::string_view why) {
  return error(ErrorCode::invalid_argument, "invalid --change \"{}\": {}", printable(change.substr(0, 200)), why)
      .with_id("E-OPTION-VALUE")
      .with_hint(
          "one of CMD, ENTRYPOINT, ENV, LABEL, WORKDIR, USER, EXPOSE, VOLUME, STOPSIGNAL, HEALTHCHECK as in a "
          "Dockerfile");
}

/// Words as a shell splits them: quotes keep blanks, a backslash keeps the next character.
std::vector<std::string> words(std::string_view change, std::string_view text) {
  std::vector<std::string> list;
  std::string word;
  bool open = false;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
      word += text[++i];
      open = true;
    } else if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      open = true;
    } else if (c == ' ' || c == '\t') {
      if (open) list.push_back(std::move(word));
      word.clear();
      open = false;
    } else {
      word += c;
      open = true;
    }
  }
  if (quote != 0) throw bad(change, "a quote is not closed");
  if (open) list.push_back(std::move(word));
  return list;
}

std::vector<std::string> list_or_words(std::string_view change, std::string_view text) {
  return text.starts_with('[') ? oci::parse_string_list(text, "--change") : words(change, text);
}

std::vector<std::string> command(std::string_view text) {
  if (text.starts_with('[')) return oci::parse_string_list(text, "--change");
  return {"/bin/sh", "-c", std::string(text)};
}

/// K=V words; "K the rest" is docker's older form.
std::vector<std::pair<std::string, std::string>> pairs(std::string_view change, std::string_view text) {
  std::vector<std::pair<std::string, std::string>> result;
  std::vector<std::string> list = words(change, text);
  if (list.size() > 1 && list[0].find('=') == std::string::npos) {
    std::size_t end = text.find_first_of(" \t");
    return {{std::string(text.substr(0, end)), std::string(trim(text.substr(end)))}};
  }
  for (const std::string& word : list) {
    auto parts = split_once(word, '=');
    if (!parts || parts->first.empty()) throw bad(change, "NAME=VALUE is expected");
    result.push_back(*parts);
  }
  return result;
}

void set_env(std::vector<std::string>& env, const std::string& name, const std::string& value) {
  std::erase_if(env, [&](const std::string& line) { return line.starts_with(name + "="); });
  env.push_back(name + "=" + value);
}

std::string port(std::string_view change, const std::string& text) {
  auto parts = split_once(text, '/');
  auto number = parse_u64(parts ? parts->first : text);
  std::string protocol = parts ? lower(parts->second) : "tcp";
  bool known = protocol == "tcp" || protocol == "udp" || protocol == "sctp";
  if (!number || *number == 0 || *number > 65535 || !known) throw bad(change, "a port is 1-65535[/tcp|udp|sctp]");
  return std::to_string(*number) + "/" + protocol;
}

void set_health_option(oci::HealthCheck& health, std::string_view change, const std::string& option) {
  auto parts = split_once(option, '=');
  std::string name = parts ? parts->first : option, value = parts ? parts->second : "";
  std::int64_t* duration = name == "--interval"         ? &health.interval
                           : name == "--timeout"        ? &health.timeout
                           : name == "--start-period"   ? &health.start_period
                           : name == "--start-interval" ? &health.start_interval
                                                        : nullptr;
  if (duration != nullptr) {
    try {
      *duration = parse_duration(value);
    } catch (const Error& e) {
      throw bad(change, e.message());
    }
    return;
  }
  auto retries = parse_u64(value);
  if (name != "--retries")
    throw bad(change, "its options are --interval --timeout --start-period --start-interval --retries");
  if (!retries || *retries == 0 || *retries > INT32_MAX) throw bad(change, "--retries is a number above 0");
  health.retries = static_cast<std::int64_t>(*retries);
}

/// "[OPTION=VALUE...] CMD command", or "NONE".
oci::HealthCheck health_check(std::string_view change, std::string_view text) {
  oci::HealthCheck health;
  bool options = text.starts_with("--");
  while (text.starts_with("--")) {
    std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    set_health_option(health, change, std::string(text.substr(0, end)));
    text = trim(text.substr(end));
  }
  std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  std::string kind = lower(text.substr(0, end));
  text = trim(text.substr(end));
  if (kind == "none" && text.empty() && !options) {
    health.test = {"NONE"};
  } else if (kind == "cmd" && text.starts_with('[')) {
    health.test = oci::parse_string_list(text, "--change");
    if (health.test.empty()) throw bad(change, "CMD without a command");
    health.test.insert(health.test.begin(), "CMD");
  } else if (kind == "cmd" && !text.empty()) {
    health.test = {"CMD-SHELL", std::string(text)};
  } else {
    throw bad(change, "[--interval=... ...] CMD command, or NONE, is expected");
  }
  return health;
}

}  // namespace

void apply_change(oci::ImageConfig& config, std::string_view change) {
  std::string_view whole = trim(change);
  std::size_t end = whole.find_first_of(" \t");
  if (end == std::string_view::npos) throw bad(change, "an instruction and its value are expected");
  std::string instruction = lower(whole.substr(0, end));
  std::string_view value = trim(whole.substr(end));
  if (value.empty() || !valid_utf8(value) || value.find('\0') != std::string_view::npos)
    throw bad(change, "the value is empty or not text");
  if (instruction == "cmd") {
    config.cmd = command(value);
  } else if (instruction == "entrypoint") {
    config.entrypoint = command(value);
  } else if (instruction == "env") {
    for (const auto& [name, text] : pairs(change, value)) set_env(config.env, name, text);
  } else if (instruction == "label") {
    for (const auto& [name, text] : pairs(change, value)) config.labels[name] = text;
  } else if (instruction == "workdir") {
    if (!value.starts_with('/')) throw bad(change, "an absolute path is expected");
    config.working_dir = value;
  } else if (instruction == "user") {
    config.user = value;
  } else if (instruction == "expose") {
    for (const std::string& word : words(change, value)) config.exposed_ports.push_back(port(change, word));
  } else if (instruction == "volume") {
    for (const std::string& path : list_or_words(change, value)) config.volumes.push_back(path);
  } else if (instruction == "healthcheck") {
    config.health = health_check(change, value);
  } else if (instruction == "stopsignal") {
    config.stop_signal = value;
  } else {
    throw bad(change, "this instruction is not known here");
  }
}

}  // namespace servin::image
