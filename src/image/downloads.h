// SPDX-License-Identifier: Apache-2.0
// Blobs on their way from a registry: ROOT/downloads/HEX, written by this process (servin-transfer gets a pipe), kept
// when the connection breaks or the command is killed, so that the next pull goes on where this one stopped. While a
// file grows, its reader follows it: a layer is unpacked while it arrives.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "archive/stream.h"
#include "base/paths.h"
#include "image/load.h"
#include "oci/image.h"
#include "transfer/client/client.h"

namespace servin::image {

/// A registry that has been told to the client.
struct RegistryPlace {
  std::uint64_t endpoint = 0;
  std::string host, repository;
  bool mirror = false;
};

class Downloads {
 public:
  Downloads(transfer::Client& client, const std::vector<RegistryPlace>& places, const Paths& paths);
  /// Ends what is under way.
  ~Downloads();
  Downloads(const Downloads&) = delete;
  Downloads& operator=(const Downloads&) = delete;

  /// Before start(); the number is for the others.
  std::size_t add(const oci::Descriptor& blob);
  /// The largest first, some at a time. The client belongs to this object until stop() or its end.
  void start();
  void stop();
  const std::string& file(std::size_t number) const;
  std::unique_ptr<archive::ByteSource> open(std::size_t number);
  /// On the caller's thread.
  void report(const ProgressSink& sink);
  /// Did a file hold something from before?
  bool resumed() const { return resumed_; }
  /// The first of the whole files that does not have its digest: after a failure, to name the cause of it.
  std::optional<oci::Digest> find_damaged();
  /// Away with all files: what is in them is not to be trusted.
  void discard();

 private:
  struct Item;
  class Follower;
  void pump();
  void launch();
  void ask(Item& item);
  void hear(const transfer::Answer& answer);
  void settle(Item& item);
  void take(Item& item);
  void fail(Item& item, const std::exception_ptr& why);

  transfer::Client& client_;
  const std::vector<RegistryPlace>& places_;
  const Paths& paths_;
  std::vector<std::unique_ptr<Item>> items_;
  std::vector<Item*> waiting_;  // the next one last
  std::vector<Item*> active_;
  std::string buffer_;
  std::mutex mutex_;
  std::condition_variable grown_;
  std::atomic<bool> stop_ = false;
  bool resumed_ = false;
  std::thread thread_;
};

/// One blob, one fetcher: whoever fetches blobs holds a lock on each of their digests (byte ranges of one lock file:
/// the kernel drops them with the process). In order of the digests, so that two pulls cannot wait for each other.
class BlobLocks {
 public:
  /// Waits while others fetch the same; gives up (E-LOCKED) when theirs does not grow for two minutes.
  BlobLocks(const Paths& paths, std::vector<std::string> hex, const std::function<void()>& while_waiting);

 private:
  Fd file_;
};

/// Removes downloads that nobody is at and that are older than `seconds`. In bytes.
std::uint64_t drop_downloads(const Paths& paths, std::int64_t seconds, bool dry_run);

}  // namespace servin::image
