// SPDX-License-Identifier: Apache-2.0
// Questions that are on their way to other name servers. Each try has a socket of its own, connected to its server (the
// kernel drops what comes from elsewhere), with a port and an id from random sources: whoever wants to forge an answer
// has to guess both (RFC 5452). Nothing is cached: the host's own resolver does that, and an old answer after a VPN
// came up is what people complain about.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "network/dns/loop.h"
#include "network/dns/message.h"
#include "network/dns/upstreams.h"

namespace servin::dns {

struct ForwardLimits {
  std::size_t total = 4096;                  // questions in flight
  std::size_t per_client = 1024;             // of one address: one container cannot take all
  std::int64_t try_ns = 1'000'000'000;       // then the next server is asked too
  std::int64_t deadline_ns = 4'500'000'000;  // then the client hears of it, before it gives up by itself (glibc: 5 s)
};

struct ForwardRequest {
  std::string query;  // the bytes, without what may follow the message
  Message message;    // parsed; the records point nowhere
  std::vector<SocketAddress> servers;
  bool tcp = false;  // the client has room for a long answer
  Address client;
  /// Called once: with the answer as it goes to the client, or an error answer.
  std::function<void(std::string answer)> reply;
};

class Forwarder {
 public:
  Forwarder(Loop& loop, Upstreams& upstreams, ForwardLimits limits);
  ~Forwarder();
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;

  /// Takes the request's content; false when there are too many already: then it is untouched.
  bool start(ForwardRequest& request);
  std::size_t in_flight() const { return jobs_.size(); }

 private:
  struct Try;
  struct Job;
  using JobId = std::uint64_t;

  void next_try(JobId id);
  void open_udp(JobId id, Job& job, const SocketAddress& server);
  void open_tcp(JobId id, Job& job, const SocketAddress& server);
  void on_udp(JobId id, Try& t);
  void on_tcp(JobId id, Try& t, std::uint32_t events);
  void on_answer(JobId id, Try& t, std::string bytes);
  void drop_try(Job& job, Try& t);
  void give_up_try(JobId id, Try& t);
  void finish(JobId id, std::string answer);
  Job* find(JobId id);

  Loop& loop_;
  Upstreams& upstreams_;
  ForwardLimits limits_;
  JobId next_id_ = 1;
  std::unordered_map<JobId, std::unique_ptr<Job>> jobs_;
  std::map<Address, std::size_t> per_client_;
};

}  // namespace servin::dns
