// SPDX-License-Identifier: Apache-2.0
#include "image/recompress.h"

#include <fcntl.h>

#include "archive/compress.h"
#include "base/time.h"
#include "os/file.h"

namespace servin::image {

namespace {

constexpr std::size_t piece = 256U << 10U;
constexpr std::int64_t report_interval = 100'000'000;  // ns

/// Into a file, hashed on the way.
class HashedFile : public archive::ByteSink {
 public:
  HashedFile(const Fd& file, std::string name) : file_(file), name_(std::move(name)) {}
  void write(std::string_view bytes) override {
    hash_.update(bytes);
    size_ += bytes.size();
    write_all(file_, bytes, name_);
  }
  std::string finish_hex() { return hash_.finish_hex(); }
  std::uint64_t size() const { return size_; }

 private:
  const Fd& file_;
  std::string name_;
  Sha256 hash_;
  std::uint64_t size_ = 0;
};

}  // namespace

Compressed compress_blob(ImageStore& store, const oci::Digest& plain, std::uint64_t size, const Scratch& scratch,
                         const std::function<void(std::uint64_t, bool)>& progress) {
  std::string from = store.paths().blob(plain.hex());
  Fd in = open_file(from, O_RDONLY | O_NOFOLLOW);
  Compressed made;
  made.path = scratch.path() + "/gzip-" + plain.hex();
  Fd out = open_file(made.path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  HashedFile sink(out, made.path);
  archive::GzipSink gzip(sink);
  Sha256 hash;
  std::string buffer(piece, '\0');
  std::uint64_t done = 0;
  std::int64_t told = 0;
  while (std::size_t n = read_some(in, buffer.data(), buffer.size(), from)) {
    std::string_view bytes(buffer.data(), n);
    hash.update(bytes);
    gzip.write(bytes);
    done += n;
    if (std::int64_t time = monotonic_ns(); time - told > report_interval) {
      told = time;
      progress(done, false);
    }
  }
  gzip.finish();
  if (done != size || hash.finish_hex() != plain.hex())
    throw error(ErrorCode::data_loss, "blob {} in the store does not have its digest", plain.str())
        .with_id("E-IMAGE-DAMAGED")
        .with_hint("servin system doctor --verify --repair, then get the image again");
  made.digest = oci::Digest::from_hex(sink.finish_hex());
  made.size = sink.size();
  progress(done, true);
  return made;
}

}  // namespace servin::image
