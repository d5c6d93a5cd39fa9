// SPDX-License-Identifier: Apache-2.0
#include "engine/local/log_config.h"

#include "base/id.h"
#include "base/strings.h"
#include "engine/options.h"
#include "os/file.h"

namespace servin::engine {
namespace {

constexpr const char* journal_socket = "/run/systemd/journal/socket";
constexpr const char* syslog_socket = "/dev/log";
constexpr std::size_t longest_tag = 1024;  // it stands in each record

std::string option(const ContainerConfig& config, const std::string& key) {
  auto found = config.request.log_options.find(key);
  return found == config.request.log_options.end() ? "" : found->second;
}

void require_socket(const std::string& path, const std::string& driver) {
  if (path_exists(path)) return;
  throw error(ErrorCode::unavailable, "log driver {}: {} is not there", driver, path)
      .with_id("E-LOG-RECEIVER")
      .with_hint("start the service that listens there, or use --log-driver json-file");
}

std::string one_line(std::string text) {
  for (char& c : text)
    if (c == '\n' || c == '\r') c = ' ';
  return text;
}

shim::LogConfig to_journald(const ContainerConfig& config) {
  require_socket(journal_socket, "journald");
  shim::LogConfig log;
  log.kind = shim::LogConfig::Kind::journald;
  log.address = journal_socket;
  std::string tag = one_line(log_tag(config));
  for (const auto& [field, value] :
       {std::pair<const char*, std::string>("CONTAINER_ID", std::string(short_id(config.id))),
        {"CONTAINER_ID_FULL", config.id},
        {"CONTAINER_NAME", config.request.name},
        {"CONTAINER_TAG", tag},
        {"SYSLOG_IDENTIFIER", tag},
        {"IMAGE_NAME", one_line(config.image_name)}})
    log.prefix += fmt::format("{}={}\n", field, value);
  return log;
}

shim::LogConfig to_syslog(const ContainerConfig& config) {
  shim::LogConfig log;
  log.kind = shim::LogConfig::Kind::syslog;
  std::string address = option(config, "syslog-address");
  if (address.empty()) address = std::string("unix://") + syslog_socket;
  bool udp = address.starts_with("udp://");
  log.address = address.substr(address.find("://") + 3);
  if (!udp) require_socket(log.address, "syslog");
  log.facility = static_cast<std::uint8_t>(parse_syslog_facility(option(config, "syslog-facility")));
  log.prefix = one_line(log_tag(config)) + ": ";
  return log;
}

}  // namespace

bool keeps_log_file(const std::string& driver) { return driver == "json-file" || driver == "local"; }

std::string log_tag(const ContainerConfig& config) {
  std::string tag = option(config, "tag");
  if (tag.empty()) tag = "{{.ID}}";
  std::string image_hex = config.image_id.substr(std::min<std::size_t>(7, config.image_id.size()));
  const std::vector<std::pair<std::string, std::string>> words = {{"{{.ID}}", std::string(short_id(config.id))},
                                                                  {"{{.FullID}}", config.id},
                                                                  {"{{.Name}}", config.request.name},
                                                                  {"{{.ImageName}}", config.image_name},
                                                                  {"{{.ImageID}}", std::string(short_id(image_hex))},
                                                                  {"{{.ImageFullID}}", config.image_id}};
  for (const auto& [word, value] : words)
    for (auto at = tag.find(word); at != std::string::npos; at = tag.find(word, at + value.size()))
      tag.replace(at, word.size(), value);
  if (tag.size() > longest_tag)
    throw error(ErrorCode::invalid_argument, "--log-opt tag: {} bytes are too long", tag.size())
        .with_id("E-OPTION-VALUE")
        .with_hint(fmt::format("at most {} bytes, with its words filled in", longest_tag));
  return tag;
}

shim::LogConfig log_config(const ContainerConfig& config, const std::string& path) {
  const std::string& driver = config.request.log_driver;
  if (driver == "none") return {};
  if (driver == "journald") return to_journald(config);
  if (driver == "syslog") return to_syslog(config);
  shim::LogConfig log;
  log.path = path;
  if (driver == "local") {  // what a machine can keep for ever
    log.max_size = 20U << 20U;
    log.max_files = 5;
  }
  if (auto size = option(config, "max-size"); !size.empty()) log.max_size = parse_size(size);
  if (auto files = option(config, "max-file"); !files.empty())
    log.max_files = static_cast<std::uint32_t>(parse_u64(files).value_or(1));
  return log;
}

}  // namespace servin::engine
