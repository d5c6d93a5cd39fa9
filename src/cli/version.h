// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace servin::cli {

inline constexpr std::string_view program_version = SERVIN_VERSION;
#if defined(__x86_64__)
inline constexpr std::string_view architecture = "amd64";
#elif defined(__aarch64__)
inline constexpr std::string_view architecture = "arm64";
#else
inline constexpr std::string_view architecture = "unknown";
#endif

}  // namespace servin::cli
