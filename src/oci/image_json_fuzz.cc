// SPDX-License-Identifier: Apache-2.0
// Image documents. Oracle: an Error or a value; what is accepted is written in a form that is accepted again and means
// the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "oci/docker_archive.h"
#include "oci/image.h"
#include "oci/json_list.h"

namespace {

void require(bool ok) {
  if (!ok) std::abort();
}

template <typename Parse>
void try_document(std::string_view text, Parse parse) {
  std::string written;
  try {
    written = servin::oci::to_json(parse(text));
  } catch (const servin::Error&) {
    return;
  }
  require(servin::oci::to_json(parse(written)) == written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {  // NOLINT(readability-identifier-naming)
  using namespace servin::oci;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  try_document(text, parse_index);
  try_document(text, parse_manifest);
  try_document(text, parse_image_config);
  try_document(text, parse_docker_archive);
  try {
    require(is_index(text) ? parse_index(text).manifests.size() <= size : true);
  } catch (const servin::Error&) {
    // Bad input is refused.
  }
  try {
    parse_string_list(text, "list");
  } catch (const servin::Error&) {
    // Bad input is refused.
  }
  return 0;
}
