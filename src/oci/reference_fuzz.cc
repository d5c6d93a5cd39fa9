// SPDX-License-Identifier: Apache-2.0
// References and platforms. Oracle: what is accepted has a full and a familiar form that mean the same, and can be no
// path that leads elsewhere.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "oci/image.h"

namespace {
void require(bool ok) {
  if (!ok) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {  // NOLINT(readability-identifier-naming)
  using namespace servin::oci;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    Reference reference = Reference::parse(text);
    std::string full = reference.str();
    require(Reference::parse(full).str() == full);
    require(Reference::parse(reference.familiar()).str() == full);
    require(full.find("..") == std::string::npos && full.find("//") == std::string::npos);
    for (char c : full) require(c > ' ' && c < 0x7f);
  } catch (const servin::Error&) {
    // Bad input is refused.
  }
  try {
    Platform platform = Platform::parse(text);
    require(Platform::parse(platform.str()).accepts(platform));
  } catch (const servin::Error&) {
    // Bad input is refused.
  }
  return 0;
}
