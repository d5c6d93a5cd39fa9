// SPDX-License-Identifier: Apache-2.0
#include "network/dns/message.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"
#include "network/dns/address.h"

namespace servin::dns {
namespace {

constexpr std::size_t max_name = 255;  // bytes on the wire, RFC 1035 2.3.4
constexpr std::size_t max_label = 63;
constexpr unsigned max_jumps = 64;
constexpr unsigned char pointer_bits = 0xc0;
constexpr std::uint16_t flag_response = 0x8000, flag_authoritative = 0x0400, flag_truncated = 0x0200, flag_rd = 0x0100,
                        flag_ra = 0x0080;

/// A cursor over a message; every step says whether it could be made.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  std::size_t at() const { return at_; }

  bool u8(std::uint8_t& value) {
    if (at_ >= bytes_.size()) return false;
    value = static_cast<std::uint8_t>(bytes_[at_++]);
    return true;
  }
  bool u16(std::uint16_t& value) {
    std::uint8_t high = 0, low = 0;
    if (!u8(high) || !u8(low)) return false;
    value = static_cast<std::uint16_t>(high << 8U | low);
    return true;
  }
  bool u32(std::uint32_t& value) {
    std::uint16_t high = 0, low = 0;
    if (!u16(high) || !u16(low)) return false;
    value = std::uint32_t{high} << 16U | low;
    return true;
  }
  bool take(std::size_t size, std::string_view& data) {
    if (size > bytes_.size() - at_) return false;
    data = bytes_.substr(at_, size);
    at_ += size;
    return true;
  }
  bool name(std::string* text);

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

void append_label(std::string& text, std::string_view label) {
  if (!text.empty()) text += '.';
  for (char c : label) {
    bool upper = c >= 'A' && c <= 'Z';
    bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (upper)
      text += static_cast<char>(c - 'A' + 'a');
    else if (plain)
      text += c;
    else
      text += fmt::format("\\{:03}", static_cast<unsigned char>(c));
  }
}

// A pointer must lead before the part that it ends (and behind the header): each jump goes further back, so there is no
// loop, and the sum of all labels is bounded by the length of a name. Chains of bare pointers are bounded too: they
// would make long messages slow to read.
bool Reader::name(std::string* text) {
  std::size_t at = at_, part_start = at_, length = 1;
  unsigned jumps = 0;
  for (;;) {
    if (at >= bytes_.size()) return false;
    auto size = static_cast<unsigned char>(bytes_[at]);
    if ((size & pointer_bits) == pointer_bits) {
      if (at + 1 >= bytes_.size()) return false;
      std::size_t target = static_cast<std::size_t>(size & 0x3fU) << 8U | static_cast<unsigned char>(bytes_[at + 1]);
      if (target < header_size || target >= part_start || jumps == max_jumps) return false;
      if (jumps++ == 0) at_ = at + 2;
      at = part_start = target;
      continue;
    }
    if (size > max_label) return false;
    ++at;
    if (size == 0) break;
    length += size + 1U;
    if (length > max_name || at + size > bytes_.size()) return false;
    if (text != nullptr) append_label(*text, bytes_.substr(at, size));
    at += size;
  }
  if (jumps == 0) at_ = at;
  return true;
}

bool read_record(Reader& r, Record& record) {
  std::uint16_t size = 0;
  return r.name(nullptr) && r.u16(record.type) && r.u16(record.class_) && r.u32(record.ttl) && r.u16(size) &&
         r.take(size, record.data);
}

bool read_records(Reader& r, Message& m, std::uint16_t answers, unsigned others) {
  for (unsigned i = 0; i < answers + others; ++i) {
    Record record;
    if (!read_record(r, record)) return false;
    if (i < answers) m.answers.push_back(record);
    if (record.type != type::opt) continue;
    if (m.edns) return false;  // RFC 6891, 6.1.1: at most one
    m.edns = Edns{record.class_, static_cast<std::uint8_t>(record.ttl >> 16U)};
  }
  return true;
}

void put16(std::string& to, std::uint16_t value) {
  to += static_cast<char>(value >> 8U);
  to += static_cast<char>(value & 0xffU);
}

std::uint16_t read16(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[at]) << 8U |
                                    static_cast<unsigned char>(bytes[at + 1]));
}

void write16(std::string& bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<char>(value >> 8U);
  bytes[at + 1] = static_cast<char>(value & 0xffU);
}

std::string opt_record() {
  std::string out(1, '\0');  // the root
  put16(out, type::opt);
  put16(out, our_udp_size);
  out.append(6, '\0');  // extended rcode, version 0, no flags, no options
  return out;
}

}  // namespace

std::optional<Message> parse_message(std::string_view bytes) {
  Message m;
  Reader r(bytes);
  std::uint16_t flags = 0, answers = 0, authority = 0, additional = 0;
  if (bytes.size() > max_message || !r.u16(m.id) || !r.u16(flags) || !r.u16(m.question_count) || !r.u16(answers) ||
      !r.u16(authority) || !r.u16(additional))
    return std::nullopt;
  m.response = (flags & flag_response) != 0;
  m.opcode = static_cast<std::uint8_t>(flags >> 11U & 0xfU);
  m.truncated = (flags & flag_truncated) != 0;
  m.recursion_desired = (flags & flag_rd) != 0;
  m.rcode = static_cast<std::uint8_t>(flags & 0xfU);
  m.question_end = header_size;
  for (unsigned i = 0; i < m.question_count; ++i) {
    Question q;
    if (!r.name(&q.name) || !r.u16(q.type) || !r.u16(q.class_)) return std::nullopt;
    if (i > 0) continue;
    m.question = std::move(q);
    m.question_end = r.at();
  }
  // A server may cut its answer anywhere.
  bool cut = m.response && m.truncated;
  if (!read_records(r, m, answers, unsigned{authority} + additional) && !cut) return std::nullopt;
  m.end = r.at();
  return m;
}

