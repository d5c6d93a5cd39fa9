// SPDX-License-Identifier: Apache-2.0
// The device filter of cgroup v2: an eBPF program of type BPF_PROG_TYPE_CGROUP_DEVICE made from the rules that v1 takes
// as text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oci/runtime_spec.h"

namespace servin::runtime {

/// struct bpf_insn[] as bytes. Later rules win, as with v1's files; without any rule everything is denied.
std::string compile_device_filter(const std::vector<oci::SpecDeviceRule>& rules);
/// Loads and attaches it to a v2 folder (BPF_CGROUP_DEVICE). `dir`: the folder's descriptor number.
void attach_device_filter(int dir, std::string_view program);

}  // namespace servin::runtime
