// SPDX-License-Identifier: Apache-2.0
// LocalEngine: this process does the work. One class, its calls split over files by subject.
//
// Who may change what: a verb that changes a container holds its lock (RUN/containers/ID/lock) while it does so, and
// never while it waits for the container itself (stop's wait, wait, attach, logs), so that kill and rm always get
// through. create and run hold none: until the container is complete its row names the process that makes it, and
// everybody else keeps away from it while that process lives (settle.cc).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/event.h"
#include "base/paths.h"
#include "base/rollback.h"
#include "engine/engine.h"
#include "engine/local/networks.h"
#include "engine/local/spec_parts.h"
#include "engine/local/tree.h"
#include "image/store.h"
#include "os/file.h"
#include "rootfs/linux/overlay.h"
#include "runtime/runtime.h"
#include "shim/client/client.h"
#include "shim/client/restart.h"
#include "state/database.h"

namespace servin::engine {

class LocalEngine : public Engine {
 public:
  explicit LocalEngine(Paths paths);
  ~LocalEngine() override;

  Created create(const CreateRequest& request) override;
  std::unique_ptr<Attachment> start(const std::string& container, const AttachRequest* attach) override;
  std::unique_ptr<Attachment> run(const CreateRequest& request, const AttachRequest* attach, Created& created) override;
  std::unique_ptr<Attachment> attach(const std::string& container, const AttachRequest& request) override;
  void stop(const std::string& container, std::optional<int> timeout_seconds, const std::string& signal) override;
  void restart(const std::string& container, std::optional<int> timeout_seconds) override;
  void kill(const std::string& container, const std::string& signal) override;
  void pause(const std::string& container) override;
  void unpause(const std::string& container) override;
  void remove(const std::string& container, bool force, bool volumes) override;
  void rename(const std::string& container, const std::string& name) override;
  std::vector<Container> list(const ContainerFilter& filter) override;
  std::vector<ContainerName> container_names(bool running_only) override;
  Container inspect(const std::string& container) override;
  ContainerSize size(const std::string& container) override;
  std::string inspect_json(const std::string& container, bool with_size) override;
  ExitResult wait(const std::string& container, const std::string& condition) override;
  void logs(const std::string& container, const LogRequest& request, const LogSink& sink) override;
  std::unique_ptr<Attachment> exec(const std::string& container, const ExecRequest& request, bool detach) override;
  std::vector<StatsSample> stats(const std::vector<std::string>& containers, bool all) override;
  std::vector<std::string> update(const std::string& container, const UpdateRequest& request) override;
  std::vector<EnabledStart> start_enabled() override;
  TopResult top(const std::string& container, const std::string& ps_args) override;
  PruneResult prune_containers(const std::map<std::string, std::vector<std::string>>& filters, bool dry_run) override;

  FileInfo stat_path(const std::string& container, const std::string& path, bool follow) override;
  std::unique_ptr<archive::ByteSource> pack(const std::string& container, const PackRequest& request) override;
  void unpack(const std::string& container, const UnpackRequest& request,
              std::unique_ptr<archive::ByteSource> tar) override;
  std::vector<FileInfo> list_path(const std::string& container, const std::string& path) override;
  void cat(const std::string& container, const std::string& path, const Fd& out) override;
  void find(const std::string& container, const FindRequest& request, const FindSink& sink) override;
  void make_folder(const std::string& container, const std::string& path, std::uint32_t mode, bool parents) override;
  void remove_folder(const std::string& container, const std::string& path) override;
  void remove_path(const std::string& container, const std::string& path, bool recursive, bool force) override;
  void move_path(const std::string& container, const std::string& from, const std::string& to) override;
  void change_mode(const std::string& container, const std::string& path, const std::string& mode,
                   bool recursive) override;
  std::vector<PathChange> diff(const std::string& container) override;
  std::unique_ptr<archive::ByteSource> export_root(const std::string& container) override;
  std::string commit(const std::string& container, const CommitRequest& request, const ProgressSink& progress) override;

