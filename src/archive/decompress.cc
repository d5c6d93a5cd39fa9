// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <vector>

#include "archive/codec.h"
#include "archive/failure.h"
#include "archive/stream.h"

namespace servin::archive {
namespace {

// Runs a codec over a source, member after member.
class CodecSource : public ByteSource {
 public:
  CodecSource(std::unique_ptr<ByteSource> from, std::unique_ptr<Codec> codec, Compression kind)
      : from_(std::move(from)), codec_(std::move(codec)), kind_(kind), buffer_(256U << 10U) {}

  std::size_t read(void* out, std::size_t n) override {
    while (true) {
      if (begin_ == end_ && !at_end_) refill();
      if (between_members_ && !start_member()) return 0;
      auto step = codec_->run(buffer_.data() + begin_, end_ - begin_, static_cast<unsigned char*>(out), n);
      begin_ += step.used;
      between_members_ = step.member_end;
      if (step.made != 0) return step.made;
      if (!step.member_end && step.used == 0) {
        if (begin_ == end_ && at_end_) throw damaged_error(std::string(to_string(kind_)) + " stream ends early");
        if (begin_ != end_) throw damaged_error(std::string(to_string(kind_)) + " stream is damaged");
      }
    }
  }
  void cancel() noexcept override { from_->cancel(); }

 private:
  void refill() {
    begin_ = 0;
    end_ = from_->read(buffer_.data(), buffer_.size());
    at_end_ = end_ == 0;
  }

  // False at the end of the source. Padding with zero bytes is ordinary (tape blocks); anything else would be bytes
  // that nobody checked.
  bool start_member() {
    if (begin_ == end_) return false;
    if (buffer_[begin_] != 0 && !in_padding_) {
      codec_->restart();
      return true;
    }
    in_padding_ = true;
    while (begin_ != end_) {
      if (buffer_[begin_++] != 0) {
        throw damaged_error(std::string(to_string(kind_)) + " stream is followed by other bytes");
      }
      if (begin_ == end_ && !at_end_) refill();
    }
    return false;
  }

  std::unique_ptr<ByteSource> from_;
  std::unique_ptr<Codec> codec_;
  Compression kind_;
  std::vector<unsigned char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool at_end_ = false;
  bool between_members_ = false;
  bool in_padding_ = false;
};

// Gives back the bytes that open_auto looked at, then the rest.
class PeekedSource : public ByteSource {
 public:
  PeekedSource(std::string first, std::unique_ptr<ByteSource> rest)
      : first_(std::move(first)), rest_(std::move(rest)) {}
  std::size_t read(void* out, std::size_t n) override {
    if (used_ == first_.size()) return rest_->read(out, n);
    n = std::min(n, first_.size() - used_);
    std::memcpy(out, first_.data() + used_, n);
    used_ += n;
    return n;
  }
  std::uint64_t skip(std::uint64_t n) override {
    std::uint64_t here = std::min<std::uint64_t>(n, first_.size() - used_);
    used_ += here;
    return here == n ? n : here + rest_->skip(n - here);
  }
  void cancel() noexcept override { rest_->cancel(); }

 private:
  std::string first_;
  std::size_t used_ = 0;
  std::unique_ptr<ByteSource> rest_;
};

bool is_bzip2(std::string_view bytes) {
  using namespace std::string_view_literals;
  if (bytes.size() < 10 || !bytes.starts_with("BZh") || bytes[3] < '1' || bytes[3] > '9') return false;
  // A tar whose first name is "BZh9..." has no block or end mark here.
  auto mark = bytes.substr(4, 6);
  return mark == "\x31\x41\x59\x26\x53\x59"sv || mark == "\x17\x72\x45\x38\x50\x90"sv;
}

std::unique_ptr<Codec> make_codec(Compression kind) {
  switch (kind) {
    case Compression::gzip: {
      auto fast = make_isal_codec();
      return fast ? std::move(fast) : make_gzip_codec();
    }
    case Compression::zstd:
      return make_zstd_codec();
    case Compression::xz:
      return make_xz_codec();
    case Compression::bzip2:
      return make_bzip2_codec();
    case Compression::none:
      break;
  }
  throw Error(ErrorCode::internal, "no codec for an uncompressed stream");
}

}  // namespace

std::string_view to_string(Compression kind) {
  switch (kind) {
    case Compression::gzip:
      return "gzip";
    case Compression::zstd:
      return "zstd";
    case Compression::xz:
      return "xz";
    case Compression::bzip2:
      return "bzip2";
    case Compression::none:
      break;
  }
  return "none";
}

Compression detect(std::string_view bytes) {
  using namespace std::string_view_literals;
  if (bytes.starts_with("\x1f\x8b\x08"sv)) return Compression::gzip;
  if (bytes.starts_with("\x28\xb5\x2f\xfd"sv)) return Compression::zstd;
  // A skippable frame first: pzstd writes them.
  if (bytes.size() >= 4 && (bytes[0] & 0xf0) == 0x50 && bytes.substr(1, 3) == "\x2a\x4d\x18"sv)
    return Compression::zstd;
  if (bytes.starts_with("\xfd\x37zXZ\0"sv)) return Compression::xz;
  if (is_bzip2(bytes)) return Compression::bzip2;
  return Compression::none;
}

std::unique_ptr<ByteSource> decompress(std::unique_ptr<ByteSource> from, Compression kind) {
  if (kind == Compression::none) return from;
  return std::make_unique<CodecSource>(std::move(from), make_codec(kind), kind);
}

std::unique_ptr<ByteSource> open_auto(std::unique_ptr<ByteSource> from, Compression* found) {
  std::string first(16, '\0');
  first.resize(read_full(*from, first.data(), first.size()));
  auto kind = detect(first);
  if (found != nullptr) *found = kind;
  return decompress(std::make_unique<PeekedSource>(std::move(first), std::move(from)), kind);
}

}  // namespace servin::archive
