// SPDX-License-Identifier: Apache-2.0
// Netlink: messages put together byte by byte, sent as one batch, answered at once. The kernel handles what is sent to
// rtnetlink and nfnetlink inside of the send, so all answers are there when it returns and nothing waits.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/fd.h"

namespace servin::kernel {

/// One or more messages. Attributes go to the message that was begun last; lengths that do not fit 16 bits throw.
class NetlinkBatch {
 public:
  /// `header`: what follows nlmsghdr (ifinfomsg, nfgenmsg ...). `name` appears in errors. Returns the message's number.
  std::size_t begin(std::uint16_t type, std::uint16_t flags, std::string_view header, std::string name);
  template <typename T>
  std::size_t begin(std::uint16_t type, std::uint16_t flags, const T& header, std::string name) {
    return begin(type, flags, std::string_view(reinterpret_cast<const char*>(&header), sizeof header), std::move(name));
  }
  void put(std::uint16_t type, std::string_view bytes);
  void put_string(std::uint16_t type, std::string_view text);  // with its zero
  void put_u8(std::uint16_t type, std::uint8_t value);
  void put_u16(std::uint16_t type, std::uint16_t value);
  void put_u32(std::uint16_t type, std::uint32_t value);   // host order (rtnetlink)
  void put_be32(std::uint16_t type, std::uint32_t value);  // network order (nfnetlink)
  /// Attributes up to the end() belong into it. `plain`: without the flag that says nested.
  void begin_nested(std::uint16_t type, bool plain = false);
  void end_nested();
  /// Bytes of a structure inside of a nested attribute (the peer's ifinfomsg).
  void put_raw(std::string_view bytes);

  bool empty() const { return messages_.empty(); }
  std::size_t size() const { return bytes_.size(); }

 private:
  friend class NetlinkSocket;
  struct Message {
    std::size_t start = 0;
    std::string name;
  };
  void close_message();
  std::string bytes_;
  std::vector<Message> messages_;
  std::vector<std::size_t> open_;  // nested attributes
};

struct NetlinkFailure {
  std::size_t message = 0;  // its number in the batch
  int error = 0;
  std::string name, text;  // of the message; the kernel's own words, if any
};

/// The attributes behind a header, by type: the first of each.
class NetlinkAttributes {
 public:
  explicit NetlinkAttributes(std::string_view bytes) : bytes_(bytes) {}
  std::optional<std::string_view> find(std::uint16_t type) const;
  std::string text(std::uint16_t type) const;
  std::uint32_t u32(std::uint16_t type, std::uint32_t otherwise = 0) const;
  std::uint32_t be32(std::uint16_t type, std::uint32_t otherwise = 0) const;
  NetlinkAttributes nested(std::uint16_t type) const;
  void each(const std::function<void(std::uint16_t type, std::string_view payload)>& visit) const;

 private:
  std::string_view bytes_;
};

class NetlinkSocket {
 public:
  /// NETLINK_ROUTE or NETLINK_NETFILTER, in the network namespace of this moment.
  /// `groups`: what it is told of besides (RTMGRP_LINK).
  explicit NetlinkSocket(int protocol, std::uint32_t groups = 0);

  /// Sends all; returns what the kernel refused (of nfnetlink: then it did nothing at all). A batch whose end is not
  /// acknowledged throws.
  std::vector<NetlinkFailure> send(NetlinkBatch& batch);
  /// The same; the first refusal is an Error "NAME: text" with its errno.
  void apply(NetlinkBatch& batch);
  /// One question; calls for what it brings, if anything.
  void ask(NetlinkBatch& request, const std::function<void(std::uint16_t type, std::string_view body)>& visit);
  /// Until something of `groups` came, which is thrown away, or the deadline (monotonic).
  void wait_for_news(std::int64_t deadline);
  /// Calls for each message that the request brings (NLM_F_DUMP is added): type, and the bytes behind nlmsghdr. A table
  /// that changes meanwhile is read again from the start: `restart` is called then.
  void dump(NetlinkBatch& request, const std::function<void(std::uint16_t type, std::string_view body)>& visit,
            const std::function<void()>& restart = {});

 private:
  bool dump_once(NetlinkBatch& request, const std::function<void(std::uint16_t, std::string_view)>& visit);
  void transmit(NetlinkBatch& batch, std::uint16_t extra_flags);
  Fd fd_;
  std::uint32_t sequence_ = 1;
};

}  // namespace servin::kernel
