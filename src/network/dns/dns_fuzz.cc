// SPDX-License-Identifier: Apache-2.0
// A packet as a query and as an answer. Oracles: names stay within their limits, offsets inside the packet, what we
// write can be read again and says what was asked, and a frame reader hands out exactly what went in.
#include <cstdlib>

#include "network/dns/answer.h"
#include "network/dns/message.h"

namespace {

using namespace servin::dns;

const Zone& zone() {
  static const Zone z(Names{"net",
                            false,
                            {"10.1.0.1"},
                            {{"10.1.0.2", "fd00::2", "1f" + std::string(62, 'a'), "web", {"a", "b"}, {}},
                             {"10.1.0.3", "", "2f" + std::string(62, 'b'), "db", {"a"}, {}}}});
  return z;
}

void check(bool good) {
  if (!good) std::abort();
}

void check_answer(std::string_view bytes, const Message& m, const Answer& answer) {
  for (std::size_t limit : {plain_udp_size, our_udp_size, max_message}) {
    std::string out = write_answer(bytes, m, answer, limit);
    auto back = parse_message(out);
    check(back && back->response && back->id == m.id && back->question == m.question);
    check(out.size() <= limit);
    check(back->truncated || back->answers.size() == answer.records.size());
    auto cut = parse_message(cut_answer(out, *back));
    check(cut && cut->truncated && cut->question == m.question);
  }
}

void check_message(std::string_view bytes) {
  auto m = parse_message(bytes);
  if (!m) return;
  check(m->end <= bytes.size() && m->question_end <= m->end && m->question_end >= header_size);
  check(m->question.name.size() <= std::size_t{4} * 255);
  for (const auto& r : m->answers)
    check(r.data.data() >= bytes.data() && r.data.data() + r.data.size() <= bytes.data() + bytes.size());
  if (m->response || refuse(*m)) return;
  const Zone* const zones[] = {&zone()};
  check_answer(bytes, *m, answer_locally(m->question, zones, 1).value_or(Answer{Rcode::refused, false, {}}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  check_message(input);
  (void)query_id(input);
  FrameReader reader(max_query);
  reader.feed(input);
  std::size_t taken = 0;
  while (auto message = reader.next()) {
    taken += message->size() + 2;
    check_message(*message);
  }
  check(taken <= size);
  (void)parse_names(input);
  return 0;
}
