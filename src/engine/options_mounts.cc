// SPDX-License-Identifier: Apache-2.0
// -v, --mount and --tmpfs.
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

}  // namespace detail

namespace {

using detail::bad_value;
using detail::is_propagation;

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
  } else if (is_propagation(option)) {
    mount.propagation = option;
  } else {
    std::vector<std::string> known = {"ro",      "rw",       "nocopy", "z",      "Z",      "bind",   "rbind",
                                      "private", "rprivate", "slave",  "rslave", "shared", "rshared"};
    std::string hint = did_you_mean_hint(option, known);
    throw bad_value(text, "unknown option " + quoted(option))
        .with_hint(hint.empty() ? "known options: " + join(known, " ") : hint);
  }
}

bool is_volume_option_list(std::string_view text) {
  static constexpr std::array<std::string_view, 5> words = {"ro", "rw", "nocopy", "z", "Z"};
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

// One record of RFC 4180, as docker reads --mount: a field with a comma stands in double quotes.
std::vector<std::string> split_csv(std::string_view text) {
  std::vector<std::string> fields(1);
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inside && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      fields.back() += '"', ++i;
    } else if (c == '"' && (inside || fields.back().empty())) {
      inside = !inside;
    } else if (c == ',' && !inside) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  if (inside) throw bad_value(text, "a double quote is not closed");
  return fields;
}

