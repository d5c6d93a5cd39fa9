// SPDX-License-Identifier: Apache-2.0
// JSON Schemas of what --format json prints: docs/schemas.json. They only ever grow: scripts rely on them.
#pragma once

#include <string>

namespace servin::cli {

/// One JSON object: command -> schema (JSON Schema 2020-12). Of lists: of one line; of inspect: of the array.
std::string schemas_json();

}  // namespace servin::cli
