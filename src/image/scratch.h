// SPDX-License-Identifier: Apache-2.0
// Unfinished work: a folder of this process under ROOT/tmp, named PID-START-RANDOM, removed with the object. What a
// killed process left is known by its name (the pid with its start time is gone) and swept by the next command.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/paths.h"
#include "os/process.h"

namespace servin::image {

class Scratch {
 public:
  explicit Scratch(const Paths& paths);
  Scratch(Scratch&& other) noexcept;
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch();

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Whose scratch folder is this? Nothing when the name is not of that form.
std::optional<ProcessId> scratch_owner(const std::string& name);

/// Removes the scratch folders of processes that are gone; says how many there were.
std::size_t sweep_scratch(const Paths& paths);

/// Renames `path` into ROOT/trash under a name of its own. False when there is nothing at `path`.
bool move_to_trash(const Paths& paths, const std::string& path);

/// Calls `empty` until nothing new comes into the trash. By one process at a time: many containers that end together
/// would only get in each other's way. Whoever finds another one at work may leave: that one looks once more after it
/// has let go.
void sweep_trash(const Paths& paths, const std::function<void()>& empty);

/// Is there trash that nobody is emptying, or unfinished work of a process that is gone? A killed sweeper leaves that.
bool needs_sweeping(const Paths& paths);

}  // namespace servin::image