  std::vector<LoadedImage> load(const Fd& archive, const std::string& path, const LoadRequest& request,
                                const ProgressSink& progress) override;
  void save(const std::vector<std::string>& images, SaveFormat format, const Fd& out,
            const ProgressSink& progress) override;
  std::vector<PulledImage> pull(const PullRequest& request, const ProgressSink& progress) override;
  std::vector<PushedImage> push(const PushRequest& request, const ProgressSink& progress) override;
  std::string provide_image(const PullRequest& request, const std::string& when, const ProgressSink& progress) override;
  std::string login(const LoginRequest& request) override;
  bool logout(const std::string& registry, const std::string& auth_file) override;
  std::vector<SearchResult> search(const SearchRequest& request) override;
  std::vector<ImageSummary> list_images(const ImageFilter& filter) override;
  ImageDetail inspect_image(const std::string& image) override;
  std::string inspect_image_json(const std::string& image) override;
  void tag(const std::string& image, const std::string& reference) override;
  RemovedImage remove_image(const std::string& image, bool force) override;
  PruneResult prune_images(bool all, const std::map<std::string, std::vector<std::string>>& filters,
                           bool dry_run) override;
  std::vector<Template> list_templates() override;
  LoadedImage create_template(const std::string& name, const std::string& reference) override;

  Volume create_volume(const Volume& request) override;
  std::vector<Volume> list_volumes(const std::map<std::string, std::vector<std::string>>& filters) override;
  Volume inspect_volume(const std::string& name) override;
  void remove_volume(const std::string& name, bool force) override;
  PruneResult prune_volumes(bool all, const std::map<std::string, std::vector<std::string>>& filters,
                            bool dry_run) override;

  Network create_network(const NetworkRequest& request) override;
  std::vector<Network> list_networks(const std::map<std::string, std::vector<std::string>>& filters) override;
  Network inspect_network(const std::string& network) override;
  void remove_network(const std::string& network, bool force) override;
  void connect_network(const std::string& network, const std::string& container, const NetworkAddress& wanted) override;
  void disconnect_network(const std::string& network, const std::string& container, bool force) override;
  void reload_networks() override { networks_.reload(); }
  PruneResult prune_networks(const std::map<std::string, std::vector<std::string>>& filters, bool dry_run) override;

  EngineInfo info() override;
  DiskUsage disk_usage() override;
  std::vector<Migration> migrate() override;
  void events(const EventRequest& request, const EventSink& sink) override;
  std::vector<DoctorCheck> doctor(bool verify, bool repair) override;

  // The hidden verbs that the shim and other commands start (hidden.h).
  void tidy(const std::string& id);
  void persist(const std::string& id);
  void restart_by_policy(const std::string& id);
  /// One health check. How the container is now: 0 healthy, 1 unhealthy, 2 starting, 3 not known.
  int check_health(const std::string& id);
  void sweep();
  void sweep_all();  // unfinished work of killed processes too

 private:
  using Row = state::ContainerRow;
  using Filters = std::map<std::string, std::vector<std::string>>;

  // lookup.cc
  Row find(const std::string& text);
  Container load_container(const Row& row);
  /// Its networks and ports, of a running one.
  void load_networks(Container& container);
  FileLock lock(const Row& row);
  std::optional<FileLock> try_lock(const Row& row);
  struct Locked {
    FileLock lock;
    Row row;
    Container container;
  };
  /// Found, locked, read again and settled: what a changing verb begins with.
  Locked lock_and_settle(const std::string& text);
  Error no_such_container(const std::string& text);

