// SPDX-License-Identifier: Apache-2.0
// stats: one look at what containers use. Rates are made from two looks by whoever shows them.
#include <algorithm>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/sysinfo.h>

#include "base/strings.h"
#include "engine/local/local.h"
#include "engine/local/running.h"

namespace servin::engine {
namespace {

std::vector<std::string> words(std::string_view line) {
  std::vector<std::string> list = split(line, ' ');
  std::erase(list, "");
  return list;
}

// The first line of /proc/stat: what all processors did, user to steal; what guests used is in user already.
std::uint64_t system_cpu_ns() {
  std::string text = read_file("/proc/stat").value_or("");
  auto fields = words(std::string_view(text).substr(0, text.find('\n')));
  std::uint64_t ticks = 0;
  for (std::size_t i = 1; i < fields.size() && i <= 8; ++i) ticks += parse_u64(fields[i]).value_or(0);
  return ticks * (1'000'000'000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
}

std::uint64_t host_memory() {
  struct sysinfo memory{};
  return ::sysinfo(&memory) == 0 ? static_cast<std::uint64_t>(memory.totalram) * memory.mem_unit : 0;
}

bool shares_our_network(pid_t pid) {
  struct stat ours{};
  struct stat theirs{};
  if (::stat("/proc/self/ns/net", &ours) != 0 || ::stat(fmt::format("/proc/{}/ns/net", pid).c_str(), &theirs) != 0)
    return true;
  return ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

// "  eth0: BYTES PACKETS ... (8 of receiving) BYTES ...". The loopback of a container is its own business.
void add_network(pid_t pid, StatsSample& sample) {
  if (shares_our_network(pid)) return;
  for (const auto& line : split(read_file(fmt::format("/proc/{}/net/dev", pid)).value_or(""), '\n')) {
    auto pair = split_once(line, ':');
    if (!pair || trim(pair->first) == "lo") continue;
    auto fields = words(pair->second);
    if (fields.size() < 9) continue;
    sample.own_network = true;
    sample.received_bytes += parse_u64(fields[0]).value_or(0);
    sample.sent_bytes += parse_u64(fields[8]).value_or(0);
  }
}

}  // namespace

std::vector<StatsSample> LocalEngine::stats(const std::vector<std::string>& containers, bool all) {
  std::vector<Row> rows;
  for (const auto& name : containers) rows.push_back(find(name));
  bool named = !containers.empty();
  if (!named) rows = db_.containers();
  std::uint64_t memory = host_memory();
  std::vector<StatsSample> samples;
  for (const auto& row : rows) {
    ContainerState state = observe(row);
    StatsSample sample;
    sample.id = row.id;
    sample.name = row.name;
    sample.running = is_up(state.status);
    sample.cpus = ::sysconf(_SC_NPROCESSORS_ONLN);
    if (!sample.running && !named && !all) continue;
    if (sample.running) {
      try {
        runtime::Usage usage = runtime_for(isolation_of(row)).usage(read_plan(row.id));
        sample.cpu_ns = usage.cpu_ns;
        sample.memory = usage.memory;
        sample.memory_limit = usage.memory_limit == 0 ? memory : std::min(usage.memory_limit, memory);
        sample.pids = usage.pids;
        sample.pids_limit = usage.pids_limit;
        sample.read_bytes = usage.read_bytes;
        sample.written_bytes = usage.written_bytes;
        if (auto status = shim::read_status(run_dir(row.id))) add_network(status->process.pid, sample);
      } catch (const Error& e) {
        log::debug("container {}: {}", row.name, e.what());  // it ended at this moment
        sample.running = false;
      }
    }
    sample.read = now();
    sample.system_cpu_ns = system_cpu_ns();
    samples.push_back(std::move(sample));
  }
  return samples;
}

}  // namespace servin::engine
