// SPDX-License-Identifier: Apache-2.0
// `volume create --opt`: docker's words for the local driver -> what is mounted when the volume is used. Pure.
#pragma once

#include <map>
#include <string>

namespace servin::engine {

struct VolumeSource {
  enum class Kind {
    folder,  // ROOT/volumes/NAME/_data itself
    bind,    // a folder of the host instead: `device`
    mount,   // a file system that is mounted there while a container uses it
  };
  Kind kind = Kind::folder;
  std::string type, device;
  unsigned long flags = 0;  // MS_*
  std::string data;         // the file system's own options
};

/// Throws for options that are not known or contradict each other (E-OPTION-VALUE), and for a size that a plain folder
/// cannot be held to (E-VOLUME-SIZE).
VolumeSource plan_volume(const std::map<std::string, std::string>& options);

}  // namespace servin::engine