  // settle.cc
  /// What is true now, without changing anything.
  ContainerState observe(const Row& row);
  /// Brings record and reality together; with the lock held. False: the container was removed by that.
  bool settle(const Row& row, ContainerState& state);
  /// For lists: settles what was left half done, where nobody else is at it.
  bool settle_if_needed(const Row& row, ContainerState& state);
  bool is_being_made(const Row& row);
  static Error being_made(const Row& row);
  bool needs_settling(const Row& row, const ContainerState& state);
  bool is_left_paused(const Row& row);
  void end_leftovers(const Row& row);
  void end_leftovers(const std::string& id, Isolation isolation);
  std::string end_processes(const std::string& id);
  void drop_orphans();
  void drop_orphan(const std::string& id);

  // create.cc
  struct Making;
  ContainerConfig settle_config(const CreateRequest& request, const image::Image& image);
  void claim(Making& making, bool durable);
  void take_image_volumes(ContainerConfig& config, const image::Image& image);
  void take_volumes_from(ContainerConfig& config);
  /// Which layers --mount type=image means, from now on.
  void settle_image_mounts(ContainerConfig& config);
  /// Containers that mount the image (not those that are made of it).
  std::vector<std::string> mounting_image(const std::string& image_id);
  Making make(const CreateRequest& request, bool durable);

  // spec.cc
  /// `joined`: its network; nothing when it has none of the engine's, or does not start yet.
  runtime::PrepareRequest prepare_request(const ContainerConfig& config, const rootfs::RootMount& root,
                                          const Networks::Joined* joined);
  void check_ipc_donor(const CreateRequest& request);
  /// The network, pid, ipc, uts modes that name another container: its first process.
  ProcessId running_process(const std::string& container, std::string_view option);

  // restart.cc
  /// What the shim is to find at the exit; `count`, `delay_ms`: of the restart that is being made.
  /// `so_far`: how often it was restarted, the last pause, and the run that was counted last.
  void leave_restart_record(const ContainerConfig& config, const shim::RestartRecord& so_far);
  /// With the lock held: whoever waits to start it again is gone afterwards.
  void end_back_off(const Row& row);
  /// From now on its end is one that somebody wanted.
  void mark_stopped(const Row& row);
  void keep_stop(const Row& row);
  bool wants_to_run(const Container& container);

  // health.cc
  void fill_health(const ContainerConfig& config, ContainerState& state);
  std::string health_json(const std::string& id, const std::string& status);
  /// Of an earlier run.
  void clear_marks(const std::string& id);

  // update.cc
  void apply_limits(const Locked& c, const CreateRequest& request, std::vector<std::string>& warnings);

  // start.cc
  std::unique_ptr<Attachment> start_locked(Locked& c, const AttachRequest* attach);
  /// As far as `start` and a restart by policy are one.
  std::unique_ptr<Attachment> launch_again(Locked& c, const AttachRequest* attach);
  /// `news`: lines of the event journal that belong in front of the start.
  std::unique_ptr<Attachment> launch(const ContainerConfig& config, const AttachRequest* attach, std::string news,
                                     std::vector<std::string>& warnings);
  bool drop_record(const std::string& id);
  runtime::Runtime& runtime_for(Isolation isolation);
  std::vector<std::string> hidden_verb(const std::string& verb, const std::string& id) const;
  /// In the background; here and now when no process can be started.
  void spawn_sweeper();
  /// A cheap look by the commands that people give anyway: a sweeper that was killed needs no command of its own.
  void sweep_what_was_left(std::optional<std::size_t> known_containers = {});

  // stop.cc
  /// `state`: as it ended, or as it is.
  shim::WaitEnd wait_until_stopped(const Row& row, std::int64_t timeout_ns, ContainerState& state);
  void signal_container(const Row& row, int number);
  void kill_now(const Row& row);
  /// Never late: then E-KILL-TIMEOUT.
  shim::WaitEnd kill_and_wait(const Row& row);
  void end_supervisor(const Row& row);
  Error stuck(const Row& row);
  void thaw(const Row& row);
  void stop_row(const Row& row, std::optional<int> timeout, const std::string& signal);
  ExitResult wait_for_state(Row row, const std::string& condition);
  Isolation isolation_of(const Row& row);

