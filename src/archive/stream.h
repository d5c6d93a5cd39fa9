// SPDX-License-Identifier: Apache-2.0
// archive/: byte streams, compression, tar, and the extraction of image layers. Everything here reads hostile input:
// sizes are checked before memory is taken, streams are never held whole, and no other program is started to
// decompress.
//
// Sources stack. A layer is read in one pass by, for instance:
//   FdSource -> TeeHashSource(digest of the blob) -> decompress -> TeeHashSource(diff id) -> read_ahead ->
//   extract_layer
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/sha256.h"
#include "os/fd.h"

namespace servin::archive {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Up to `n` bytes (n > 0); 0 only at the end. Throws Error.
  virtual std::size_t read(void* buffer, std::size_t n) = 0;
  /// Passes over up to `n` bytes and says how many there were; less only at the end.
  virtual std::uint64_t skip(std::uint64_t n);
  /// From another thread: a read that waits for a pipe or socket fails soon.
  virtual void cancel() noexcept {}
};

class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual void write(std::string_view bytes) = 0;
};

/// The rest of an open file, pipe or socket. `name` is for error texts.
class FdSource : public ByteSource {
 public:
  FdSource(Fd fd, std::string name);
  std::size_t read(void* buffer, std::size_t n) override;
  std::uint64_t skip(std::uint64_t n) override;
  void cancel() noexcept override;

 private:
  Fd fd_;
  Fd wake_;  // an eventfd, for files that can make a reader wait
  std::string name_;
  bool seekable_ = false;
};

/// `size` bytes of a file from `offset` on, by pread: several of them may share one descriptor, which outlives them.
/// The file ending before that is an Error (data_loss).
class RangeSource : public ByteSource {
 public:
  RangeSource(const Fd& fd, std::uint64_t offset, std::uint64_t size, std::string name);
  std::size_t read(void* buffer, std::size_t n) override;
  std::uint64_t skip(std::uint64_t n) override;

 private:
  const Fd& fd_;
  std::uint64_t offset_;
  std::uint64_t left_;
  std::string name_;
};

/// Bytes that somebody else owns and keeps.
class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : rest_(bytes) {}
  std::size_t read(void* buffer, std::size_t n) override;
  std::uint64_t skip(std::uint64_t n) override;

 private:
  std::string_view rest_;
};

/// Throws resource_exhausted (E-ARCHIVE-LIMIT) when `from` has more than `limit` bytes.
class LimitedSource : public ByteSource {
 public:
  LimitedSource(std::unique_ptr<ByteSource> from, std::uint64_t limit, std::string name);
  std::size_t read(void* buffer, std::size_t n) override;
  void cancel() noexcept override { from_->cancel(); }

 private:
  std::unique_ptr<ByteSource> from_;
  std::uint64_t limit_;
  std::uint64_t left_;
  std::string name_;
};

/// Hashes and counts what passes. Both pointers may be null; what they point to outlives the source. `hash` belongs to
/// the thread that reads until that thread saw the end; `bytes` can be watched from elsewhere (progress).
class TeeHashSource : public ByteSource {
 public:
  TeeHashSource(std::unique_ptr<ByteSource> from, Sha256* hash, std::atomic<std::uint64_t>* bytes = nullptr);
  std::size_t read(void* buffer, std::size_t n) override;
  void cancel() noexcept override { from_->cancel(); }

 private:
  std::unique_ptr<ByteSource> from_;
  Sha256* hash_;
  std::atomic<std::uint64_t>* bytes_;
};

class StringSink : public ByteSink {
 public:
  void write(std::string_view bytes) override { text_.append(bytes); }
  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

/// Writes to a descriptor that outlives it, in pieces of 256 KiB. Call flush() at the end: the destructor drops what is
/// left.
class FdSink : public ByteSink {
 public:
  FdSink(const Fd& fd, std::string name);
  void write(std::string_view bytes) override;
  void flush();

 private:
  const Fd& fd_;
  std::string name_;
  std::string pending_;
};

enum class Compression { none, gzip, zstd, xz, bzip2 };
std::string_view to_string(Compression kind);

/// By the first bytes (16 are enough) of a file.
Compression detect(std::string_view first_bytes);

/// One level only: what comes out is not looked at again. Checks the checksums and lengths that the format has, reads
/// on to the end of `from`, accepts members after each other and zero bytes after the last one (gzip, bzip2). A stream
/// that stops too soon is data_loss "... ends early"; memory is bounded (zstd: windows up to 128 MiB, xz: 128 MiB).
std::unique_ptr<ByteSource> decompress(std::unique_ptr<ByteSource> from, Compression kind);

/// Looks at the first bytes, then decompress(). `found` may be null.
std::unique_ptr<ByteSource> open_auto(std::unique_ptr<ByteSource> from, Compression* found = nullptr);

/// A helper thread reads `from` ahead into a ring of buffers (1 MiB in all), so that inflating overlaps with what the
/// caller does. Its errors come out of read(). The thread is joined by the destructor: no thread is left for a later
/// clone or unshare.
std::unique_ptr<ByteSource> read_ahead(std::unique_ptr<ByteSource> from);

/// Reads to the end and drops it: digests then cover the whole file. Throws (E-ARCHIVE-LIMIT) beyond `limit`. Returns
/// the bytes.
std::uint64_t drain(ByteSource& source, std::uint64_t limit = UINT64_MAX);
/// Everything; throws (E-ARCHIVE-LIMIT) beyond `limit` bytes.
std::string read_to_end(ByteSource& source, std::size_t limit, std::string_view name);
/// Until `n` bytes are there or the end; returns how many.
std::size_t read_full(ByteSource& source, void* buffer, std::size_t n);

namespace detail {
/// Tests set it: gzip by zlib although ISA-L is there.
void forbid_isal(bool forbid);
bool have_isal();
}  // namespace detail

}  // namespace servin::archive
