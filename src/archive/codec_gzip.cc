// SPDX-License-Identifier: Apache-2.0
// gzip (RFC 1952) by ISA-L where Debian's libisal2 is installed (three times as fast), by zlib otherwise. Debian ships
// no static ISA-L, and a program that only runs containers must not pay for loading it: hence dlopen on first use.
#include <algorithm>
#include <atomic>
#include <climits>
#include <cstring>
#include <dlfcn.h>
#include <zlib.h>

#include <isa-l/igzip_lib.h>

#include "archive/codec.h"
#include "archive/failure.h"

namespace servin::archive {
namespace {

std::atomic<bool> isal_forbidden{false};

unsigned clamp(std::size_t n) { return static_cast<unsigned>(std::min<std::size_t>(n, UINT_MAX / 2)); }

class ZlibCodec : public Codec {
 public:
  ZlibCodec() {
    // 16 + 15: gzip only, largest window.
    if (::inflateInit2(&z_, 16 + MAX_WBITS) != Z_OK) throw Error(ErrorCode::resource_exhausted, "no memory for zlib");
  }
  ~ZlibCodec() override { ::inflateEnd(&z_); }
  ZlibCodec(const ZlibCodec&) = delete;
  ZlibCodec& operator=(const ZlibCodec&) = delete;

  Step run(const unsigned char* in, std::size_t in_size, unsigned char* out, std::size_t out_size) override {
    z_.next_in = const_cast<unsigned char*>(in);
    z_.avail_in = clamp(in_size);
    z_.next_out = out;
    z_.avail_out = clamp(out_size);
    int code = ::inflate(&z_, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
      throw damaged_error(std::string("gzip stream is damaged: ") + (z_.msg != nullptr ? z_.msg : "bad data"));
    }
    return {static_cast<std::size_t>(z_.next_in - in), static_cast<std::size_t>(z_.next_out - out),
            code == Z_STREAM_END};
  }
  void restart() override { ::inflateReset(&z_); }

 private:
  z_stream z_{};
};

struct Isal {
  decltype(&::isal_inflate_init) init = nullptr;
  decltype(&::isal_inflate) inflate = nullptr;
};

// The header of a gzip member, byte by byte. ISA-L forgets its flags when the input ends inside of it.
class GzipHeader {
 public:
  // Takes what belongs to the header off `in`; says how many bytes that was. done() when it is complete.
  std::size_t run(const unsigned char* in, std::size_t size) {
    std::size_t used = 0;
    while (used < size && state_ != State::done) take(in[used++]);
    return used;
  }
  bool done() const { return state_ == State::done; }

 private:
  enum class State { fixed, extra_length, extra, name, comment, checksum, done };
  static constexpr unsigned char has_checksum = 2, has_extra = 4, has_name = 8, has_comment = 16, reserved = 0xe0;

  void take(unsigned char c) {
    ++count_;
    switch (state_) {
      case State::fixed: {
        static constexpr unsigned char magic[] = {0x1f, 0x8b, 8};
        bool wrong = count_ <= 3 && c != magic[count_ - 1];
        if (count_ == 4) flags_ = c;
        if (wrong || (flags_ & reserved) != 0) throw damaged_error("gzip stream is damaged: bad header");
        if (count_ == 10) enter(State::extra_length);
        break;
      }
      case State::extra_length:
        length_ |= static_cast<std::size_t>(c) << (8 * (count_ - 1));
        if (count_ == 2) enter(State::extra);
        break;
      case State::extra:
        if (count_ == length_) enter(State::name);
        break;
      case State::name:
        if (c == 0) enter(State::comment);
        break;
      case State::comment:
        if (c == 0) enter(State::checksum);
        break;
      case State::checksum:
        if (count_ == 2) enter(State::done);
        break;
      case State::done:
        break;
    }
  }
  // The next part that is there.
  void enter(State next) {
    count_ = 0;
    if (next == State::extra_length && (flags_ & has_extra) == 0) next = State::name;
    if (next == State::extra && length_ == 0) next = State::name;
    if (next == State::name && (flags_ & has_name) == 0) next = State::comment;
    if (next == State::comment && (flags_ & has_comment) == 0) next = State::checksum;
    if (next == State::checksum && (flags_ & has_checksum) == 0) next = State::done;
    state_ = next;
  }

