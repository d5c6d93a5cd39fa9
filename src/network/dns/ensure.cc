// SPDX-License-Identifier: Apache-2.0
#include "network/dns/ensure.h"

#include <cerrno>

#include "base/error.h"
#include "base/error_record.h"
#include "base/strings.h"
#include "network/dns/holder.h"
#include "network/dns/names.h"
#include "network/dns/netd.h"
#include "os/file.h"

namespace servin::network {
namespace {

constexpr std::int64_t lock_wait_ns = 10'000'000'000;
constexpr std::size_t error_limit = 64U << 10U;

Error port_taken(const std::string& dir, const Error& cause) {
  auto names = dns::parse_names(read_file(dir + "/names").value_or(""));
  std::string address = names.gateways.empty() ? "the gateway" : names.gateways[0];
  auto holder = dns::find_port_holder(53);
  Error e = error(ErrorCode::conflict, "port 53 of {} is taken{}: the names of network {} cannot be served", address,
                  holder ? fmt::format(" by {} (pid {})", printable(holder->name), holder->pid) : "", names.network);
  return e.with_errno(cause.sys_errno())
      .with_hint(
          "let it listen on its own addresses only (dnsmasq: bind-interfaces; named: listen-on; unbound: "
          "interface)");
}

void start_netd(const std::string& dir, const FileLock& lock) {
  Pipe ready = make_pipe();
  SpawnOptions options;
  options.program = companion_program("servin-netd");
  options.args = {"servin-netd", dir};
  options.fds = {{&ready.write, dns::ready_descriptor}, {&lock.descriptor(), dns::lock_descriptor}};
  options.new_session = true;
  options.cwd = "/";
  pid_t pid = spawn(options);
  ready.write.reset();
  std::string answer = read_all(ready.read, error_limit, "the start of the resolver");
  if (answer.empty() && running_netd(dir)) return;
  ExitStatus status = wait_child(pid);
  if (answer.empty())
    throw error(ErrorCode::internal, "the resolver of {} ended while it started ({})", dir,
                status.signal != 0 ? fmt::format("signal {}", status.signal) : fmt::format("exit code {}", status.code))
        .with_hint("try again; servin system doctor looks at the installation");
  Error e = decode_error(answer);
  if (e.sys_errno() == EADDRINUSE) throw port_taken(dir, e);
  throw e.context("resolver of the network");
}

}  // namespace

std::optional<ProcessId> running_netd(const std::string& dir) {
  auto words = split_once(trim(read_file(dir + "/netd.pid", 64).value_or("")), ' ');
  if (!words) return std::nullopt;
  auto pid = parse_u64(words->first), start = parse_u64(words->second);
  if (!pid || !start || *pid == 0) return std::nullopt;
  ProcessId process{static_cast<pid_t>(*pid), *start};
  if (!is_alive(process)) return std::nullopt;
  return process;
}

void ensure_netd(const std::string& dir) {
  if (running_netd(dir)) return;
  FileLock lock = FileLock::acquire(dir + "/netd.lock", "the resolver of the network", lock_wait_ns);
  if (running_netd(dir)) return;
  start_netd(dir, lock);
}

}  // namespace servin::network
