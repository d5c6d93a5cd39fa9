// SPDX-License-Identifier: Apache-2.0
// -v and --tmpfs.
#include <array>

#include "engine/option_error.h"
#include "engine/options.h"

namespace servin::engine {
namespace detail {

std::string clean_path(std::string_view path) {
  std::vector<std::string> parts;
  bool absolute = path.starts_with('/');
  for (auto& part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(std::move(part));
    } else if (!parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (!absolute) {
      parts.push_back(std::move(part));
    }
  }
  std::string result = (absolute ? "/" : "") + join(parts, "/");
  return result.empty() ? "." : result;
}

std::string resolve_host_path(std::string_view path, const std::string& cwd, const std::string& home) {
  if (path.starts_with('/')) return clean_path(path);
  if (path == "~" || path.starts_with("~/")) return clean_path(home + "/" + std::string(path.substr(1)));
  if (path.starts_with('.')) return clean_path(cwd + "/" + std::string(path));
  return std::string(path);
}

std::string check_target(std::string_view text, std::string_view target) {
  if (target.empty() || target[0] != '/')
    throw bad_value(text, "the path in the container is not absolute")
        .with_hint("the path in the container starts with /");
  std::string clean = clean_path(target);
  if (clean == "/") throw bad_value(text, "the path in the container cannot be /").with_hint("name a folder below /");
  return clean;
}

bool is_propagation(std::string_view word) {
  for (std::string_view known : {"private", "rprivate", "slave", "rslave", "shared", "rshared"})
    if (word == known) return true;
  return false;
}

bool is_attribute(std::string_view word) {
  for (std::string_view known : {"nosuid", "suid", "nodev", "dev", "noexec", "exec", "noatime", "nodiratime"})
    if (word == known) return true;
  return false;
}

void check_volume_name(std::string_view text, std::string_view name) {
  bool good = name.size() >= 2 && name.size() <= 255;
  for (std::size_t i = 0; i < name.size(); ++i) {
    char c = name[i];
    bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    good = good && (alnum || (i > 0 && (c == '_' || c == '.' || c == '-')));
  }
  if (good) return;
  throw bad_value(text, fmt::format("{} is no name of a volume", quoted(name)))
      .with_hint(name.find('/') != std::string_view::npos
                     ? fmt::format("for a folder of the host write ./{} or an absolute path", printable(name))
                     : "a name has two characters or more out of [a-zA-Z0-9_.-] and starts with a letter or digit");
}

std::uint32_t parse_octal(std::string_view text, std::string_view value) {
  std::uint32_t mode = 0;
  bool good = !value.empty() && value.size() <= 5;
  for (char c : value) {
    good = good && c >= '0' && c <= '7';
    mode = mode * 8 + static_cast<std::uint32_t>(c - '0');
  }
  if (!good || mode > 07777)
    throw bad_value(text, fmt::format("the mode {} is no octal number", quoted(value)))
        .with_hint("for example mode=1777");
  return mode;
}

std::uint64_t parse_tmpfs_size(std::string_view text, std::string_view value) {
  try {
    return parse_size(value);
  } catch (const Error&) {
    throw bad_value(text, fmt::format("{} is no size", quoted(value))).with_hint("for example size=64m");
  }
}

}  // namespace detail

namespace {

using detail::bad_value;
using detail::is_propagation;
using detail::parse_octal;
using detail::parse_tmpfs_size;

constexpr std::string_view volume_form =
    "write it as [SOURCE:]TARGET[:OPTIONS], for example ./data:/data:ro or cache:/var/cache";

void apply_volume_option(MountSpec& mount, std::string_view option, std::string_view text) {
  if (option == "ro") {
    mount.read_only = true;
  } else if (option == "rw" || option == "consistent" || option == "cached" || option == "delegated") {
    // The last three say how much a macOS share may lag; a mount of the same kernel never does.
  } else if (option == "z" || option == "Z") {
    mount.relabel = true;
  } else if (option == "nocopy") {
    mount.no_copy = true;
  } else if (option == "bind" || option == "rbind") {
    mount.recursive = option == "rbind";
  } else if (option == "U" || option == "idmap") {
    mount.idmap = true;
  } else if (detail::is_attribute(option)) {
    mount.attributes.emplace_back(option);
  } else if (is_propagation(option)) {
    mount.propagation = option;
  } else {
    std::vector<std::string> known = {"ro",     "rw",     "nocopy",  "z",       "Z",        "U",
                                      "idmap",  "bind",   "rbind",   "private", "rprivate", "slave",
                                      "rslave", "shared", "rshared", "nosuid",  "nodev",    "noexec"};
    std::string hint = did_you_mean_hint(option, known);
    throw bad_value(text, "unknown option " + quoted(option))
        .with_hint(hint.empty() ? "known options: " + join(known, " ") : hint);
  }
}

bool is_volume_option_list(std::string_view text) {
  static constexpr std::array<std::string_view, 7> words = {"ro", "rw", "nocopy", "z", "Z", "U", "idmap"};
  for (const auto& word : split(text, ',')) {
    bool known = is_propagation(word);
    for (auto w : words) known |= word == w;
    if (!known) return false;
  }
  return true;
}

void check_volume_options(const MountSpec& mount, std::string_view text) {
  bool is_volume = mount.type == MountSpec::Type::volume;
  if (mount.no_copy && !is_volume) throw bad_value(text, "nocopy is for volumes, not for folders of the host");
  if (!mount.propagation.empty() && is_volume)
    throw bad_value(text, mount.propagation + " is for folders of the host, not for volumes");
}

bool is_tmpfs_word(std::string_view word) {
  for (std::string_view known :
       {"ro",         "rw",       "exec",       "noexec",      "suid",          "nosuid",  "dev",
        "nodev",      "sync",     "async",      "dirsync",     "atime",         "noatime", "diratime",
        "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime", "private", "rprivate",
        "slave",      "rslave",   "shared",     "rshared"})
    if (word == known) return true;
  return false;
}

void apply_tmpfs_option(MountSpec& mount, const std::string& option, std::string_view text) {
  auto pair = split_once(option, '=');
  if (!pair) {
    if (!is_tmpfs_word(option))
      throw bad_value(text, "unknown option " + quoted(option))
          .with_hint("known options: size= mode= uid= gid= ro rw exec noexec suid nosuid dev nodev");
    if (option == "ro") mount.read_only = true;
    if (is_propagation(option)) {
      mount.propagation = option;
    } else if (option != "ro" && option != "rw") {
      mount.tmpfs_options.push_back(option);
    }
    return;
  }
  const auto& [key, value] = *pair;
  if (key == "size") {
    // A share of the memory is the kernel's own form.
    if (value.ends_with('%'))
      mount.tmpfs_options.push_back(option);
    else
      mount.tmpfs_size = parse_tmpfs_size(text, value);
  } else if (key == "mode") {
    mount.tmpfs_mode = parse_octal(text, value);
  } else if ((key == "uid" || key == "gid" || key == "nr_inodes" || key == "nr_blocks") && parse_u64(value)) {
    mount.tmpfs_options.push_back(option);
  } else {
    throw bad_value(text, "unknown option " + quoted(option))
        .with_hint("known options: size= mode= uid= gid= ro rw exec noexec suid nosuid dev nodev");
  }
}

}  // namespace

MountSpec parse_volume(std::string_view text, const std::string& cwd, const std::string& home) {
  auto parts = split(text, ':');
  if (parts.size() > 3 || text.empty()) throw bad_value(text, "too many parts").with_hint(std::string(volume_form));
  for (const auto& part : parts)
    if (part.empty()) throw bad_value(text, "a part is empty").with_hint(std::string(volume_form));
  MountSpec mount;
  mount.type = MountSpec::Type::volume;
  if (parts.size() == 1) {
    mount.target = detail::check_target(text, parts[0]);
    return mount;
  }
  if (parts.size() == 2 && parts[1][0] != '/' && is_volume_option_list(parts[1]))
    throw bad_value(text, "options without a source").with_hint(std::string(volume_form));
  mount.target = detail::check_target(text, parts[1]);
  mount.source = detail::resolve_host_path(parts[0], cwd, home);
  if (mount.source[0] == '/') {
    mount.type = MountSpec::Type::bind;
    mount.create_source = true;
  } else {
    detail::check_volume_name(text, mount.source);
  }
  if (parts.size() == 3)
    for (const auto& option : split(parts[2], ',')) apply_volume_option(mount, option, text);
  check_volume_options(mount, text);
  return mount;
}

MountSpec parse_tmpfs(std::string_view text) {
  MountSpec mount;
  mount.type = MountSpec::Type::tmpfs;
  auto pair = split_once(text, ':');
  mount.target = detail::check_target(text, pair ? std::string_view(pair->first) : text);
  if (pair && !pair->second.empty())
    for (const auto& option : split(pair->second, ',')) apply_tmpfs_option(mount, option, text);
  return mount;
}

}  // namespace servin::engine
