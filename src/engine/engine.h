// SPDX-License-Identifier: Apache-2.0
// The Engine: what people ask for. LocalEngine (engine/local) does the work in this process; others will speak to an
// engine elsewhere. Objects are named by name, unique id prefix or full id. Every call throws servin::Error. Calls are
// synchronous; an Engine is used by one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "archive/stream.h"
#include "engine/types.h"
#include "os/fd.h"

namespace servin::engine {

/// A live connection to the stdio of a container's process or of an exec. The caller's loop polls `poll_fd()` for
/// reading, then calls next() until it returns nothing.
class Attachment {
 public:
  enum class Kind { out, err, exited, closed };
  struct Event {
    Kind kind = Kind::closed;
    std::string bytes;  // out, err
    ExitResult exit;    // exited
  };
  virtual ~Attachment() = default;
  virtual const Fd& poll_fd() const = 0;
  /// Nothing: no complete event yet (never blocks). `exited` comes after the last output. `closed`: the connection
  /// ended without an exit (detached, or the supervisor is gone).
  virtual std::optional<Event> next() = 0;
  /// False when the other side cannot take more now (bytes were not taken; offer them again when poll_fd() is
  /// ready for reading or writing).
  virtual bool write_stdin(std::string_view bytes) = 0;
  virtual void close_stdin() = 0;
  virtual void resize(std::uint16_t rows, std::uint16_t columns) = 0;
  /// To the process (foreground run's --sig-proxy).
  virtual void signal(int number) = 0;
  /// The caller leaves for good while the process goes on: an exec, which nobody else supervises, gets someone who
  /// does.
  virtual void detach() {}
};

struct AttachRequest {
  bool stdin_ = false;
  bool out = true;
  bool err = true;
  bool logs = false;                    // what was written before, first
  std::uint16_t rows = 0, columns = 0;  // of the caller's terminal, so that the program starts with that size
};

using ProgressSink = std::function<void(const Progress&)>;
/// False stops the stream.
using LogSink = std::function<bool(const LogLine&)>;
/// False stops the search.
using FindSink = std::function<bool(const FileInfo&)>;
/// False stops the stream.
using EventSink = std::function<bool(const Event&)>;

class Engine {
 public:
  virtual ~Engine() = default;

  // Containers
  struct Created {
    std::string id;
    std::vector<std::string> warnings;
  };
  virtual Created create(const CreateRequest& request) = 0;
  /// `attach` set: the process starts with the returned connection already in place, so that no byte is missed.
  virtual std::unique_ptr<Attachment> start(const std::string& container, const AttachRequest* attach) = 0;
  /// create + start in one step; what `run` does. On failure to start, nothing remains of a --rm container.
  virtual std::unique_ptr<Attachment> run(const CreateRequest& request, const AttachRequest* attach,
                                          Created& created) = 0;
  virtual std::unique_ptr<Attachment> attach(const std::string& container, const AttachRequest& request) = 0;
  /// Sends the stop signal, waits, then SIGKILL. Returns when it has ended. No error when it does not run.
  virtual void stop(const std::string& container, std::optional<int> timeout_seconds, const std::string& signal) = 0;
  virtual void restart(const std::string& container, std::optional<int> timeout_seconds) = 0;
  virtual void kill(const std::string& container, const std::string& signal) = 0;
  virtual void pause(const std::string& container) = 0;
  virtual void unpause(const std::string& container) = 0;
  virtual void remove(const std::string& container, bool force, bool volumes) = 0;
  virtual void rename(const std::string& container, const std::string& name) = 0;
  virtual std::vector<Container> list(const ContainerFilter& filter) = 0;
  /// Names and what they do, for a shell's completion: no record is read and nothing is settled.
  virtual std::vector<ContainerName> container_names(bool running_only) = 0;
  virtual Container inspect(const std::string& container) = 0;
  virtual ContainerSize size(const std::string& container) = 0;
  /// Docker's `inspect` shape as JSON text (one object).
  virtual std::string inspect_json(const std::string& container, bool with_size) = 0;
  /// Returns when the condition holds: not-running (at once if it does not run), next-exit, removed; running, exited,
  /// paused, ... (any status); healthy, unhealthy. The last ones fail when the container ends first.
  virtual ExitResult wait(const std::string& container, const std::string& condition) = 0;
  virtual void logs(const std::string& container, const LogRequest& request, const LogSink& sink) = 0;
  virtual std::unique_ptr<Attachment> exec(const std::string& container, const ExecRequest& request, bool detach) = 0;
  /// Of those that are named (an error when one is not there), else of all that run; `all`: of every container.
  virtual std::vector<StatsSample> stats(const std::vector<std::string>& containers, bool all) = 0;
  /// Returns warnings.
  virtual std::vector<std::string> update(const std::string& container, const UpdateRequest& request) = 0;
  /// Starts what its restart policy wants to run after the host was started.
  virtual std::vector<EnabledStart> start_enabled() = 0;
  virtual TopResult top(const std::string& container, const std::string& ps_args) = 0;
  virtual PruneResult prune_containers(const std::map<std::string, std::vector<std::string>>& filters,
                                       bool dry_run) = 0;

