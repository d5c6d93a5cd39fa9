// SPDX-License-Identifier: Apache-2.0
#include "linux/netlink_socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <poll.h>

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/time.h"

namespace servin::kernel {
namespace {

constexpr std::size_t alignment = 4;
std::size_t aligned(std::size_t n) { return (n + alignment - 1) / alignment * alignment; }

template <typename T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

template <typename T>
T read_as(std::string_view bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(sizeof value, bytes.size()));
  return value;
}

void set_option(const Fd& fd, int level, int name, int value) {
  ::setsockopt(fd.get(), level, name, &value, sizeof value);
}

/// Calls for each whole message in the buffer.
void each_message(std::string_view bytes, const std::function<void(const nlmsghdr&, std::string_view body)>& visit) {
  while (bytes.size() >= sizeof(nlmsghdr)) {
    auto header = read_as<nlmsghdr>(bytes);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > bytes.size()) return;
    visit(header, bytes.substr(sizeof header, header.nlmsg_len - sizeof header));
    bytes.remove_prefix(std::min(aligned(header.nlmsg_len), bytes.size()));
  }
}

/// The kernel's own words behind an error (NETLINK_EXT_ACK). They stand behind the request's header, which comes back
/// alone (NETLINK_CAP_ACK).
std::string words_of(const nlmsghdr& header, std::string_view body) {
  if ((header.nlmsg_flags & NLM_F_ACK_TLVS) == 0 || body.size() < sizeof(nlmsgerr)) return "";
  return NetlinkAttributes(body.substr(sizeof(nlmsgerr))).text(NLMSGERR_ATTR_MSG);
}

}  // namespace

std::size_t NetlinkBatch::begin(std::uint16_t type, std::uint16_t flags, std::string_view header, std::string name) {
  close_message();
  messages_.push_back({bytes_.size(), std::move(name)});
  nlmsghdr h{};
  h.nlmsg_type = type;
  h.nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
  bytes_ += bytes_of(h);
  put_raw(header);
  return messages_.size() - 1;
}

void NetlinkBatch::close_message() {
  if (messages_.empty()) return;
  auto length = static_cast<std::uint32_t>(bytes_.size() - messages_.back().start);
  std::memcpy(bytes_.data() + messages_.back().start, &length, sizeof length);
}

void NetlinkBatch::put_raw(std::string_view bytes) {
  bytes_ += bytes;
  bytes_.resize(aligned(bytes_.size()), '\0');
}

void NetlinkBatch::put(std::uint16_t type, std::string_view bytes) {
  nlattr a{};
  if (bytes.size() > 0xffff - sizeof a) throw Error(ErrorCode::invalid_argument, "too long for a netlink attribute");
  a.nla_type = type;
  a.nla_len = static_cast<std::uint16_t>(sizeof a + bytes.size());
  bytes_ += bytes_of(a);
  put_raw(bytes);
}

void NetlinkBatch::put_string(std::uint16_t type, std::string_view text) { put(type, std::string(text) + '\0'); }
void NetlinkBatch::put_u8(std::uint16_t type, std::uint8_t value) { put(type, bytes_of(value)); }
void NetlinkBatch::put_u16(std::uint16_t type, std::uint16_t value) { put(type, bytes_of(value)); }
void NetlinkBatch::put_u32(std::uint16_t type, std::uint32_t value) { put(type, bytes_of(value)); }
void NetlinkBatch::put_be32(std::uint16_t type, std::uint32_t value) { put_u32(type, htonl(value)); }

void NetlinkBatch::begin_nested(std::uint16_t type, bool plain) {
  open_.push_back(bytes_.size());
  nlattr a{};
  a.nla_type = static_cast<std::uint16_t>(plain ? type : type | NLA_F_NESTED);
  bytes_ += bytes_of(a);
}

void NetlinkBatch::end_nested() {
  std::size_t start = open_.back();
  open_.pop_back();
  std::size_t size = bytes_.size() - start;
  if (size > 0xffff) throw Error(ErrorCode::invalid_argument, "too long for a netlink attribute");
  auto length = static_cast<std::uint16_t>(size);
  std::memcpy(bytes_.data() + start, &length, sizeof length);
}

std::optional<std::string_view> NetlinkAttributes::find(std::uint16_t type) const {
  std::optional<std::string_view> found;
  each([&](std::uint16_t t, std::string_view payload) {
    if (t == type && !found) found = payload;
  });
  return found;
}

std::string NetlinkAttributes::text(std::uint16_t type) const {
  auto bytes = find(type).value_or("");
  return std::string(bytes.substr(0, bytes.find('\0')));
}

std::uint32_t NetlinkAttributes::u32(std::uint16_t type, std::uint32_t otherwise) const {
  auto bytes = find(type);
  return bytes && bytes->size() >= 4 ? read_as<std::uint32_t>(*bytes) : otherwise;
}

std::uint32_t NetlinkAttributes::be32(std::uint16_t type, std::uint32_t otherwise) const {
  auto bytes = find(type);
  return bytes && bytes->size() >= 4 ? ntohl(read_as<std::uint32_t>(*bytes)) : otherwise;
}

NetlinkAttributes NetlinkAttributes::nested(std::uint16_t type) const {
  return NetlinkAttributes(find(type).value_or(""));
}

void NetlinkAttributes::each(const std::function<void(std::uint16_t, std::string_view)>& visit) const {
  std::string_view rest = bytes_;
  while (rest.size() >= sizeof(nlattr)) {
    auto a = read_as<nlattr>(rest);
    if (a.nla_len < sizeof a || a.nla_len > rest.size()) return;
    visit(a.nla_type & NLA_TYPE_MASK, rest.substr(sizeof a, a.nla_len - sizeof a));
    rest.remove_prefix(std::min(aligned(a.nla_len), rest.size()));
  }
}