  State state_ = State::fixed;
  std::size_t count_ = 0;  // bytes of the part
  std::size_t length_ = 0;
  unsigned char flags_ = 0;
};

class IsalCodec : public Codec {
 public:
  explicit IsalCodec(const Isal& isal) : isal_(isal), state_(std::make_unique<Room>()) { restart(); }

  Step run(const unsigned char* in, std::size_t in_size, unsigned char* out, std::size_t out_size) override {
    std::size_t header = header_.run(in, in_size);
    if (!header_.done()) return {header, 0, false};
    inflate_state& s = state_->state;
    s.next_in = const_cast<unsigned char*>(in + header);
    s.avail_in = clamp(in_size - header);
    s.next_out = out;
    s.avail_out = clamp(out_size);
    int code = isal_.inflate(&s);
    if (code == ISAL_INCORRECT_CHECKSUM) throw damaged_error("gzip stream is damaged: incorrect checksum or length");
    if (code < 0 || code == ISAL_NEED_DICT) throw damaged_error("gzip stream is damaged: bad data");
    return {static_cast<std::size_t>(s.next_in - in), static_cast<std::size_t>(s.next_out - out),
            s.block_state == ISAL_BLOCK_FINISH};
  }
  void restart() override {
    isal_.init(&state_->state);
    state_->state.crc_flag = ISAL_GZIP_NO_HDR_VER;  // the trailer is checked
    header_ = GzipHeader();
  }

 private:
  // Room for a library whose structure has grown at its end.
  struct Room {
    inflate_state state;
    char slack[16U << 10U];
  };
  const Isal& isal_;
  std::unique_ptr<Room> state_;
  GzipHeader header_;
};

// A library whose structures differ from the header that we were built with must not be used: it shows here.
bool works(const Isal& isal) {
  static constexpr unsigned char sample[] = {0x1f, 0x8b, 8,    0, 0, 0,    0,    0,    2,    3, 0x4b, 0x4c, 0x4a,
                                             0x4e, 0x4c, 0x4a, 6, 0, 0x4c, 0x99, 0x6e, 0x72, 6, 0,    0,    0};
  try {
    IsalCodec codec(isal);
    unsigned char out[16];
    auto step = codec.run(sample, sizeof sample, out, sizeof out);
    return step.member_end && step.used == sizeof sample && step.made == 6 && std::memcmp(out, "abcabc", 6) == 0;
  } catch (const Error&) {
    return false;
  }
}

Isal load_isal() {
  Isal isal;
  void* library = ::dlopen("libisal.so.2", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return {};
  isal.init = reinterpret_cast<decltype(isal.init)>(::dlsym(library, "isal_inflate_init"));
  isal.inflate = reinterpret_cast<decltype(isal.inflate)>(::dlsym(library, "isal_inflate"));
  if (isal.init == nullptr || isal.inflate == nullptr || !works(isal)) return {};
  return isal;
}

const Isal& loaded_isal() {
  static const Isal isal = load_isal();
  return isal;
}

}  // namespace

std::unique_ptr<Codec> make_gzip_codec() { return std::make_unique<ZlibCodec>(); }

std::unique_ptr<Codec> make_isal_codec() {
  if (isal_forbidden || loaded_isal().inflate == nullptr) return nullptr;
  return std::make_unique<IsalCodec>(loaded_isal());
}
bool detail::have_isal() { return loaded_isal().inflate != nullptr; }

void detail::forbid_isal(bool forbid) { isal_forbidden = forbid; }

}  // namespace servin::archive
