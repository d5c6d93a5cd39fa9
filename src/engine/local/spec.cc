// SPDX-License-Identifier: Apache-2.0
// ContainerConfig -> what the runtime runs. Everything that decides about security comes from the person's request and
// the engine's defaults; of the image only command, environment, user, working folder and volumes are taken, never
// its labels or annotations.
#include <algorithm>
#include <unistd.h>

#include "base/id.h"
#include "base/strings.h"
#include "engine/local/local.h"
#include "engine/local/spec_parts.h"
#include "linux/capabilities.h"
#include "runtime/defaults.h"

namespace servin::engine {
namespace {

struct SecurityOptions {
  bool no_new_privileges = false;
  bool system_paths = true;  // masked and read-only paths as by default
  std::string seccomp = "default";
};

std::string read_seccomp(const std::string& value) {
  if (value == "unconfined" || value == "default" || value == "builtin") return value == "builtin" ? "default" : value;
  if (value.starts_with('{')) return value;
  auto text = read_file(value, 4U << 20U);
  if (!text)
    throw error(ErrorCode::not_found, "seccomp profile {} is not there", quoted(value))
        .with_id("E-FILE-NOT-FOUND")
        .with_hint("give a file, or seccomp=unconfined");
  return *text;
}

SecurityOptions security_options(const CreateRequest& request) {
  SecurityOptions s;
  if (request.privileged) {
    s.system_paths = false;
    s.seccomp = "unconfined";
  }
  for (const auto& option : request.security_opt) {
    auto pair = split_once(option, '=');
    if (!pair) pair = split_once(option, ':');
    std::string key = pair ? pair->first : option;
    std::string value = pair ? pair->second : "";
    if (key == "no-new-privileges") s.no_new_privileges = value.empty() || value == "true";
    if (key == "systempaths") s.system_paths = value != "unconfined";
    if (key == "seccomp") s.seccomp = read_seccomp(value);
  }
  return s;
}

std::vector<std::string> host_capabilities() { return kernel::cap_names(kernel::bounding_caps()); }

std::optional<std::int64_t> positive(std::uint64_t value) {
  if (value == 0) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

void add_devices(oci::RuntimeSpec& spec, const CreateRequest& request) {
  if (request.privileged) {
    spec.resources.devices = runtime::allow_all_devices();
    spec.devices = runtime::all_host_devices();
  } else {
    spec.resources.devices = runtime::default_device_rules();
  }
  for (const auto& device : request.devices) {
    auto resolved = runtime::resolve_device({device.host_path, device.container_path, device.permissions});
    for (auto& d : resolved.devices) {
      std::erase_if(spec.devices, [&](const oci::SpecDevice& known) { return known.path == d.path; });
      spec.devices.push_back(std::move(d));
    }
    for (auto& rule : resolved.rules) spec.resources.devices.push_back(std::move(rule));
  }
  for (const auto& rule : request.device_cgroup_rules)
    spec.resources.devices.push_back(runtime::parse_device_rule(rule));
}

oci::SpecProcess spec_process(const ContainerConfig& config, const SecurityOptions& security) {
  const CreateRequest& r = config.request;
  oci::SpecProcess p;
  p.terminal = r.tty;
  p.args = config.args;
  p.env = config.env;
  p.cwd = r.working_dir;
  p.capabilities = runtime::spec_capabilities(
      runtime::resolve_capabilities(r.cap_add, r.cap_drop, r.privileged, host_capabilities()));
  p.no_new_privileges = security.no_new_privileges;
  p.oom_score_adj = r.oom_score_adj;
  for (const auto& limit : r.ulimits) {
    auto value = [](std::int64_t n) { return n < 0 ? ~std::uint64_t{0} : static_cast<std::uint64_t>(n); };
    p.rlimits.push_back({runtime::rlimit_type(limit.name), value(limit.soft), value(limit.hard)});
  }
  return p;
}

/// The namespace is open here; this process waits for the start, so its descriptor is there as long as it is needed.
void join_network(const Fd& space, runtime::PrepareRequest& request) {
  ProcessId self = this_process();
  for (auto& n : request.spec.namespaces)
    if (n.type == "network") n.path = fmt::format("/proc/{}/fd/{}", self.pid, space.get());
  request.donors.push_back(self);
  request.own_network = true;
}

}  // namespace

oci::SpecResources spec_resources(const CreateRequest& request) {
  const Resources& r = request.resources;
  oci::SpecResources s;
  s.memory_limit = positive(r.memory);
  if (r.memory_swap != 0) s.memory_swap = r.memory_swap;
  s.memory_reservation = positive(r.memory_reservation);
  if (r.oom_kill_disable) s.oom_kill_disable = true;
  if (r.cpu_shares != 0) s.cpu_shares = r.cpu_shares;
  if (r.cpu_quota != 0) s.cpu_quota = r.cpu_quota;
  if (r.cpu_period != 0) s.cpu_period = r.cpu_period;
  if (r.nano_cpus != 0) {
    s.cpu_period = 100'000;
    s.cpu_quota = std::max<std::int64_t>(r.nano_cpus / 10'000, 1000);
  }
  s.cpuset_cpus = r.cpuset_cpus;
  s.cpuset_mems = r.cpuset_mems;
  if (r.pids_limit >= 0) s.pids_limit = r.pids_limit == 0 ? runtime::default_pids_limit : r.pids_limit;
  if (r.blkio_weight != 0) s.blkio_weight = r.blkio_weight;
  return s;
}

ProcessId LocalEngine::running_process(const std::string& container, std::string_view option) {
  Row row = find(container);
  ContainerState state = observe(row);
  auto status = shim::read_status(run_dir(row.id));
  if ((state.status != Status::running && state.status != Status::paused) || !status || status->process.pid == 0)
    throw error(ErrorCode::conflict, "{} container:{}: the container is not running", option, container)
        .with_id("E-NOT-RUNNING")
        .with_hint("start it: servin start " + container);
  return status->process;
}

// As docker: who said private or none means it.
void LocalEngine::check_ipc_donor(const CreateRequest& request) {
  if (!request.ipc_mode.starts_with("container:")) return;
  std::string donor = request.ipc_mode.substr(10);
  std::string mode = load_container(find(donor)).config.request.ipc_mode;
  if (mode == "private" || mode == "none")
    throw error(ErrorCode::conflict, "--ipc {}: that container was made with --ipc {}", request.ipc_mode, mode)
        .with_id("E-OPTION-CONFLICT")
        .with_hint("make it again with --ipc shareable");
}

runtime::PrepareRequest LocalEngine::prepare_request(const ContainerConfig& config, const rootfs::RootMount& root,
                                                     const Networks::Joined* network) {
  const CreateRequest& r = config.request;
  SecurityOptions security = security_options(r);
  check_ipc_donor(r);
  runtime::PrepareRequest request;
  request.id = config.id;
  request.rootfs = {root.lowers, root.upper, root.work, root.volatile_, root.mount_point};
  request.user = r.user;
  request.groups = r.groups;
  request.init = r.init;
  oci::RuntimeSpec& spec = request.spec;
  spec.process = spec_process(config, security);
  spec.root_path = root.mount_point;
  spec.root_readonly = r.read_only;
  spec.hostname = r.hostname;
  spec.domainname = r.domainname;
  spec.annotations = r.annotations;
  auto joined = [&](const std::string& mode, std::string_view option) {
    ProcessId process = running_process(mode.substr(std::string_view("container:").size()), option);
    request.donors.push_back(process);
    return process;
  };
  spec.namespaces = runtime::spec_namespaces(namespace_paths(r, joined));
  if (network != nullptr) join_network(network->space, request);
  spec.cgroups_path = (r.cgroup_parent.empty() ? "/servin-" + paths_.tag : r.cgroup_parent) + "/" + config.id;
  spec.resources = spec_resources(r);
  add_devices(spec, r);
  spec.seccomp.profile = security.seccomp;
  spec.sysctl = runtime::default_sysctls(r.network == "host" || r.network.starts_with("container:"));
  for (const auto& [key, value] : r.sysctls) spec.sysctl[key] = value;
  if (security.system_paths) {
    spec.masked_paths = runtime::default_masked_paths();
    spec.readonly_paths = runtime::default_readonly_paths();
  }
  // On the disk, not in the runtime folder: what a container writes into them must not fill a tmpfs of the host.
  std::string files = paths_.container(config.id);
  MountPlanner planner(config, files, paths_.snapshots());
  planner.join_shm =
      r.ipc_mode.starts_with("container:") ? fmt::format("/proc/{}/root/dev/shm", joined(r.ipc_mode, "--ipc").pid) : "";
  planner.volume_folder = [this](const std::string& name) { return volume_folder(name); };
  planner.plan(spec.mounts, request.copy_up);
  std::string donor;
  if (r.network.starts_with("container:")) {
    Row other = find(r.network.substr(10));
    donor = paths_.container(other.id);
    // From the record, not from the file: that one belongs to the other container.
    if (r.hostname.empty()) spec.hostname = load_container(other).config.request.hostname;
  }
  NetworkView view;
  if (network != nullptr)
    view = network->view;
  else if (Networks::is_one(r.network))
    view.host_addresses = networks_.host_addresses(r.network);
  bool resolver = write_network_files(config, files, donor, view);
  if (resolver && network != nullptr) networks_.ensure_resolver(*network);
  return request;
}

}  // namespace servin::engine
