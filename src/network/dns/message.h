// SPDX-License-Identifier: Apache-2.0
// DNS messages (RFC 1035, RFC 6891) as data, for the resolver of user-defined networks (netd.h). Every byte comes from
// a container or from a name server that may be hostile: nothing here allocates more than the message's own size in
// order of magnitude, and compression pointers can only lead backwards, so that no message makes a loop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace servin::dns {

namespace type {
constexpr std::uint16_t a = 1, ptr = 12, aaaa = 28, opt = 41, any = 255;
}
constexpr std::uint16_t class_in = 1;
constexpr std::size_t header_size = 12;
constexpr std::size_t max_message = 65535;
constexpr std::size_t max_query = 4096;      // of a client: one name and its options need a few hundred bytes
constexpr std::size_t plain_udp_size = 512;  // what a client without EDNS takes
constexpr std::size_t our_udp_size = 1232;   // no fragments on any usual path (DNS flag day 2020)

enum class Rcode : std::uint8_t {
  ok = 0,
  format_error = 1,
  server_failure = 2,
  no_such_name = 3,
  not_implemented = 4,
  refused = 5
};

struct Question {
  /// Lower case, labels joined by dots, no dot at the end; "" is the root. Bytes that are no letter, digit, - or _ are
  /// written as \DDD, so that a label which holds a dot is no two labels.
  std::string name;
  std::uint16_t type = 0;
  std::uint16_t class_ = 0;
  bool operator==(const Question&) const = default;
};

struct Record {
  std::uint16_t type = 0;
  std::uint16_t class_ = 0;
  std::uint32_t ttl = 0;  // seconds
  std::string_view data;  // inside the message
};

struct Edns {
  std::uint16_t udp_size = plain_udp_size;
  std::uint8_t version = 0;
};

struct Message {
  std::uint16_t id = 0;
  bool response = false;
  std::uint8_t opcode = 0;
  bool truncated = false;
  bool recursion_desired = false;
  std::uint8_t rcode = 0;  // the header's four bits
  std::uint16_t question_count = 0;
  Question question;             // the first
  std::size_t question_end = 0;  // offset behind the first question
  std::vector<Record> answers;
  std::optional<Edns> edns;
  std::size_t end = 0;  // offset behind the last record; what follows is no part of the message
};

/// Nothing when any part of it is not well-formed. `bytes` must outlive the records.
std::optional<Message> parse_message(std::string_view bytes);
/// The id alone, which an error answer to an unreadable query needs; nothing when there is no whole header, or it is an
/// answer: answering answers makes two servers talk for ever.
std::optional<std::uint16_t> query_id(std::string_view bytes);

/// Labels of at most 63 bytes, 255 in all (RFC 1035, 2.3.4); nothing when `name` does not fit. Takes "a.b" and "a.b.".
std::optional<std::string> encode_name(std::string_view name);
/// "1.2.3.4" or the IPv6 form of "4.3.2.1.in-addr.arpa", "...ip6.arpa"; nothing for any other name.
std::optional<std::string> reverse_address(std::string_view name);

struct AnswerRecord {
  std::uint16_t type = 0;
  std::string data;
};
struct Answer {
  Rcode rcode = Rcode::ok;
  bool authoritative = false;
  std::vector<AnswerRecord> records;  // all of the question's name
};

/// How much of an answer this client takes by UDP.
std::size_t udp_limit(const Message& query);
/// The answer with the question as it was asked. What does not fit into `limit` is left out, and TC says so.
std::string write_answer(std::string_view query_bytes, const Message& query, const Answer& answer, std::size_t limit);
/// A header only: for queries whose question cannot be repeated.
std::string write_failure(std::uint16_t id, Rcode rcode);
/// A forwarded answer that the client cannot take: its header and question, with TC.
std::string cut_answer(std::string_view bytes, const Message& message);
void set_id(std::string& bytes, std::uint16_t id);

/// TCP: two bytes of length before each message.
std::string framed(std::string_view message);
class FrameReader {
 public:
  /// A longer message than `limit` is damage.
  explicit FrameReader(std::size_t limit) : limit_(limit) {}
  void feed(std::string_view data) { buffer_.append(data); }
  /// The next whole message.
  std::optional<std::string> next();
  bool damaged() const;
  bool empty() const { return buffer_.empty(); }

 private:
  std::size_t wanted() const;
  std::size_t limit_;
  std::string buffer_;
};

}  // namespace servin::dns
