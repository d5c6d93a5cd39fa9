// SPDX-License-Identifier: Apache-2.0
#include "archive/compress.h"

#include <zlib.h>

#include "base/error.h"

namespace servin::archive {

namespace {
constexpr int gzip_window = 15 + 16;  // 32 KiB, with gzip's header; zlib leaves name and time out
constexpr int level = 6;
constexpr int memory = 8;
constexpr std::size_t piece = 256U << 10U;
}  // namespace

struct GzipSink::State {
  z_stream stream{};
  std::string out = std::string(piece, '\0');
};

GzipSink::GzipSink(ByteSink& to) : state_(std::make_unique<State>()), to_(to) {
  if (deflateInit2(&state_->stream, level, Z_DEFLATED, gzip_window, memory, Z_DEFAULT_STRATEGY) != Z_OK)
    throw Error(ErrorCode::resource_exhausted, "no memory to compress");
}

GzipSink::~GzipSink() { deflateEnd(&state_->stream); }

void GzipSink::run(std::string_view bytes, int flush) {
  z_stream& z = state_->stream;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  do {
    z.next_out = reinterpret_cast<Bytef*>(state_->out.data());
    z.avail_out = static_cast<uInt>(state_->out.size());
    deflate(&z, flush);
    std::size_t made = state_->out.size() - z.avail_out;
    if (made > 0) to_.write(std::string_view(state_->out).substr(0, made));
  } while (z.avail_out == 0);
}

void GzipSink::write(std::string_view bytes) {
  constexpr std::size_t most = 1U << 30U;  // zlib counts in 32 bits
  for (; !bytes.empty(); bytes.remove_prefix(std::min(most, bytes.size()))) run(bytes.substr(0, most), Z_NO_FLUSH);
}

void GzipSink::finish() { run({}, Z_FINISH); }

}  // namespace servin::archive
