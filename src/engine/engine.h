// SPDX-License-Identifier: Apache-2.0
// The Engine: what people ask for. LocalEngine (engine/local) does the work in this process; others will speak to an
// engine elsewhere. Objects are named by name, unique id prefix or full id. Every call throws servin::Error. Calls are
// synchronous; an Engine is used by one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

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
  /// Returns when it has ended: condition not-running (at once if it does not run), next-exit, removed.
  virtual ExitResult wait(const std::string& container, const std::string& condition) = 0;
  virtual void logs(const std::string& container, const LogRequest& request, const LogSink& sink) = 0;
  virtual std::unique_ptr<Attachment> exec(const std::string& container, const ExecRequest& request, bool detach) = 0;
  virtual TopResult top(const std::string& container, const std::string& ps_args) = 0;
  virtual PruneResult prune_containers(const std::map<std::string, std::vector<std::string>>& filters,
                                       bool dry_run) = 0;

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
  virtual RemovedImage remove_image(const std::string& image, bool force, bool prune_parents) = 0;
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

  // The engine itself
  virtual EngineInfo info() = 0;
  virtual DiskUsage disk_usage() = 0;
  /// What has happened and what happens, in the order in which it was written down.
  virtual void events(const EventRequest& request, const EventSink& sink) = 0;
  /// Checks of the host and of the store. `verify`: reads every blob and unpacked layer again and compares digests;
  /// `repair`: damaged things go or are unpacked anew.
  virtual std::vector<DoctorCheck> doctor(bool verify, bool repair) = 0;
};

}  // namespace servin::engine
