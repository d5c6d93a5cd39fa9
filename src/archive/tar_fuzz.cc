// SPDX-License-Identifier: Apache-2.0
// The tar reader (and, when the bytes look like it, a decompressor before it). Oracles: only Error comes out; names,
// sizes and sparse maps keep the promises of tar_reader.h; what a reader made of it, the writer can write and the
// reader reads back as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "archive/tar_reader.h"
#include "archive/tar_writer.h"
#include "base/error.h"

namespace servin::archive {
namespace {

void require(bool ok) {
  if (!ok) std::abort();
}

void check_entry(const TarEntry& entry) {
  require(entry.path.size() <= 4095 && entry.link.size() <= 4095);
  require(entry.path.find('\0') == std::string::npos && entry.link.find('\0') == std::string::npos);
  require(entry.mtime_ns < 1'000'000'000 && entry.mode <= 07777);
  require(entry.type == TarType::file || (entry.size == 0 && !entry.is_sparse));
  std::uint64_t end = 0;
  for (const auto& chunk : entry.chunks) {
    require(chunk.offset >= end && chunk.length != 0);
    end = chunk.offset + chunk.length;
    require(end <= entry.size);
  }
}

void check_round_trip(const TarEntry& entry) {
  if (entry.is_sparse || entry.path.empty() || entry.path.ends_with('/')) return;
  StringSink sink;
  TarWriter writer(sink);
  TarEntry copy = entry;
  copy.size = 0;
  writer.add(copy);
  writer.finish();
  MemorySource source(sink.text());
  TarReader reader(source);
  TarEntry back;
  require(reader.next(back));
  bool folder = entry.type == TarType::directory;
  require(back.path == entry.path + (folder ? "/" : "") || entry.path.size() >= 4095);
  require(back.type == entry.type && back.link == entry.link && back.uid == entry.uid && back.gid == entry.gid);
  require(back.mtime == entry.mtime && back.mtime_ns == entry.mtime_ns && back.xattrs.size() == entry.xattrs.size());
}

void read_everything(ByteSource& source) {
  TarReader reader(source);
  TarEntry entry;
  for (int count = 0; count < 1000 && reader.next(entry); ++count) {
    check_entry(entry);
    std::uint64_t offset = 0;
    std::uint64_t end = 0;
    while (true) {
      auto bytes = reader.read_block(offset);
      if (bytes.empty()) break;
      require(offset >= end);
      end = offset + bytes.size();
      require(end <= entry.size || entry.type == TarType::directory);
    }
    try {
      check_round_trip(entry);
    } catch (const Error&) {
      // What one header may say together with others can be too long for one alone.
    }
  }
}

}  // namespace
}  // namespace servin::archive

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace servin::archive;
  try {
    std::string_view bytes(reinterpret_cast<const char*>(data), size);
    auto source =
        std::make_unique<LimitedSource>(open_auto(std::make_unique<MemorySource>(bytes)), 16U << 20U, "input");
    read_everything(*source);
  } catch (const servin::Error&) {
    // Bad input is refused.
  }
  return 0;
}