  /// Of an image that was removed by force while stopped containers stood on it.
  void drop_unused_layers(const std::string& image_id);

  // remove.cc
  void remove_settled(const Row& row, bool volumes);
  void end_by_force(const Row& row);
  bool try_remove(const Row& row, bool volumes);

  // list.cc
  bool matches(const Container& container, const Filters& filters);

  // registries.cc
  Error not_pulled(const std::string& name, const Error& why);

  // volumes.cc
  /// Makes it when it is not there, with the mount's options and labels.
  state::VolumeRow use_volume(const MountSpec& mount, bool anonymous);
  std::string volume_dir(const std::string& name) const { return paths_.volumes() + "/" + name + "/_data"; }
  std::vector<std::string> users_of_volume(const std::string& name);
  void drop_volume(const std::string& name);
  void mark_volumes_used(const ContainerConfig& config);

  // network_connect.cc
  Fd network_space(const Locked& c);
  void connect_running(const Locked& c, const Network& network);
  void refresh_network_files(const ContainerConfig& config);

  // network_verbs.cc
  void settle_members(const std::string& network_id);

  // volume_mounts.cc
  using VolumeFolder = MountPlanner::VolumeFolder;
  VolumeFolder volume_folder(const std::string& name);
  /// Those of the container that are file systems of their own. The locks are kept until it has a supervisor.
  std::vector<FileLock> mount_volumes(const ContainerConfig& config);
  bool is_volume_running(const std::string& name);
  /// Takes it off when nobody uses it; false when somebody does.
  bool release_volume(const std::string& name, bool wait);
  void release_volumes();

  // events.cc
  using Attributes = std::map<std::string, std::string>;
  /// Of anything but containers. Costs one append; never throws.
  void emit(const std::string& type, const std::string& action, const std::string& id,
            const Attributes& attributes) noexcept;
  void emit(const std::vector<EventRecord>& events) noexcept;
  /// With the container's image, name and labels.
  EventRecord container_event(const ContainerConfig& config, const std::string& action, const Attributes& more = {});
  EventRecord row_event(const Row& row, const std::string& action, const Attributes& more = {});
  void emit(const Row& row, const std::string& action, const Attributes& more = {}) noexcept;

  // tree.cc
  using Tree = std::shared_ptr<ContainerTree>;
  /// The container's files with all its mounts. The same object for everybody while one is in use: a stopped container
  /// has its lock held and its overlay mounted by it.
  Tree open_tree(const std::string& container, bool writable);
  Tree hold_tree(const std::string& container, Row row);
  /// Its root file system alone, to be read.
  Tree open_root(const std::string& container);
  runtime::LaunchPlan tree_plan(const ContainerConfig& config);

  // commit.cc
  /// Paths that a launch makes for itself.
  static bool is_launch_mount(const std::string& path);

  // doctor.cc
  void check_store(std::vector<DoctorCheck>& checks, bool repair);
  void check_leftovers(std::vector<DoctorCheck>& checks, bool repair);
  void check_strays(std::vector<DoctorCheck>& checks, bool repair);

  std::string run_dir(const std::string& id) const { return paths_.run_container(id); }
  std::string log_path(const std::string& id) const { return paths_.container(id) + "/log"; }
  std::string read_plan(const std::string& id) const;

  Paths paths_;
  state::Database db_;
  rootfs::OverlaySnapshotter snapshotter_;
  image::ImageStore images_;
  Networks networks_;
  std::unique_ptr<runtime::Runtime> namespaces_;
  std::unique_ptr<runtime::Runtime> host_;
  std::map<std::string, std::weak_ptr<ContainerTree>> trees_;  // of containers that do not run, by id
  bool sweeps_ = false;  // this process sweeps in the end, so that it need start nobody who does
};

}  // namespace servin::engine
