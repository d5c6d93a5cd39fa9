// SPDX-License-Identifier: Apache-2.0
// zstd, xz and bzip2, each by its own library.
#include <algorithm>
#include <bzlib.h>
#include <climits>
#include <lzma.h>
#include <zstd.h>

#include "archive/codec.h"
#include "archive/failure.h"

namespace servin::archive {
namespace {

constexpr int zstd_window_log = 27;               // 128 MiB, what zstd --long makes
constexpr std::uint64_t xz_memory = 128U << 20U;  // xz -9 needs 65 MiB

class ZstdCodec : public Codec {
 public:
  ZstdCodec() : context_(::ZSTD_createDCtx()) {
    if (!context_) throw Error(ErrorCode::resource_exhausted, "no memory for zstd");
    ::ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, zstd_window_log);
  }

  Step run(const unsigned char* in, std::size_t in_size, unsigned char* out, std::size_t out_size) override {
    ZSTD_inBuffer input{in, in_size, 0};
    ZSTD_outBuffer output{out, out_size, 0};
    std::size_t code = ::ZSTD_decompressStream(context_.get(), &output, &input);
    if (::ZSTD_isError(code) != 0) {
      throw damaged_error(std::string("zstd stream is damaged: ") + ::ZSTD_getErrorName(code));
    }
    return {input.pos, output.pos, code == 0};
  }
  void restart() override { ::ZSTD_DCtx_reset(context_.get(), ZSTD_reset_session_only); }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ::ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, Free> context_;
};

class XzCodec : public Codec {
 public:
  XzCodec() { restart(); }
  ~XzCodec() override { ::lzma_end(&z_); }
  XzCodec(const XzCodec&) = delete;
  XzCodec& operator=(const XzCodec&) = delete;

  Step run(const unsigned char* in, std::size_t in_size, unsigned char* out, std::size_t out_size) override {
    z_.next_in = in;
    z_.avail_in = in_size;
    z_.next_out = out;
    z_.avail_out = out_size;
    lzma_ret code = ::lzma_code(&z_, LZMA_RUN);
    if (code == LZMA_MEMLIMIT_ERROR) throw limit_error("xz stream needs more than 128 MiB of memory");
    if (code == LZMA_MEM_ERROR) throw Error(ErrorCode::resource_exhausted, "no memory for xz");
    if (code != LZMA_OK && code != LZMA_STREAM_END && code != LZMA_BUF_ERROR) {
      throw damaged_error("xz stream is damaged");
    }
    return {in_size - z_.avail_in, out_size - z_.avail_out, code == LZMA_STREAM_END};
  }
  void restart() override {
    // A check that the library cannot compute would be bytes that nobody checked.
    if (::lzma_stream_decoder(&z_, xz_memory, LZMA_TELL_UNSUPPORTED_CHECK) != LZMA_OK) {
      throw Error(ErrorCode::resource_exhausted, "no memory for xz");
    }
  }

 private:
  lzma_stream z_ = LZMA_STREAM_INIT;
};

class Bzip2Codec : public Codec {
 public:
  Bzip2Codec() { start(); }
  ~Bzip2Codec() override { ::BZ2_bzDecompressEnd(&z_); }
  Bzip2Codec(const Bzip2Codec&) = delete;
  Bzip2Codec& operator=(const Bzip2Codec&) = delete;

  Step run(const unsigned char* in, std::size_t in_size, unsigned char* out, std::size_t out_size) override {
    auto in_now = static_cast<unsigned>(std::min<std::size_t>(in_size, UINT_MAX / 2));
    auto out_now = static_cast<unsigned>(std::min<std::size_t>(out_size, UINT_MAX / 2));
    z_.next_in = reinterpret_cast<char*>(const_cast<unsigned char*>(in));
    z_.avail_in = in_now;
    z_.next_out = reinterpret_cast<char*>(out);
    z_.avail_out = out_now;
    int code = ::BZ2_bzDecompress(&z_);
    if (code != BZ_OK && code != BZ_STREAM_END) throw damaged_error("bzip2 stream is damaged");
    return {in_now - z_.avail_in, out_now - z_.avail_out, code == BZ_STREAM_END};
  }
  void restart() override {
    ::BZ2_bzDecompressEnd(&z_);
    start();
  }

 private:
  void start() {
    z_ = {};
    if (::BZ2_bzDecompressInit(&z_, 0, 0) != BZ_OK) throw Error(ErrorCode::resource_exhausted, "no memory for bzip2");
  }
  bz_stream z_{};
};

}  // namespace

std::unique_ptr<Codec> make_zstd_codec() { return std::make_unique<ZstdCodec>(); }
std::unique_ptr<Codec> make_xz_codec() { return std::make_unique<XzCodec>(); }
std::unique_ptr<Codec> make_bzip2_codec() { return std::make_unique<Bzip2Codec>(); }

}  // namespace servin::archive
