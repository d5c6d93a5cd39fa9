// SPDX-License-Identifier: Apache-2.0
// image save: one tar that is an OCI image layout. The docker-archive form has docker's manifest.json beside it (what
// docker 25 and later write), so that old dockers, podman, skopeo and umoci all load it. The same images give the same
// bytes. Digests stay: a manifest is written as it was loaded.
#pragma once

#include <string>
#include <vector>

#include "image/load.h"
#include "image/store.h"
#include "os/fd.h"

namespace servin::image {

enum class SaveForm { docker_archive, oci_archive };

/// `images` as written by the person: a reference is saved under that name, an id without one. `out` is a file or a
/// pipe; `name` is for messages.
void save(ImageStore& store, const std::vector<std::string>& images, SaveForm form, const Fd& out,
          const std::string& name, const ProgressSink& progress);

}  // namespace servin::image
