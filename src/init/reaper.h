// SPDX-License-Identifier: Apache-2.0
// Mode pid1 (`run --init`): stays as the first process of the container.
#pragma once

#include "init/identity.h"

namespace servin::init {

struct Reaper {
  Outcome outcome;
  bool in_child = false;
  long child = 0;
};

/// Starts the child, which gets the terminal's foreground.
Reaper start_reaper(bool terminal);
/// Forwards every signal to the child, reaps orphans; returns the exit code (128 + signal for a killed child).
int reap_until_end(const Reaper& reaper);

}  // namespace servin::init
