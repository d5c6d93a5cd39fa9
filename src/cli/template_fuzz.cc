// SPDX-License-Identifier: Apache-2.0
// --format templates: understood or refused with an Error; what is understood runs to an end.
#include <cstdint>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/template.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const nlohmann::ordered_json document = nlohmann::ordered_json::parse(
      R"({"ID":"abc","Names":"web","N":3,"List":["a","b"],"State":{"Pid":1,"Running":true},"Labels":{"k":"v"},"Null":null})");
  if (size > 4096) return 0;
  try {
    servin::cli::Template(std::string_view(reinterpret_cast<const char*>(data), size)).execute(document);
  } catch (const servin::Error&) {
    // Bad input is refused.
  }
  return 0;
}
