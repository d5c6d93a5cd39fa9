// SPDX-License-Identifier: Apache-2.0
// Every option that `docker run` knows: those that work, and those that wait for their part of the engine, so that none
// is ever taken and ignored.
#include <algorithm>
#include <array>

#include "cli/run_request.h"

namespace servin::cli {
namespace {

constexpr std::string_view link_local = "link-local addresses of one's own are not built yet";
constexpr std::string_view links = "make a network: containers in it find each other by name";
constexpr std::string_view block = "limits of single block devices are not built yet";

constexpr auto container_table = std::to_array<OptionSpec>({
    // What it is
    {.names = "--name", .value = "NAME", .help = "a name instead of a random one"},
    {.names = "-l,--label", .value = "KEY=VALUE", .help = "a label", .repeat = true},
    {.names = "--label-file",
     .value = "FILE",
     .help = "labels, one a line",
     .complete = Complete::file,
     .repeat = true},
    {.names = "--annotation", .value = "KEY=VALUE", .help = "an OCI annotation", .repeat = true},
    {.names = "--cidfile",
     .value = "FILE",
     .help = "write the id there (the file must not exist)",
     .complete = Complete::file},
    {.names = "--platform", .value = "OS/ARCH", .help = "of an image that has several"},
    {.names = "--pull",
     .value = "WHEN",
     .help = "missing (when it is not here), always or never",
     .complete = Complete::choice,
     .choices = "missing|never|always"},
    {.names = "-q,--quiet", .value = "", .help = "no progress"},
    {.names = "--replace", .value = "", .help = "first remove the container that has the name, running or not"},
    {.names = "--rm", .value = "", .help = "remove it when it has ended"},
    // The process
    {.names = "-i,--interactive", .value = "", .help = "keep stdin open"},
    {.names = "-t,--tty", .value = "", .help = "give it a terminal"},
    {.names = "-e,--env", .value = "NAME[=VALUE]", .help = "a variable; NAME alone takes yours", .repeat = true},
    {.names = "--env-file",
     .value = "FILE",
     .help = "variables, one a line",
     .complete = Complete::file,
     .repeat = true},
    {.names = "-w,--workdir", .value = "DIR", .help = "folder in the container"},
    {.names = "-u,--user", .value = "USER[:GROUP]", .help = "name or number"},
    {.names = "--group-add", .value = "GROUP", .help = "one more group", .repeat = true},
    {.names = "--entrypoint", .value = "PROGRAM", .help = "instead of the image's; empty: none"},
    {.names = "--init", .value = "", .help = "process 1 forwards signals and reaps"},
    {.names = "--stop-signal", .value = "SIGNAL", .help = "what stop sends", .complete = Complete::signal},
    {.names = "--stop-timeout", .value = "SECONDS", .help = "what stop waits before SIGKILL"},
    // Files
    {.names = "-v,--volume",
     .value = "SOURCE:TARGET[:ro]",
     .help = "a host path or a named volume",
     .complete = Complete::mount,
     .repeat = true},
    {.names = "--mount",
     .value = "type=...,target=...",
     .help = "bind, volume, tmpfs or image, in full",
     .repeat = true},
    {.names = "--tmpfs", .value = "TARGET[:OPTIONS]", .help = "a file system in memory", .repeat = true},
    {.names = "--volumes-from",
     .value = "CONTAINER[:ro]",
     .help = "the mounts of another",
     .complete = Complete::container,
     .repeat = true},
    {.names = "--read-only", .value = "", .help = "the root file system cannot be written"},
    {.names = "--shm-size", .value = "SIZE", .help = "of /dev/shm (64m)"},
    {.names = "--device",
     .value = "HOST[:CONTAINER[:rwm]]",
     .help = "a device of the host",
     .complete = Complete::file,
     .repeat = true},
    {.names = "--device-cgroup-rule", .value = "RULE", .help = "allow devices: \"c 13:* rwm\"", .repeat = true},
    // Network and names
    {.names = "--net,--network",
     .value = "NETWORK",
     .help = "NAME, bridge, none, host or container:NAME (bridge)",
     .complete = Complete::network,
     .repeat = true},
    {.names = "-h,--hostname", .value = "NAME", .help = "instead of the id"},
    {.names = "--domainname", .value = "NAME", .help = "NIS domain name"},
    {.names = "--ip", .value = "IP", .help = "its address in a network of yours"},
    {.names = "--ip6", .value = "IP", .help = "its IPv6 address there"},
    {.names = "--mac-address", .value = "MAC", .help = "its hardware address"},
    {.names = "--net-alias,--network-alias",
     .value = "NAME",
     .help = "another name in a network of yours",
     .repeat = true},
    {.names = "--add-host", .value = "NAME:IP", .help = "a line of /etc/hosts", .repeat = true},
    {.names = "--dns", .value = "IP", .help = "a name server", .repeat = true},
    {.names = "--dns-search", .value = "DOMAIN", .help = "a search domain", .repeat = true},
    {.names = "--dns-opt,--dns-option", .value = "OPTION", .help = "an option of resolv.conf", .repeat = true},
    // Limits
    {.names = "-m,--memory", .value = "SIZE", .help = "limit: 512m, 1g"},
    {.names = "--memory-swap", .value = "SIZE", .help = "memory + swap; -1: no limit"},
    {.names = "--memory-reservation", .value = "SIZE", .help = "soft limit"},
    {.names = "--cpus", .value = "NUMBER", .help = "1.5: one and a half CPUs"},
    {.names = "-c,--cpu-shares", .value = "NUMBER", .help = "relative weight (1024)"},
    {.names = "--cpu-quota", .value = "MICROSECONDS", .help = "per period"},
    {.names = "--cpu-period", .value = "MICROSECONDS", .help = "of the quota"},
    {.names = "--cpuset-cpus", .value = "LIST", .help = "0-3,5"},
    {.names = "--cpuset-mems", .value = "LIST", .help = "memory nodes"},
    {.names = "--pids-limit", .value = "NUMBER", .help = "processes and threads; -1: no limit"},
    {.names = "--blkio-weight", .value = "NUMBER", .help = "10 to 1000"},
    {.names = "--ulimit", .value = "NAME=SOFT[:HARD]", .help = "as setrlimit(2): nofile=1024:2048", .repeat = true},
    {.names = "--oom-score-adj", .value = "NUMBER", .help = "-1000 to 1000"},
    {.names = "--oom-kill-disable", .value = "", .help = "wait instead of being killed (cgroup v1)"},
    {.names = "--cgroup-parent", .value = "PATH", .help = "parent of its cgroup"},
    // Rights and namespaces
    {.names = "--cap-add",
     .value = "CAPABILITY",
     .help = "give one more, or ALL",
     .complete = Complete::capability,
     .repeat = true},
    {.names = "--cap-drop",
     .value = "CAPABILITY",
     .help = "take one away, or ALL",
     .complete = Complete::capability,
     .repeat = true},
    {.names = "--privileged", .value = "", .help = "everything that the engine itself may"},
    {.names = "--security-opt",
     .value = "OPTION",
     .help = "no-new-privileges, seccomp=FILE ...",
     .complete = Complete::choice,
     .repeat = true},
    {.names = "--sysctl", .value = "NAME=VALUE", .help = "a kernel setting of its namespaces", .repeat = true},
    {.names = "--pid", .value = "MODE", .help = "host or container:NAME"},
    {.names = "--ipc", .value = "MODE", .help = "none, private, shareable, host or container:NAME"},
    {.names = "--uts", .value = "MODE", .help = "host"},
    {.names = "--cgroupns", .value = "MODE", .help = "private or host"},
    {.names = "--userns", .value = "MODE", .help = "host"},
    // Logs
    {.names = "--log-driver",
     .value = "DRIVER",
     .help = "json-file, local (bounded), journald, syslog or none",
     .complete = Complete::choice,
     .choices = "json-file|local|journald|syslog|none"},
    {.names = "--log-opt",
     .value = "NAME=VALUE",
     .help = "max-size, max-file, tag, syslog-address ...",
     .repeat = true},
    // Life
    {.names = "--restart",
     .value = "POLICY",
     .help = "when it has ended: no, on-failure[:RETRIES], always, unless-stopped"},
    {.names = "--health-cmd", .value = "COMMAND", .help = "how to check whether it works (a shell's command)"},
    {.names = "--health-interval", .value = "DURATION", .help = "between two checks (30s)"},
    {.names = "--health-timeout", .value = "DURATION", .help = "of one check (30s)"},
    {.names = "--health-retries", .value = "NUMBER", .help = "so many failures make it unhealthy (3)"},
    {.names = "--health-start-period", .value = "DURATION", .help = "at the start failures do not count (0s)"},
    {.names = "--health-start-interval", .value = "DURATION", .help = "between two checks at the start (5s)"},
    {.names = "--no-healthcheck", .value = "", .help = "not the image's health check either"},
    {.names = "--volume-driver", .value = "DRIVER", .help = "local", .complete = Complete::choice, .choices = "local"},
    // Known, and honest about it
    {.names = "-p,--publish", .value = "[IP:][HOST:]PORT", .help = "publish a port", .repeat = true},
    {.names = "-P,--publish-all", .value = "", .help = "publish all exposed ports"},
    {.names = "--expose", .value = "PORT", .help = "a port to note, for --publish-all", .repeat = true},
    {.names = "--link", .value = "CONTAINER", .help = "an old way to name others", .repeat = true, .later = links},
    {.names = "--link-local-ip", .value = "IP", .help = "a link-local address", .repeat = true, .later = link_local},
    {.names = "--gpus", .value = "WHICH", .help = "GPUs", .later = "GPUs (CDI) are not built yet"},
    {.names = "--runtime", .value = "NAME", .help = "another OCI runtime", .later = "other runtimes are not built yet"},
    {.names = "--storage-opt",
     .value = "OPTION",
     .help = "of the storage driver",
     .repeat = true,
     .later = "the overlay driver has no such options yet"},
    {.names = "--blkio-weight-device", .value = "PATH:WEIGHT", .help = "of one device", .repeat = true, .later = block},
    {.names = "--device-read-bps", .value = "PATH:RATE", .help = "of one device", .repeat = true, .later = block},
    {.names = "--device-read-iops", .value = "PATH:RATE", .help = "of one device", .repeat = true, .later = block},
    {.names = "--device-write-bps", .value = "PATH:RATE", .help = "of one device", .repeat = true, .later = block},
    {.names = "--device-write-iops", .value = "PATH:RATE", .help = "of one device", .repeat = true, .later = block},
    {.names = "--cpu-rt-period",
     .value = "MICROSECONDS",
     .help = "real-time period",
     .later = "real-time scheduling limits are not built yet"},
    {.names = "--cpu-rt-runtime",
     .value = "MICROSECONDS",
     .help = "real-time budget",
     .later = "real-time scheduling limits are not built yet"},
    {.names = "--memory-swappiness",
     .value = "PERCENT",
     .help = "tendency to swap",
     .later = "swappiness is not built yet (cgroup v2 has none)"},
    {.names = "--kernel-memory",
     .value = "SIZE",
     .help = "of the kernel for it",
     .later = "the kernel has dropped this limit"},
    {.names = "--use-api-socket", .value = "", .help = "the engine's API inside", .later = "the API is not built yet"},
    {.names = "--disable-content-trust",
     .value = "",
     .help = "skip signature checks",
     .later = "signatures are not built yet: none are checked"},
});

constexpr auto attach_table = std::to_array<OptionSpec>({
    {.names = "-d,--detach", .value = "", .help = "in the background: print the id"},
    {.names = "-a,--attach",
     .value = "STREAM",
     .help = "stdin, stdout, stderr: only these",
     .complete = Complete::choice,
     .repeat = true},
    {.names = "--sig-proxy", .value = "", .help = "pass signals on (default; --sig-proxy=false)"},
    {.names = "--detach-keys", .value = "KEYS", .help = "leave it running: ctrl-p,ctrl-q"},
});

}  // namespace

std::span<const OptionSpec> container_options() { return container_table; }

std::span<const OptionSpec> limit_options() {
  constexpr auto row = [](std::string_view names) {
    return static_cast<std::size_t>(std::ranges::find(container_table, names, &OptionSpec::names) -
                                    container_table.begin());
  };
  constexpr std::size_t first = row("-m,--memory"), last = row("--blkio-weight");
  static_assert(first < last && last < container_table.size());
  return std::span(container_table).subspan(first, last - first + 1);
}

std::span<const OptionSpec> attach_options() { return attach_table; }

}  // namespace servin::cli
