// SPDX-License-Identifier: Apache-2.0
// The three ways in which an archive is refused, with their entries of the error catalogue.
#pragma once

#include <string>

#include "base/error.h"

namespace servin::archive {

/// It reaches for something that it must not (E-ARCHIVE-UNSAFE, invalid_argument).
Error unsafe_error(std::string text);
/// It is larger than allowed (E-ARCHIVE-LIMIT, resource_exhausted).
Error limit_error(std::string text);
/// Its bytes are not what their format says (E-ARCHIVE-DAMAGED, data_loss).
Error damaged_error(std::string text);

}  // namespace servin::archive
