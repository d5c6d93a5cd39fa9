// SPDX-License-Identifier: Apache-2.0
// --log-driver and --log-opt -> what the shim does with the output.
#pragma once

#include <string>

#include "engine/types.h"
#include "shim/client/client.h"

namespace servin::engine {

/// `path`: of the file, for drivers that keep one. Throws when the receiver of others is not there.
shim::LogConfig log_config(const ContainerConfig& config, const std::string& path);
/// json-file and local: `logs` can read it.
bool keeps_log_file(const std::string& driver);
/// Docker's template: {{.Name}}, {{.ID}}, {{.FullID}}, {{.ImageName}}, {{.ImageID}}, {{.ImageFullID}}.
std::string log_tag(const ContainerConfig& config);

}  // namespace servin::engine
