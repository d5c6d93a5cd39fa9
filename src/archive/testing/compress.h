// SPDX-License-Identifier: Apache-2.0
// For tests: the compressors that the product does not need.
#pragma once

#include <bzlib.h>
#include <lzma.h>
#include <memory>
#include <string>
#include <vector>
#include <zlib.h>
#include <zstd.h>

#include "archive/stream.h"
#include "base/error.h"

namespace servin::archive::testing {

namespace packers {

inline void check(bool ok) {
  if (!ok) throw Error(ErrorCode::internal, "compressor of the test failed");
}

// Each takes input (empty: the end) and appends what comes out.
struct Gzip {
  z_stream z{};
  Gzip() { check(::deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY) == Z_OK); }
  ~Gzip() { ::deflateEnd(&z); }
  void run(std::string_view in, std::string& out) {
    char room[65536];
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    z.avail_in = static_cast<unsigned>(in.size());
    do {
      z.next_out = reinterpret_cast<Bytef*>(room);
      z.avail_out = sizeof room;
      ::deflate(&z, in.empty() ? Z_FINISH : Z_NO_FLUSH);
      out.append(room, sizeof room - z.avail_out);
    } while (z.avail_out == 0);
  }
};

struct Zstd {
  ZSTD_CCtx* context = ::ZSTD_createCCtx();
  Zstd() { ::ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1); }
  ~Zstd() { ::ZSTD_freeCCtx(context); }
  void run(std::string_view in, std::string& out) {
    char room[65536];
    ZSTD_inBuffer input{in.data(), in.size(), 0};
    while (true) {
      ZSTD_outBuffer output{room, sizeof room, 0};
      std::size_t left = ::ZSTD_compressStream2(context, &output, &input, in.empty() ? ZSTD_e_end : ZSTD_e_continue);
      check(::ZSTD_isError(left) == 0);
      out.append(room, output.pos);
      if (in.empty() ? left == 0 : input.pos == input.size) return;
    }
  }
};

struct Xz {
  lzma_stream z = LZMA_STREAM_INIT;
  Xz() { check(::lzma_easy_encoder(&z, 1, LZMA_CHECK_CRC64) == LZMA_OK); }
  ~Xz() { ::lzma_end(&z); }
  void run(std::string_view in, std::string& out) {
    char room[65536];
    z.next_in = reinterpret_cast<const std::uint8_t*>(in.data());
    z.avail_in = in.size();
    do {
      z.next_out = reinterpret_cast<std::uint8_t*>(room);
      z.avail_out = sizeof room;
      lzma_ret code = ::lzma_code(&z, in.empty() ? LZMA_FINISH : LZMA_RUN);
      check(code == LZMA_OK || code == LZMA_STREAM_END || code == LZMA_BUF_ERROR);
      out.append(room, sizeof room - z.avail_out);
    } while (z.avail_out == 0);
  }
};

struct Bzip2 {
  bz_stream z{};
  Bzip2() { check(::BZ2_bzCompressInit(&z, 1, 0, 0) == BZ_OK); }
  ~Bzip2() { ::BZ2_bzCompressEnd(&z); }
  void run(std::string_view in, std::string& out) {
    char room[65536];
    z.next_in = const_cast<char*>(in.data());
    z.avail_in = static_cast<unsigned>(in.size());
    do {
      z.next_out = room;
      z.avail_out = sizeof room;
      ::BZ2_bzCompress(&z, in.empty() ? BZ_FINISH : BZ_RUN);
      out.append(room, sizeof room - z.avail_out);
    } while (z.avail_out == 0 || z.avail_in != 0);
  }
};

template <typename Packer>
std::string pack(ByteSource& source) {
  Packer packer;
  std::string out;
  std::vector<char> room(1U << 20U);
  while (std::size_t n = source.read(room.data(), room.size())) packer.run({room.data(), n}, out);
  packer.run({}, out);
  return out;
}

}  // namespace packers

inline std::string compress(ByteSource& source, Compression kind) {
  switch (kind) {
    case Compression::gzip:
      return packers::pack<packers::Gzip>(source);
    case Compression::zstd:
      return packers::pack<packers::Zstd>(source);
    case Compression::xz:
      return packers::pack<packers::Xz>(source);
    case Compression::bzip2:
      return packers::pack<packers::Bzip2>(source);
    case Compression::none:
      break;
  }
  return read_to_end(source, SIZE_MAX, "test");
}
inline std::string compress(std::string_view bytes, Compression kind) {
  MemorySource source(bytes);
  return compress(source, kind);
}

}  // namespace servin::archive::testing
