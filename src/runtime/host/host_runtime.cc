// SPDX-License-Identifier: Apache-2.0
#include "runtime/host/host_runtime.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <map>
#include <unistd.h>

#include "base/error.h"
#include "base/strings.h"
#include "os/file.h"
#include "runtime/host/plan.h"

namespace servin::runtime {
namespace {

struct Seen {
  pid_t parent = 0;
  char state = '?';
  bool marked = false;
};

std::optional<Seen> look_at(pid_t pid, const std::string& marker) {
  std::string folder = fmt::format("/proc/{}", pid);
  Seen seen;
  try {
    auto stat = read_file(folder + "/stat", 4096);
    if (!stat) return std::nullopt;
    auto close = stat->rfind(") ");
    if (close == std::string::npos) return std::nullopt;
    seen.state = (*stat)[close + 2];
    seen.parent = static_cast<pid_t>(std::atoi(stat->c_str() + close + 4));
    auto environment = read_file(folder + "/environ", 4U << 20U);
    seen.marked = environment && (environment->starts_with(marker) || environment->contains('\0' + marker));
  } catch (const Error&) {
    // Somebody else's process, or it ended meanwhile: not marked.
  }
  return seen;
}

std::map<pid_t, Seen> processes_of(const HostPlan& plan) {
  std::string marker = std::string(id_variable) + plan.id;
  std::map<pid_t, Seen> all;
  for (const std::string& name : list_dir("/proc"))
    if (auto pid = parse_u64(name))
      if (auto seen = look_at(static_cast<pid_t>(*pid), marker)) all[static_cast<pid_t>(*pid)] = *seen;
  // A child that threw its environment away still has a parent that did not.
  for (bool grown = true; grown;) {
    grown = false;
    for (auto& [pid, seen] : all) {
      auto parent = all.find(seen.parent);
      if (!seen.marked && parent != all.end() && parent->second.marked) grown = seen.marked = true;
    }
  }
  std::erase_if(all, [](const auto& p) {
    return !p.second.marked || p.second.state == 'Z' || p.second.state == 'X' || p.first == ::getpid();
  });
  return all;
}

}  // namespace

Prepared HostRuntime::prepare(const PrepareRequest& request) {
  bool root = ::geteuid() == 0;
  Prepared prepared{plan_on_host(request, root).bytes(), {}};
  if (!root && !request.user.empty() && request.user != "root" && request.user != "0")
    prepared.warnings.push_back(
        fmt::format("without root the program runs as yourself, not as {}", quoted(request.user)));
  return prepared;
}

std::vector<pid_t> HostRuntime::processes(const std::string& plan) {
  std::vector<pid_t> pids;
  for (const auto& [pid, seen] : processes_of(HostPlan::parse(plan))) pids.push_back(pid);
  return pids;
}

void HostRuntime::kill_all(const std::string& plan, int signal) {
  for (pid_t pid : processes(plan))
    if (::kill(pid, signal) != 0 && errno != ESRCH) throw_errno("send signal {} to process {}", signal, pid);
}

// No cgroup counts for it: what its processes say of themselves.
Usage HostRuntime::usage(const std::string& plan) {
  Usage out;
  auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  for (pid_t pid : processes(plan)) {
    ++out.pids;
    auto stat = read_file(fmt::format("/proc/{}/stat", pid), 4096).value_or("");
    auto fields = split(stat.substr(std::min(stat.rfind(") "), stat.size())), ' ');
    if (fields.size() < 23) continue;
    // Fields 14, 15 and 24 of proc(5); the first here is ")".
    std::uint64_t used = parse_u64(fields[12]).value_or(0) + parse_u64(fields[13]).value_or(0);
    out.cpu_ns += used * (1'000'000'000 / ticks);
    out.memory += parse_u64(fields[22]).value_or(0) * page;
  }
  return out;
}

Prepared HostRuntime::update(const std::string&, const oci::SpecResources&) {
  throw Error(ErrorCode::unsupported, "without isolation there are no limits that could be changed")
      .with_id("E-NO-ISOLATION")
      .with_hint("only --restart can be changed of this container");
}

void HostRuntime::clean_up(const std::string& plan) {
  // A process may have forked between the look and the signal.
  for (int round = 0; round < 100; ++round) {
    if (processes(plan).empty()) return;
    kill_all(plan, SIGKILL);
    ::usleep(2000);
  }
}

void HostRuntime::pause(const std::string& plan) { kill_all(plan, SIGSTOP); }
void HostRuntime::unpause(const std::string& plan) { kill_all(plan, SIGCONT); }

bool HostRuntime::is_paused(const std::string& plan) {
  auto all = processes_of(HostPlan::parse(plan));
  return !all.empty() && std::all_of(all.begin(), all.end(), [](const auto& p) { return p.second.state == 'T'; });
}

}  // namespace servin::runtime
