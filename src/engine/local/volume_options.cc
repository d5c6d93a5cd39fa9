// SPDX-License-Identifier: Apache-2.0
#include "engine/local/volume_options.h"

#include <array>
#include <vector>

#include <sys/mount.h>

#include "base/strings.h"
#include "engine/option_error.h"

namespace servin::engine {
namespace {

Error bad(std::string_view key, std::string_view value, std::string_view why) {
  return error(ErrorCode::invalid_argument, "volume option {}={}: {}", printable(key), printable(value), why)
      .with_id("E-OPTION-VALUE");
}

// Words of `o=` that are flags of the mount and not the file system's business.
bool take_flag(std::string_view word, unsigned long& flags) {
  static constexpr std::array<std::pair<std::string_view, unsigned long>, 12> words = {{{"ro", MS_RDONLY},
                                                                                        {"nosuid", MS_NOSUID},
                                                                                        {"nodev", MS_NODEV},
                                                                                        {"noexec", MS_NOEXEC},
                                                                                        {"sync", MS_SYNCHRONOUS},
                                                                                        {"noatime", MS_NOATIME},
                                                                                        {"nodiratime", MS_NODIRATIME},
                                                                                        {"relatime", MS_RELATIME},
                                                                                        {"strictatime", MS_STRICTATIME},
                                                                                        {"bind", MS_BIND},
                                                                                        {"rbind", MS_BIND | MS_REC},
                                                                                        {"dirsync", MS_DIRSYNC}}};
  for (std::string_view nothing : {"rw", "suid", "dev", "exec", "async", "defaults", "atime"})
    if (word == nothing) return true;
  for (const auto& [name, flag] : words) {
    if (word != name) continue;
    flags |= flag;
    return true;
  }
  return false;
}

void plan_bind(VolumeSource& source) {
  source.kind = VolumeSource::Kind::bind;
  if (source.device.empty() || source.device[0] != '/')
    throw bad("device", source.device, "a bind needs the absolute path of a folder")
        .with_hint("for example --opt type=none --opt o=bind --opt device=/srv/data");
  if (!source.data.empty()) throw bad("o", source.data, "a bind has no such options").with_hint("--opt o=bind");
  source.device = detail::clean_path(source.device);
}

void plan_mount(VolumeSource& source) {
  source.kind = VolumeSource::Kind::mount;
  if (source.type == "tmpfs") {
    if (source.device.empty()) source.device = "tmpfs";
    return;
  }
  if (source.device.empty())
    throw bad("type", source.type, "it needs a device").with_hint("add --opt device=/dev/NAME, or HOST:/path for nfs");
  if (source.type.starts_with("nfs") && ("," + source.data).find(",addr=") == std::string::npos)
    throw bad("o", source.data, "nfs needs the server's address")
        .with_hint("for example --opt o=addr=10.0.0.5,rw --opt device=:/export");
}

}  // namespace

VolumeSource plan_volume(const std::map<std::string, std::string>& options) {
  VolumeSource source;
  std::string size;
  std::vector<std::string> data;
  for (const auto& [key, value] : options) {
    if (key == "type") {
      source.type = lower(value);
    } else if (key == "device") {
      source.device = value;
    } else if (key == "size") {
      parse_size(value);
      size = value;
    } else if (key == "o") {
      for (auto& word : split(value, ','))
        if (!word.empty() && !take_flag(word, source.flags)) data.push_back(word);
    } else {
      std::string hint = did_you_mean_hint(key, std::vector<std::string>{"type", "device", "o", "size"});
      throw bad(key, value, "the driver local has no such option")
          .with_hint(hint.empty() ? "type device o size" : hint);
    }
  }
  if (!size.empty() && source.type == "tmpfs") data.push_back(fmt::format("size={}", parse_size(size)));
  source.data = join(data, ",");
  if (source.data.find('\0') != std::string::npos || source.device.find('\0') != std::string::npos)
    throw bad("o", source.data, "holds a NUL character");
  bool bind = (source.flags & MS_BIND) != 0 || source.type == "bind";
  if (bind) {
    plan_bind(source);
  } else if (!source.type.empty() && source.type != "none") {
    plan_mount(source);
  } else if (!source.device.empty() || !source.data.empty()) {
    throw bad("type", source.type, "what is to be mounted is not said")
        .with_hint("add --opt type=tmpfs, nfs, ext4 or bind");
  }
  if (!size.empty() && source.type != "tmpfs")
    throw error(ErrorCode::unsupported, "volume option size={}: this kind of volume cannot be held to a size", size)
        .with_id("E-VOLUME-SIZE")
        .with_hint("--opt type=tmpfs --opt size=" + printable(size) +
                   " is in memory; a disk of that size can be mounted as ext4");
  return source;
}

}  // namespace servin::engine
