// SPDX-License-Identifier: Apache-2.0
// From root in the container's namespaces to the process that the user asked for.
#pragma once

#include "init/record.h"

namespace servin::init {

/// What failed, if anything (err != 0).
struct Outcome {
  Step step = Step::record;
  long err = 0;
  uint32_t detail = 0;
};

/// The loaded record with its strings.
struct Record {
  char* base = nullptr;
  Header* header = nullptr;
  template <typename T>
  T* at(uint32_t offset) const {
    return reinterpret_cast<T*>(base + offset);
  }
  char** strings(uint32_t offset) const { return reinterpret_cast<char**>(base + offset); }
};

Outcome enter_session(const Header& h);
Outcome enter_working_dir(const Record& r);
Outcome apply_limits(const Record& r);
/// User, groups, capabilities, no_new_privs. Inheritable and ambient capabilities are always emptied (CVE-2022-29162
/// and its kin). With a seccomp filter to come, CAP_SYS_ADMIN may stay until lock_down().
Outcome apply_identity(const Record& r);
/// The seccomp filter and the last of the capabilities. Of our own calls the filter needs to let pass only what comes
/// after this: capset, and execve.
Outcome lock_down(const Record& r);
/// All signals as a new program expects them.
void reset_signals();
/// Everything above 2 goes away when the program is executed, whatever our own callers leaked.
Outcome hide_descriptors();
/// Returns only on failure.
Outcome execute(const Record& r);

}  // namespace servin::init