bool parse_flag(std::string_view text, std::string_view key, std::string_view value, bool has_value) {
  if (!has_value) return true;
  std::string word = lower(value);
  if (word == "true" || word == "1" || word == "t") return true;
  if (word == "false" || word == "0" || word == "f") return false;
  throw bad_value(text, fmt::format("{} is true or false, not {}", key, quoted(value)));
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

class MountParser {
 public:
  MountParser(std::string_view text, const std::string& cwd, const std::string& home)
      : text_(text), cwd_(cwd), home_(home) {
    mount_.type = MountSpec::Type::volume;
  }
  MountSpec parse() {
    for (const auto& field : split_csv(text_)) take(field);
    finish();
    return std::move(mount_);
  }

 private:
  void take(const std::string& field) {
    auto equals = field.find('=');
    std::string key = lower(std::string_view(field).substr(0, equals));
    std::string value = equals == std::string::npos ? "" : field.substr(equals + 1);
    bool has_value = equals != std::string::npos;
    if (take_flag(key, value, has_value)) return;
    if (!has_value)
      throw bad_value(text_, fmt::format("the field {} must be key=value", quoted(field)))
          .with_hint("write it as type=bind,source=/path,target=/path[,readonly]");
    if (!take_common(key, value) && !take_special(key, value)) throw unknown(key);
  }
  bool take_flag(std::string_view key, std::string_view value, bool has_value) {
    if (key == "readonly" || key == "ro") {
      mount_.read_only = parse_flag(text_, key, value, has_value);
    } else if (key == "volume-nocopy") {
      mount_.no_copy = parse_flag(text_, key, value, has_value);
      only_for(key, MountSpec::Type::volume);
    } else if (key == "bind-nonrecursive") {
      mount_.recursive = !parse_flag(text_, key, value, has_value);
      only_for(key, MountSpec::Type::bind);
    } else if (key == "bind-create-src") {
      mount_.create_source = parse_flag(text_, key, value, has_value);
      only_for(key, MountSpec::Type::bind);
    } else {
      return false;
    }
    return true;
  }
  bool take_common(std::string_view key, const std::string& value) {
    if (key == "type") {
      set_type(value);
    } else if (key == "source" || key == "src") {
      mount_.source = value;
    } else if (key == "target" || key == "dst" || key == "destination") {
      mount_.target = detail::check_target(text_, value);
    } else if (key == "consistency") {
      // For shares of macOS; a mount of the same kernel is always consistent.
    } else {
      return false;
    }
    return true;
  }
  bool take_special(std::string_view key, const std::string& value) {
    if (key == "bind-propagation") {
      if (!is_propagation(value)) throw bad_value(text_, "unknown propagation " + quoted(value));
      mount_.propagation = value;
      only_for(key, MountSpec::Type::bind);
    } else if (key == "bind-recursive") {
      if (value != "enabled" && value != "disabled" && value != "writable")
        throw error(ErrorCode::unsupported, "bind-recursive={} is not built", printable(value))
            .with_id("E-NOT-BUILT")
            .with_hint("use bind-recursive=enabled, disabled or writable");
      mount_.recursive = value != "disabled";
      only_for(key, MountSpec::Type::bind);
    } else if (key == "tmpfs-size") {
      mount_.tmpfs_size = parse_tmpfs_size(text_, value);
      only_for(key, MountSpec::Type::tmpfs);
    } else if (key == "tmpfs-mode") {
      mount_.tmpfs_mode = parse_octal(text_, value);
      only_for(key, MountSpec::Type::tmpfs);
    } else if (key == "volume-driver") {
      if (value != "local")
        throw error(ErrorCode::unsupported, "volume driver {} is not there", quoted(value))
            .with_id("E-NOT-BUILT")
            .with_hint("use the driver local");
    } else if (key == "volume-label" || key == "volume-opt" || key == "volume-subpath" || key == "image-subpath") {
      throw error(ErrorCode::unsupported, "--mount {} is not built", key)
          .with_id("E-NOT-BUILT")
          .with_hint("make the volume first: servin volume create --help");
    } else {
      return false;
    }
    return true;
  }
  void set_type(std::string_view value) {
    if (value == "bind") {
      mount_.type = MountSpec::Type::bind;
    } else if (value == "volume") {
      mount_.type = MountSpec::Type::volume;
    } else if (value == "tmpfs") {
      mount_.type = MountSpec::Type::tmpfs;
    } else if (value == "image") {
      mount_.type = MountSpec::Type::image;
    } else {
      std::string hint = did_you_mean_hint(value, std::vector<std::string>{"bind", "volume", "tmpfs", "image"});
      throw bad_value(text_, "unknown type " + quoted(value))
          .with_hint(hint.empty() ? "known types: bind volume tmpfs" : hint);
    }
  }
  void only_for(std::string_view key, MountSpec::Type type) { special_.emplace_back(key, type); }
  Error unknown(std::string_view key) const {
    std::vector<std::string> known = {
        "type",       "source",     "target", "readonly", "volume-nocopy", "bind-propagation",
        "tmpfs-size", "tmpfs-mode", "src",    "dst",      "destination",   "bind-recursive"};
    std::string hint = did_you_mean_hint(key, known);
    return bad_value(text_, "unknown key " + quoted(key))
        .with_hint(hint.empty() ? "known keys: " + join(known, " ") : hint);
  }
  void finish() {
    if (mount_.target.empty())
      throw bad_value(text_, "target is missing")
          .with_hint("write it as type=bind,source=/path,target=/path[,readonly]");
    for (const auto& [key, type] : special_)
      if (type != mount_.type) throw bad_value(text_, fmt::format("{} does not go with this type", key));
    switch (mount_.type) {
      case MountSpec::Type::bind:
        return finish_bind();
      case MountSpec::Type::volume:
        if (!mount_.source.empty()) detail::check_volume_name(text_, mount_.source);
        return;
      case MountSpec::Type::tmpfs:
        if (!mount_.source.empty()) throw bad_value(text_, "a tmpfs has no source");
        return;
      case MountSpec::Type::image:
        if (mount_.source.empty()) throw bad_value(text_, "source is missing: the image");
        return;
    }
  }
  void finish_bind() {
    mount_.source = detail::resolve_host_path(mount_.source, cwd_, home_);
    if (mount_.source.empty()) throw bad_value(text_, "source is missing: a folder or file of the host");
    if (mount_.source[0] != '/') mount_.source = detail::clean_path(cwd_ + "/" + mount_.source);
  }

  std::string_view text_;
  const std::string& cwd_;
  const std::string& home_;
  MountSpec mount_;
  std::vector<std::pair<std::string, MountSpec::Type>> special_;
};

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

MountSpec parse_mount(std::string_view text, const std::string& cwd, const std::string& home) {
  return MountParser(text, cwd, home).parse();
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