NetlinkSocket::NetlinkSocket(int protocol, std::uint32_t groups)
    : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)) {
  if (!fd_) throw_errno("open a netlink socket");
  set_option(fd_, SOL_NETLINK, NETLINK_EXT_ACK, 1);
  set_option(fd_, SOL_NETLINK, NETLINK_CAP_ACK, 1);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw_errno("bind a netlink socket");
}

void NetlinkSocket::transmit(NetlinkBatch& batch, std::uint16_t extra_flags) {
  batch.close_message();
  for (std::size_t i = 0; i < batch.messages_.size(); ++i) {
    char* at = batch.bytes_.data() + batch.messages_[i].start;
    auto header = read_as<nlmsghdr>({at, sizeof(nlmsghdr)});
    header.nlmsg_seq = sequence_ + static_cast<std::uint32_t>(i);
    header.nlmsg_flags = static_cast<std::uint16_t>(header.nlmsg_flags | extra_flags);
    std::memcpy(at, &header, sizeof header);
  }
  // The kernel takes a message of the socket's buffer at most, and answers one line for each that failed.
  constexpr std::size_t ordinary = 100U << 10U;
  if (batch.bytes_.size() > ordinary) {
    set_option(fd_, SOL_SOCKET, SO_SNDBUFFORCE, static_cast<int>(batch.bytes_.size() + ordinary));
    set_option(fd_, SOL_SOCKET, SO_RCVBUFFORCE, static_cast<int>(batch.bytes_.size() + ordinary));
  }
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  ssize_t n = 0;
  do
    n = ::sendto(fd_.get(), batch.bytes_.data(), batch.bytes_.size(), 0, reinterpret_cast<const sockaddr*>(&kernel),
                 sizeof kernel);
  while (n < 0 && errno == EINTR);
  if (n < 0) throw_errno("send to the kernel's network part");
}

std::vector<NetlinkFailure> NetlinkSocket::send(NetlinkBatch& batch) {
  std::vector<NetlinkFailure> failures;
  if (batch.empty()) return failures;
  auto first = sequence_, last = first + static_cast<std::uint32_t>(batch.messages_.size()) - 1;
  transmit(batch, NLM_F_ACK);
  sequence_ = last + 1;
  std::size_t answered = 0;
  char buffer[32768];
  for (;;) {
    ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) throw_errno("receive from the kernel's network part");
    each_message({buffer, static_cast<std::size_t>(n)}, [&](const nlmsghdr& header, std::string_view body) {
      if (header.nlmsg_type != NLMSG_ERROR || header.nlmsg_seq < first || header.nlmsg_seq > last) return;
      ++answered;
      auto e = read_as<nlmsgerr>(body);
      std::size_t index = header.nlmsg_seq - first;
      if (e.error != 0) failures.push_back({index, -e.error, batch.messages_[index].name, words_of(header, body)});
    });
  }
  if (answered == 0) throw Error(ErrorCode::internal, "the kernel's network part gave no answer");
  return failures;
}

void NetlinkSocket::apply(NetlinkBatch& batch) {
  auto failures = send(batch);
  if (failures.empty()) return;
  const auto& f = failures.front();
  throw errno_error(f.error, f.text.empty() ? f.name : f.name + " (" + f.text + ")");
}

void NetlinkSocket::ask(NetlinkBatch& request, const std::function<void(std::uint16_t, std::string_view)>& visit) {
  std::uint32_t sequence = sequence_;
  transmit(request, 0);
  ++sequence_;
  char buffer[32768];
  for (;;) {
    ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    each_message({buffer, static_cast<std::size_t>(n)}, [&](const nlmsghdr& header, std::string_view body) {
      if (header.nlmsg_seq == sequence && header.nlmsg_type >= NLMSG_MIN_TYPE) visit(header.nlmsg_type, body);
    });
  }
}

void NetlinkSocket::wait_for_news(std::int64_t deadline) {
  constexpr std::int64_t millisecond = 1'000'000;
  std::int64_t left = std::max<std::int64_t>(deadline - monotonic_ns(), 0);
  pollfd p{fd_.get(), POLLIN, 0};
  ::poll(&p, 1, static_cast<int>(left / millisecond + 1));
  char buffer[32768];
  while (::recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
  }
}

bool NetlinkSocket::dump_once(NetlinkBatch& request,
                              const std::function<void(std::uint16_t, std::string_view)>& visit) {
  std::uint32_t sequence = sequence_;
  transmit(request, NLM_F_DUMP);
  ++sequence_;
  bool whole = true;
  std::vector<char> buffer(256U << 10U);
  for (bool done = false; !done;) {
    ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("receive from the kernel's network part");
    int failure = 0;
    each_message({buffer.data(), static_cast<std::size_t>(n)}, [&](const nlmsghdr& header, std::string_view body) {
      if (header.nlmsg_seq != sequence || done) return;
      if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) whole = false;
      if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) {
        done = true;
        if (body.size() >= sizeof(int)) failure = -read_as<int>(body);
        return;
      }
      visit(header.nlmsg_type, body);
    });
    if (failure != 0) throw errno_error(failure, request.messages_.front().name);
  }
  return whole;
}

void NetlinkSocket::dump(NetlinkBatch& request, const std::function<void(std::uint16_t, std::string_view)>& visit,
                         const std::function<void()>& restart) {
  constexpr int attempts = 10;  // whoever changes it all the time makes a list of any moment as good as another
  for (int i = 0; i < attempts; ++i) {
    if (dump_once(request, visit) || !restart) return;
    restart();
  }
}

}  // namespace servin::kernel
