// SPDX-License-Identifier: Apache-2.0
#include "network/forward/forward.h"

#include <csignal>
#include <list>
#include <memory>
#include <seccomp.h>

#include <sys/epoll.h>
#include <sys/prctl.h>

#include "base/error.h"
#include "base/strings.h"
#include "base/time.h"
#include "network/dns/sandbox.h"
#include "network/forward/tcp_pairs.h"
#include "network/forward/udp_clients.h"

namespace servin::network {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool use_filter = false;
#else
constexpr bool use_filter = true;
#endif

constexpr unsigned long wanted_descriptors = 20'000;
constexpr std::size_t descriptors_of_pair = 6;
constexpr std::size_t udp_limit = 1000;
constexpr std::int64_t idle_ns = 5'000'000'000;

class Forwarder {
 public:
  explicit Forwarder(std::vector<Forward> forwards)
      : forwards_(std::move(forwards)), pairs_(loop_, raise_descriptor_limit() / descriptors_of_pair) {
    for (auto& f : forwards_) add(f);
    dns::drop_rights(use_filter, {SCMP_SYS(splice), SCMP_SYS(pipe2), SCMP_SYS(getpeername)});
    rest();
  }
  void run() { loop_.run(); }

 private:
  static std::size_t raise_descriptor_limit() {
    std::size_t n = dns::raise_descriptor_limit(wanted_descriptors);
    return n > 200 ? n - 100 : 100;
  }

  void add(const Forward& f) {
    auto words = split(f.target, ' ');
    auto port = words.size() == 3 ? parse_u64(words[2]) : std::nullopt;
    auto target = port ? dns::SocketAddress::parse(words[1], static_cast<std::uint16_t>(*port)) : std::nullopt;
    if (!target) return;
    if (words[0] == "tcp")
      loop_.watch(f.socket, EPOLLIN, [&, t = *target](std::uint32_t) { pairs_.accept(f.socket, t); });
    if (words[0] != "udp") return;
    auto& clients = udp_.emplace_back(loop_, f.socket, *target, udp_limit);
    loop_.watch(f.socket, EPOLLIN, [&](std::uint32_t) { clients.receive(); });
  }

  bool is_idle() const {
    std::size_t n = pairs_.count();
    for (const auto& u : udp_) n += u.count();
    return n == 0;
  }

  /// Twice idle at the look, with nothing in between that is worth a thought: what comes now waits at the socket, and
  /// the shim starts the next one.
  void rest() {
    loop_.at(monotonic_ns() + idle_ns, [this] {
      if (is_idle() && was_idle_) return loop_.stop();
      was_idle_ = is_idle();
      rest();
    });
  }

  dns::Loop loop_;
  std::vector<Forward> forwards_;
  TcpPairs pairs_;
  std::list<UdpClients> udp_;
  bool was_idle_ = false;
};

}  // namespace

int run_forward(std::vector<Forward> forwards) {
  ::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  try {
    Forwarder(std::move(forwards)).run();
  } catch (const Error&) {
    return 1;
  }
  return 0;
}

}  // namespace servin::network
