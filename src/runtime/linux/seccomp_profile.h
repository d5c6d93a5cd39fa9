// SPDX-License-Identifier: Apache-2.0
// Seccomp filters as bytes (struct sock_filter[]).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "linux/capabilities.h"

namespace servin::runtime {

/// The built-in profile (seccomp_default.inc) for a set of capabilities. For the default set it was compiled at build
/// time.
std::string default_seccomp(kernel::CapSet caps);
/// A profile of the user's: OCI linux.seccomp or docker's form with includes/excludes, by libseccomp. Compiled ones are
/// kept in `cache_dir` under a digest of text, capabilities and kernel ("" = no cache). Throws invalid_argument with
/// the place in the text.
std::string compile_seccomp(std::string_view json, kernel::CapSet caps, const std::string& cache_dir);

}  // namespace servin::runtime
