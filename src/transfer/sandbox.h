// SPDX-License-Identifier: Apache-2.0
// What servin-transfer gives away before it speaks to anybody: root (a user id that nobody has), all capabilities, the
// right to gain any, files (Landlock: reading the system's libraries and resolver configuration only; no file can be
// written at all), and every system call that fetching does not need.
#pragma once

namespace servin::transfer {

/// One-way. Throws when a part that this kernel has cannot be put in place; a kernel without Landlock goes without.
void enter_sandbox();

}  // namespace servin::transfer