std::optional<std::uint16_t> query_id(std::string_view bytes) {
  if (bytes.size() < header_size || (read16(bytes, 2) & flag_response) != 0) return std::nullopt;
  return read16(bytes, 0);
}

std::optional<std::string> encode_name(std::string_view name) {
  std::string out;
  if (name.ends_with('.')) name.remove_suffix(1);
  while (!name.empty()) {
    auto dot = name.find('.');
    std::string_view label = name.substr(0, dot);
    if (label.empty() || label.size() > max_label) return std::nullopt;
    out += static_cast<char>(label.size());
    out += label;
    name.remove_prefix(dot == std::string_view::npos ? name.size() : dot + 1);
  }
  out += '\0';
  if (out.size() > max_name) return std::nullopt;
  return out;
}

std::optional<std::string> reverse_address(std::string_view name) {
  constexpr std::string_view v4 = ".in-addr.arpa", v6 = ".ip6.arpa";
  bool six = name.ends_with(v6);
  if (!six && !name.ends_with(v4)) return std::nullopt;
  name.remove_suffix(six ? v6.size() : v4.size());
  auto parts = split(name, '.');
  std::reverse(parts.begin(), parts.end());
  std::string text;
  if (!six) {
    if (parts.size() != 4) return std::nullopt;
    text = join(parts, ".");
  } else {
    if (parts.size() != 32) return std::nullopt;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].size() != 1) return std::nullopt;
      if (i > 0 && i % 4 == 0) text += ':';
      text += parts[i];
    }
  }
  auto address = Address::parse(text);
  if (!address) return std::nullopt;
  return address->text();
}

std::size_t udp_limit(const Message& query) {
  if (!query.edns) return plain_udp_size;
  return std::clamp<std::size_t>(query.edns->udp_size, plain_udp_size, our_udp_size);
}

std::string write_answer(std::string_view query_bytes, const Message& query, const Answer& answer, std::size_t limit) {
  auto flags = static_cast<std::uint16_t>(flag_response | flag_ra | static_cast<unsigned>(answer.rcode));
  if (answer.authoritative) flags |= flag_authoritative;
  if (query.recursion_desired) flags |= flag_rd;
  std::string opt = query.edns ? opt_record() : "";
  std::string out;
  put16(out, query.id);
  put16(out, flags);
  put16(out, query.question_count == 0 ? 0 : 1);
  out.append(6, '\0');
  out += query_bytes.substr(header_size, query.question_end - header_size);
  std::uint16_t count = 0;
  for (const auto& record : answer.records) {
    constexpr std::size_t fixed = 12;  // pointer to the question's name, type, class, ttl, length
    if (out.size() + fixed + record.data.size() + opt.size() > limit) {
      write16(out, 2, static_cast<std::uint16_t>(flags | flag_truncated));
      break;
    }
    put16(out, static_cast<std::uint16_t>(pointer_bits << 8U | header_size));
    put16(out, record.type);
    put16(out, class_in);
    // Nobody keeps it: a container may be gone, or have another address, a moment later, and asking costs microseconds.
    out.append(4, '\0');
    put16(out, static_cast<std::uint16_t>(record.data.size()));
    out += record.data;
    ++count;
  }
  write16(out, 6, count);
  write16(out, 10, opt.empty() ? 0 : 1);
  return out + opt;
}

std::string write_failure(std::uint16_t id, Rcode rcode) {
  std::string out;
  put16(out, id);
  put16(out, static_cast<std::uint16_t>(flag_response | flag_ra | static_cast<unsigned>(rcode)));
  out.append(8, '\0');
  return out;
}

std::string cut_answer(std::string_view bytes, const Message& message) {
  std::string out(bytes.substr(0, message.question_end));
  write16(out, 2, static_cast<std::uint16_t>(read16(bytes, 2) | flag_truncated));
  write16(out, 4, message.question_count == 0 ? 0 : 1);
  for (std::size_t at : {6U, 8U, 10U}) write16(out, at, 0);
  return out;
}

void set_id(std::string& bytes, std::uint16_t id) {
  if (bytes.size() >= 2) write16(bytes, 0, id);
}

std::string framed(std::string_view message) {
  std::string out;
  put16(out, static_cast<std::uint16_t>(message.size()));
  return out += message;
}

std::size_t FrameReader::wanted() const { return buffer_.size() < 2 ? 0 : read16(buffer_, 0); }

bool FrameReader::damaged() const { return buffer_.size() >= 2 && (wanted() < header_size || wanted() > limit_); }

std::optional<std::string> FrameReader::next() {
  if (damaged() || buffer_.size() < 2 || buffer_.size() - 2 < wanted()) return std::nullopt;
  std::string message = buffer_.substr(2, wanted());
  buffer_.erase(0, message.size() + 2);
  return message;
}

}  // namespace servin::dns