  // Files of containers, running or not, as they look from inside. Paths start at the container's root; links never
  // lead out of it.
  virtual FileInfo stat_path(const std::string& container, const std::string& path, bool follow) = 0;
  /// A tree as an uncompressed tar stream. The stream is read while the engine lives.
  virtual std::unique_ptr<archive::ByteSource> pack(const std::string& container, const PackRequest& request) = 0;
  /// `tar` may be compressed.
  virtual void unpack(const std::string& container, const UnpackRequest& request,
                      std::unique_ptr<archive::ByteSource> tar) = 0;
  virtual std::vector<FileInfo> list_path(const std::string& container, const std::string& path) = 0;
  virtual void cat(const std::string& container, const std::string& path, const Fd& out) = 0;
  /// FileInfo::name is the whole path.
  virtual void find(const std::string& container, const FindRequest& request, const FindSink& sink) = 0;
  virtual void make_folder(const std::string& container, const std::string& path, std::uint32_t mode, bool parents) = 0;
  virtual void remove_folder(const std::string& container, const std::string& path) = 0;
  virtual void remove_path(const std::string& container, const std::string& path, bool recursive, bool force) = 0;
  virtual void move_path(const std::string& container, const std::string& from, const std::string& to) = 0;
  virtual void change_mode(const std::string& container, const std::string& path, const std::string& mode,
                           bool recursive) = 0;
  /// What the container changed in its image's files.
  virtual std::vector<PathChange> diff(const std::string& container) = 0;
  /// The whole root file system without volumes and other mounts, as a tar stream.
  virtual std::unique_ptr<archive::ByteSource> export_root(const std::string& container) = 0;
  /// A new image: the container's image and what diff() says on top. Returns its id.
  virtual std::string commit(const std::string& container, const CommitRequest& request,
                             const ProgressSink& progress) = 0;

  // Images
  virtual std::vector<LoadedImage> load(const Fd& archive, const std::string& path, const LoadRequest& request,
                                        const ProgressSink& progress) = 0;
  virtual void save(const std::vector<std::string>& images, SaveFormat format, const Fd& out,
                    const ProgressSink& progress) = 0;
  /// Registries. One image, or each tag with all_tags.
  virtual std::vector<PulledImage> pull(const PullRequest& request, const ProgressSink& progress) = 0;
  virtual std::vector<PushedImage> push(const PushRequest& request, const ProgressSink& progress) = 0;
  /// For run and create: the image under the name that they go on with. `when`: always, missing or never.
  virtual std::string provide_image(const PullRequest& request, const std::string& when,
                                    const ProgressSink& progress) = 0;
  /// Tries the credentials, then keeps them. Says where.
  virtual std::string login(const LoginRequest& request) = 0;
  virtual bool logout(const std::string& registry, const std::string& auth_file) = 0;
  virtual std::vector<SearchResult> search(const SearchRequest& request) = 0;
  virtual std::vector<ImageSummary> list_images(const ImageFilter& filter) = 0;
  virtual ImageDetail inspect_image(const std::string& image) = 0;
  /// Docker's `image inspect` shape as JSON text.
  virtual std::string inspect_image_json(const std::string& image) = 0;
  virtual void tag(const std::string& image, const std::string& reference) = 0;
  virtual RemovedImage remove_image(const std::string& image, bool force) = 0;
  virtual PruneResult prune_images(bool all, const std::map<std::string, std::vector<std::string>>& filters,
                                   bool dry_run) = 0;
  struct Template {
    std::string name, description;
  };
  virtual std::vector<Template> list_templates() = 0;
  virtual LoadedImage create_template(const std::string& name, const std::string& reference) = 0;

  // Volumes
  virtual Volume create_volume(const Volume& request) = 0;
  virtual std::vector<Volume> list_volumes(const std::map<std::string, std::vector<std::string>>& filters) = 0;
  virtual Volume inspect_volume(const std::string& name) = 0;
  virtual void remove_volume(const std::string& name, bool force) = 0;
  virtual PruneResult prune_volumes(bool all, const std::map<std::string, std::vector<std::string>>& filters,
                                    bool dry_run) = 0;

  // Networks
  virtual Network create_network(const NetworkRequest& request) = 0;
  virtual std::vector<Network> list_networks(const std::map<std::string, std::vector<std::string>>& filters) = 0;
  virtual Network inspect_network(const std::string& network) = 0;
  virtual void remove_network(const std::string& network, bool force) = 0;
  /// Of a running or a stopped container; `wanted`: addresses and aliases, as far as they are given.
  virtual void connect_network(const std::string& network, const std::string& container,
                               const NetworkAddress& wanted) = 0;
  /// `force`: no error when it is not in it.
  virtual void disconnect_network(const std::string& network, const std::string& container, bool force) = 0;
  /// Links, addresses and packet rules of the networks in use, made anew in the kernel: after somebody flushed or
  /// deleted them.
  virtual void reload_networks() = 0;
  virtual PruneResult prune_networks(const std::map<std::string, std::vector<std::string>>& filters, bool dry_run) = 0;

  // The engine itself
  virtual EngineInfo info() = 0;
  virtual DiskUsage disk_usage() = 0;
  /// Brings the databases to this version; E-STATE-NEWER when they are of a later one.
  virtual std::vector<Migration> migrate() = 0;
  /// What has happened and what happens, in the order in which it was written down.
  virtual void events(const EventRequest& request, const EventSink& sink) = 0;
  /// Checks of the host and of the store. `verify`: reads every blob and unpacked layer again and compares digests;
  /// `repair`: damaged things go or are unpacked anew.
  virtual std::vector<DoctorCheck> doctor(bool verify, bool repair) = 0;
};

}  // namespace servin::engine
