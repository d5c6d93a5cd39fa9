// SPDX-License-Identifier: Apache-2.0
// Where things lie on disk (docs/state-layout.md describes each file). One --root is one engine: two of them share
// nothing.
#pragma once

#include <string>

namespace servin {

struct Paths {
  std::string root;  // durable: /var/lib/servin, or --root
  std::string run;   // gone at reboot: /run/servin, or ROOT/run for a --root of its own
  /// 8 hex digits made from the root's path: tells the cgroups, tables and sockets of two engines apart.
  std::string tag;

  std::string db() const { return root + "/servin.db"; }
  std::string run_db() const { return run + "/run.db"; }
  std::string removed() const { return run + "/removed"; }  // ids of containers whose durable records are to go
  std::string events() const { return run + "/events"; }    // the journal (os/journal.h); the older half is events.1
  std::string blobs() const { return root + "/blobs/sha256"; }
  std::string blob(const std::string& hex) const { return blobs() + "/" + hex; }
  std::string snapshots() const { return root + "/snapshots"; }
  std::string volumes() const { return root + "/volumes"; }
  std::string tmp() const {
    return root + "/tmp";
  }  // unfinished work: named PID-STARTTIME-RANDOM, swept when its maker is gone
  std::string downloads() const { return root + "/downloads"; }  // blobs on their way from a registry, by hex digest
  /// What refers to an image, by the hex digests of the image's manifest and of its own.
  std::string referrers() const { return root + "/referrers"; }
  std::string trash() const { return root + "/trash"; }  // deleted by rename, emptied later
  std::string container(const std::string& id) const { return root + "/containers/" + id; }
  std::string run_container(const std::string& id) const { return run + "/containers/" + id; }
};

/// Linux: /var/lib/servin and /run/servin for root; $XDG_DATA_HOME/servin and $XDG_RUNTIME_DIR/servin for others.
/// `root` is the value of --root or $SERVIN_ROOT, empty when neither is given.
Paths default_paths(const std::string& root);

}  // namespace servin
