// SPDX-License-Identifier: Apache-2.0
// Devices and the rules of the device filter.
#include <cerrno>
#include <dirent.h>
#include <memory>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/strings.h"
#include "runtime/defaults.h"

namespace servin::runtime {
namespace {

constexpr int max_depth = 8;

oci::SpecDeviceRule allow(std::string type, std::optional<std::int64_t> major, std::optional<std::int64_t> minor,
                          std::string access) {
  return {true, std::move(type), major, minor, std::move(access)};
}

std::optional<oci::SpecDevice> node_at(const std::string& path, const std::string& name_inside) {
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))) return std::nullopt;
  oci::SpecDevice d;
  d.type = S_ISCHR(st.st_mode) ? "c" : "b";
  d.path = name_inside;
  d.major = gnu_dev_major(st.st_rdev);
  d.minor = gnu_dev_minor(st.st_rdev);
  d.file_mode = st.st_mode & 07777;
  d.uid = st.st_uid;
  d.gid = st.st_gid;
  return d;
}

bool is_folder(const std::string& path, bool follow) {
  struct stat st{};
  int rc = follow ? ::stat(path.c_str(), &st) : ::lstat(path.c_str(), &st);
  return rc == 0 && S_ISDIR(st.st_mode);
}

using Skip = bool (*)(std::string_view name);

void walk(const std::string& host, const std::string& inside, int depth, Skip skip, std::vector<oci::SpecDevice>& out) {
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(host.c_str()), ::closedir);
  if (!dir || depth > max_depth) return;
  while (const dirent* entry = ::readdir(dir.get())) {
    std::string_view name = entry->d_name;
    if (name == "." || name == ".." || skip(name)) continue;
    std::string path = host + "/" + entry->d_name;
    std::string target = inside + "/" + entry->d_name;
    struct stat st{};
    if (::lstat(path.c_str(), &st) != 0) continue;
    if (S_ISDIR(st.st_mode)) {
      walk(path, target, depth + 1, skip, out);
    } else if (auto node = S_ISLNK(st.st_mode) ? std::nullopt : node_at(path, target)) {
      out.push_back(std::move(*node));
    }
  }
}

oci::SpecDeviceRule rule_of(const oci::SpecDevice& d, const std::string& access) {
  return allow(d.type, d.major, d.minor, access);
}

[[noreturn]] void bad_rule(std::string_view text) {
  throw error(ErrorCode::invalid_argument, "device rule {} is not understood", quoted(text))
      .with_hint("the form is TYPE MAJOR:MINOR ACCESS, like \"c 1:3 rwm\" or \"b 8:* r\"");
}

std::optional<std::int64_t> parse_number(const std::string& word, std::string_view text) {
  if (word == "*") return std::nullopt;
  auto n = parse_u64(word);
  if (!n || *n > 0xffffffffU) bad_rule(text);
  return static_cast<std::int64_t>(*n);
}

void check_access(const std::string& access, std::string_view text) {
  bool ok = !access.empty() && access.find_first_not_of("rwm") == std::string::npos && access.size() <= 3;
  if (!ok) bad_rule(text);
}

}  // namespace

std::vector<oci::SpecDeviceRule> default_device_rules() {
  std::vector<oci::SpecDeviceRule> rules;
  rules.push_back({});                                           // first nothing, then:
  rules.push_back(allow("c", std::nullopt, std::nullopt, "m"));  // making a node is not yet using it
  rules.push_back(allow("b", std::nullopt, std::nullopt, "m"));
  for (auto [major, minor] : {std::pair{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}})
    rules.push_back(allow("c", major, minor, "rwm"));
  rules.push_back(allow("c", 136, std::nullopt, "rwm"));  // the ptys
  return rules;
}

std::vector<oci::SpecDeviceRule> allow_all_devices() { return {allow("a", std::nullopt, std::nullopt, "rwm")}; }

oci::SpecDeviceRule parse_device_rule(std::string_view text) {
  auto words = split(trim(text), ' ');
  if (words.size() == 1 && words[0] == "a") return allow_all_devices()[0];
  if (words.size() != 3 || (words[0] != "a" && words[0] != "b" && words[0] != "c")) bad_rule(text);
  auto numbers = split_once(words[1], ':');
  if (!numbers) bad_rule(text);
  check_access(words[2], text);
  return allow(words[0], parse_number(numbers->first, text), parse_number(numbers->second, text), words[2]);
}

ResolvedDevices resolve_device(const DeviceRequest& request) {
  std::string inside = request.container_path.empty() ? request.host_path : request.container_path;
  std::string access = request.permissions.empty() ? "rwm" : request.permissions;
  if (access.find_first_not_of("rwm") != std::string::npos)
    throw error(ErrorCode::invalid_argument, "device {}: access {} is not made of r, w and m",
                quoted(request.host_path), quoted(access));
  ResolvedDevices out;
  if (auto node = node_at(request.host_path, inside)) {
    out.devices.push_back(*node);
  } else if (is_folder(request.host_path, true)) {
    walk(request.host_path, inside, 0, [](std::string_view) { return false; }, out.devices);
  }
  if (out.devices.empty())
    throw error(ErrorCode::not_found, "device {} does not exist on this host or is no device",
                quoted(request.host_path))
        .with_id("E-DEVICE-NOT-FOUND")
        .with_hint("ls -l /dev shows the host's devices");
  for (const auto& d : out.devices) out.rules.push_back(rule_of(d, access));
  return out;
}

std::vector<oci::SpecDevice> all_host_devices() {
  std::vector<oci::SpecDevice> out;
  // Those that the container gets as its own, and other people's ptys.
  auto skip = [](std::string_view name) {
    for (std::string_view own : {"pts", "shm", "mqueue", "console", "ptmx", "null", "zero", "full", "random", "urandom",
                                 "tty", "fd", "stdin", "stdout", "stderr", ".udev", ".lxc"})
      if (name == own) return true;
    return false;
  };
  walk("/dev", "/dev", 0, skip, out);
  return out;
}

}  // namespace servin::runtime
