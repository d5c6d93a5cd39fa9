// SPDX-License-Identifier: Apache-2.0
// Value types of the Engine interface: what a person asks for and what the engine answers. Plain data; units stand
// beside the fields. The words are Docker's (Engine API 1.41) where Docker has them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "engine/file_types.h"
#include "engine/image_types.h"
#include "engine/network_types.h"
#include "oci/health.h"

namespace servin::engine {

enum class Isolation { namespaces, vm, none };

/// One -v, --mount or --tmpfs, parsed (engine/options.h).
struct MountSpec {
  enum class Type { bind, volume, tmpfs, image };
  Type type = Type::bind;
  std::string source;  // host path, volume name ("" = anonymous), image; absolute for bind
  std::string target;  // absolute path in the container
  bool read_only = false;
  bool no_copy = false;                    // volume: skip the copy-up of the image's content at first use
  bool create_source = false;              // bind: make a missing host folder (-v), or fail (--mount)
  bool recursive = true;                   // bind: with the mounts below it
  bool relabel = false;                    // :z, :Z: nothing to do but on a host with SELinux
  std::string propagation;                 // "", private, rprivate, slave, rslave, shared, rshared
  std::uint64_t tmpfs_size = 0;            // bytes; 0 = the kernel's default
  std::uint32_t tmpfs_mode = 0;            // 0 = 1777
  std::vector<std::string> tmpfs_options;  // further options of --tmpfs (noexec, nosuid, uid=...)
  std::vector<std::string> attributes;     // bind, volume: nosuid, nodev, noexec, noatime, ...
  bool writable_below = false;             // bind: read-only, but not the mounts below it
  bool idmap = false;   // bind, volume: what belongs to the source's owner belongs to the container's user inside
  std::string subpath;  // volume, image: this folder or file of it
  std::map<std::string, std::string> volume_options, volume_labels;  // for a volume that is made by this
  std::string image_id;                                              // image: settled at create
  std::vector<std::string> layers;  // image: chain ids, lowest first, settled at create
};

struct DeviceSpec {
  std::string host_path;
  std::string container_path;
  std::string permissions = "rwm";
};

/// A published port, or one that a container exposes.
struct PortSpec {
  std::string host_ip;          // "" = every address
  std::uint16_t host_port = 0;  // 0 = a free one
  std::uint16_t container_port = 0;
  std::string protocol = "tcp";
  std::uint16_t last_host_port = 0;  // not 0: the first free one from host_port to this
  auto operator<=>(const PortSpec&) const = default;
};

struct Ulimit {
  std::string name;       // "nofile"
  std::int64_t soft = 0;  // -1 = unlimited
  std::int64_t hard = 0;
};

/// 0 or empty = not set (the kernel's default).
struct Resources {
  std::uint64_t memory = 0;      // bytes
  std::int64_t memory_swap = 0;  // bytes of memory + swap; -1 = unlimited swap
  std::uint64_t memory_reservation = 0;
  std::int64_t nano_cpus = 0;    // 1.5 CPUs = 1'500'000'000
  std::uint64_t cpu_shares = 0;  // 1024 = one share
  std::int64_t cpu_quota = 0;    // microseconds per period
  std::uint64_t cpu_period = 0;  // microseconds
  std::string cpuset_cpus;
  std::string cpuset_mems;
  std::int64_t pids_limit = 0;     // -1 = unlimited, 0 = the engine's default (2048)
  std::uint16_t blkio_weight = 0;  // 10..1000
  bool oom_kill_disable = false;
  bool operator==(const Resources&) const = default;
};

/// What to do when a container has ended by itself.
struct RestartRule {
  std::string policy;        // "" = no; on-failure, always, unless-stopped
  std::int64_t retries = 0;  // on-failure: at most; 0 = no limit
  bool operator==(const RestartRule&) const = default;
};

/// What `run` and `create` ask for. Fields that are not set take the image's value, then the engine's default.
struct CreateRequest {
  std::string image;                                   // reference or id, as written
  std::string platform;                                // "" = the host's
  std::string name;                                    // "" = a random one
  std::vector<std::string> command;                    // replaces the image's Cmd when not empty
  std::optional<std::vector<std::string>> entrypoint;  // {""} or empty list = no entrypoint
  std::vector<std::string> env;                        // "K=V"; "K" takes the caller's value (resolved by the CLI)
  std::string working_dir;
  std::string user;
  std::vector<std::string> groups;  // --group-add
  std::string hostname;
  std::string domainname;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  bool tty = false;
  bool open_stdin = false;   // -i
  bool auto_remove = false;  // --rm
  bool init = false;
  std::string stop_signal;          // "" = the image's, then SIGTERM
  std::optional<int> stop_timeout;  // seconds; nothing = 10
  Isolation isolation = Isolation::namespaces;
  std::string network = "none";  // none, host, container:NAME, bridge, or one that was made by network create
  std::string ip, ip6, mac;      // in that network; "" = the engine's choice
  std::vector<std::string> network_aliases;
  std::vector<std::string> more_networks;  // others that it is in from the beginning; not in its record
  std::vector<std::string> publish;        // -p as written
  bool publish_all = false;                // every exposed port
  std::vector<std::string> expose;         // "80", "53/udp", "8000-8002": beside those of the image
  std::string pid_mode, ipc_mode, uts_mode, cgroupns_mode, userns_mode;  // "", host, private, container:NAME, shareable
  std::vector<std::string> extra_hosts;                                  // "name:ip"
  std::vector<std::string> dns, dns_search, dns_options;
  std::vector<std::string> volumes_from;  // "CONTAINER[:ro]"
  std::vector<MountSpec> mounts;
  std::vector<DeviceSpec> devices;
  std::vector<std::string> device_cgroup_rules;  // "c 1:3 rwm"
  std::vector<std::string> cap_add, cap_drop;    // as written: "NET_RAW", "CAP_NET_RAW", "ALL"
  bool privileged = false;
  std::vector<std::string>
      security_opt;  // "no-new-privileges", "seccomp=unconfined|FILE", "systempaths=unconfined", "mask=..." ...
  bool read_only = false;
  std::uint64_t shm_size = 64U << 20U;  // bytes
  std::map<std::string, std::string> sysctls;
  std::vector<Ulimit> ulimits;
  std::optional<int> oom_score_adj;
  Resources resources;
  std::string cgroup_parent;
  std::string log_driver = "json-file";            // json-file, none
  std::map<std::string, std::string> log_options;  // max-size, max-file
  RestartRule restart;
  oci::HealthCheck health;  // what is not said comes from the image
};

enum class Status { created, running, paused, exited, removing, dead, restarting };  // numbers are in records
std::string_view to_string(Status status);

struct ContainerState {
  Status status = Status::created;
  std::int32_t pid = 0;
  int exit_code = 0;
  bool oom_killed = false;
  std::string error;  // why it did not start, or why its end is not known ("supervisor was killed")
  Time started;
  Time finished;
  std::int64_t restarts = 0;     // by its policy, since it was last started by hand
  bool stopped_by_hand = false;  // exited: by stop or kill
  std::string health;            // running: starting, healthy, unhealthy; "" = no health check
};

/// What create settled: the request with image values and defaults filled in. Stored as JSON; only the name and what
/// `update` changes (limits, the restart policy) are others later.
struct ContainerConfig {
  std::string id;
  CreateRequest request;          // request.image as written; command and entrypoint resolved into `args`
  std::string image_id;           // digest of the image's config: "sha256:..."
  std::string image_name;         // what ps shows
  std::vector<std::string> args;  // the process, entrypoint + command
  std::vector<std::string> env;   // image env, then request env
  std::string stop_signal;
  std::map<std::string, std::string> labels;   // image labels, then request labels
  std::vector<std::string> chain_ids;          // snapshots, lowest first
  std::vector<std::string> exposed_ports;      // "80/tcp", from the image
  std::vector<std::string> anonymous_volumes;  // names made for this container (go with rm -v and --rm)
  Time created;
};

struct Container {
  ContainerConfig config;
  ContainerState state;
  std::vector<PortSpec> ports;           // published, while it runs: with the real host ports
  std::vector<NetworkAddress> networks;  // while it runs
  std::string name() const { return config.request.name; }
};

struct ContainerName {
  std::string name;
  Status status = Status::created;
};

struct ContainerFilter {
  bool all = false;  // also those that do not run
  /// key -> values, as `--filter key=value`: values of one key are alternatives, keys all hold. Keys: id name label
  /// status ancestor before since exited volume health network is-task expose publish. Unknown keys are an error with
  /// the nearest known one.
  std::map<std::string, std::vector<std::string>> filters;
  int last = 0;  // -n: the newest N
};

struct ContainerSize {
  std::uint64_t writable = 0;  // bytes in the upper layer
  std::uint64_t virtual_ = 0;  // with the image
};

struct ExecRequest {
  std::vector<std::string> command;
  std::vector<std::string> env;
  std::string user;
  std::string working_dir;
  bool tty = false;
  bool open_stdin = false;
  bool privileged = false;
  std::uint16_t rows = 0, columns = 0;  // tty: of the caller's terminal
};

struct LogRequest {
  bool follow = false;
  bool out = true;
  bool err = true;
  std::optional<Time> since;
  std::optional<Time> until;
  std::int64_t tail = -1;  // lines; -1 = all
};
struct LogLine {
  enum class Stream : std::uint8_t { out = 1, err = 2 };
  Stream stream = Stream::out;
  Time time;
  std::string text;  // with its new line, if it had one (a long line comes in parts without)
};

struct ExitResult {
  int code = 0;
  bool oom_killed = false;
  std::string error;
};

/// One look at what a container uses; 0 where the host does not count it.
struct StatsSample {
  std::string id, name;
  bool running = false;
  Time read;
  std::uint64_t cpu_ns = 0;         // used so far
  std::uint64_t system_cpu_ns = 0;  // by all of the host's processors, busy or idle, so far
  std::int64_t cpus = 0;
  std::uint64_t memory = 0;        // bytes, without the page cache that is easily reclaimed
  std::uint64_t memory_limit = 0;  // the host's memory when there is none
  std::uint64_t pids = 0, pids_limit = 0;
  std::uint64_t read_bytes = 0, written_bytes = 0;
  bool own_network = false;
  std::uint64_t received_bytes = 0, sent_bytes = 0;
};

/// What `update` changes; what is 0, empty or not set stays.
struct UpdateRequest {
  Resources resources;
  std::optional<RestartRule> restart;
};

/// A container that start_enabled() looked after.
struct EnabledStart {
  std::string id, name;
  std::string error;  // "" = it runs
};

struct TopResult {
  std::vector<std::string> titles;
  std::vector<std::vector<std::string>> rows;
};

struct PruneResult {
  std::vector<std::string> deleted;
  std::uint64_t reclaimed = 0;  // bytes
};

struct Volume {
  std::string name;
  std::string driver = "local";
  std::string mountpoint;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> options;
  Time created;
  bool anonymous = false;
};

/// Something that happened, in docker's words.
struct Event {
  Time time;
  std::string type;    // container, image, volume, network
  std::string action;  // "start", "die", "exec_start: sh", "health_status: healthy", ...
  std::string id;      // of a volume: its name
  std::map<std::string, std::string> attributes;
};
struct EventRequest {
  std::optional<Time> since;  // nothing: only what comes, unless `until` is given
  std::optional<Time> until;  // nothing: goes on until the sink says stop
  /// Keys: container event image label network scope type volume; values of one key are alternatives (labels: all).
  std::map<std::string, std::vector<std::string>> filters;
};

struct DoctorCheck {
  enum class Result { ok, warning, failed };
  std::string name;
  Result result = Result::ok;
  std::string detail;
  std::string fix;  // a command
};

struct EngineInfo {
  std::string version, root, run, kernel, os, architecture, cgroup_layout, storage_driver = "overlay";
  std::int64_t containers = 0, running = 0, paused = 0, stopped = 0, images = 0;
  std::int64_t cpus = 0;
  std::uint64_t memory = 0;
  std::vector<std::string> security;  // "seccomp", ...
  std::vector<std::string> warnings;
};

struct DiskUsage {
  struct Row {
    std::string type;  // Images, Containers, Local Volumes
    std::int64_t total = 0, active = 0;
    std::uint64_t size = 0, reclaimable = 0;
  };
  std::vector<Row> rows;
  // Object by object.
  struct ImageUse {
    ImageSummary image;
    std::uint64_t shared = 0, unique = 0;  // bytes that other images have too, or only this one
  };
  struct ContainerUse {
    Container container;
    std::uint64_t size = 0;
  };
  struct VolumeUse {
    Volume volume;
    std::int64_t links = 0;  // containers that use it
    std::uint64_t size = 0;
  };
  std::vector<ImageUse> images;
  std::vector<ContainerUse> containers;
  std::vector<VolumeUse> volumes;
};

/// One database file that was looked at by migrate().
struct Migration {
  std::string file;
  int from = 0, to = 0;  // schema versions
};

/// One step's progress; calls come at most every 100 ms and once at the end.
struct Progress {
  std::string step;         // "reading", "unpacking", ...
  std::string object;       // "debian:latest", "layer 3f2a..."
  std::uint64_t done = 0;   // bytes
  std::uint64_t total = 0;  // 0 = not known
  bool finished = false;
};

}  // namespace servin::engine
