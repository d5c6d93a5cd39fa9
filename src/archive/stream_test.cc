// SPDX-License-Identifier: Apache-2.0
#include "archive/stream.h"

#include <fcntl.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "archive/testing/compress.h"
#include "archive/testing/tree.h"
#include "base/error.h"
#include "base/id.h"
#include "os/file.h"

namespace servin::archive {
namespace {

using testing::compress;
using testing::TempFolder;

constexpr Compression all_kinds[] = {Compression::gzip, Compression::zstd, Compression::xz, Compression::bzip2};

// Some that compresses and some that does not.
std::string sample(std::size_t size) {
  std::string out;
  for (std::size_t i = 0; out.size() < size; ++i) {
    out += i % 3 == 0 ? random_bytes(1000) : std::string(i % 5000, static_cast<char>('a' + i % 26));
  }
  out.resize(size);
  return out;
}

std::unique_ptr<ByteSource> memory(std::string_view bytes) { return std::make_unique<MemorySource>(bytes); }

std::string all_of(ByteSource& source) { return read_to_end(source, SIZE_MAX, "test"); }

// Gives one byte at a time.
class DripSource : public ByteSource {
 public:
  explicit DripSource(std::string_view bytes) : from_(bytes) {}
  std::size_t read(void* buffer, std::size_t) override { return from_.read(buffer, 1); }

 private:
  MemorySource from_;
};

struct ErrorText {
  ErrorCode code = ErrorCode::internal;
  std::string text;
};
ErrorText error_of(std::unique_ptr<ByteSource> source) {
  try {
    all_of(*source);
    return {ErrorCode::internal, "no error"};
  } catch (const Error& e) {
    return {e.code(), e.message()};
  }
}

// gzip twice: by ISA-L and by zlib.
class Codecs : public ::testing::TestWithParam<std::pair<Compression, bool>> {
 protected:
  void SetUp() override {
    if (!GetParam().second && kind() == Compression::gzip && !archive::detail::have_isal()) {
      GTEST_SKIP() << "libisal.so.2 is not installed";
    }
    archive::detail::forbid_isal(GetParam().second);
  }
  void TearDown() override { archive::detail::forbid_isal(false); }
  Compression kind() const { return GetParam().first; }
};

TEST_P(Codecs, GiveBackWhatWasPacked) {
  for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{511}, std::size_t{3'000'000}}) {
    std::string plain = sample(size);
    std::string packed = compress(plain, kind());
    Compression found{};
    EXPECT_EQ(all_of(*open_auto(memory(packed), &found)), plain);
    EXPECT_EQ(found, kind());
    EXPECT_EQ(all_of(*read_ahead(open_auto(memory(packed)))), plain);
  }
}

TEST_P(Codecs, TakeInputInAnyPieces) {
  std::string plain = sample(40'000);
  std::string packed = compress(plain, kind());
  auto source = open_auto(std::make_unique<DripSource>(packed));
  std::string out;
  char byte[7];
  while (std::size_t n = source->read(byte, 1 + out.size() % 7)) out.append(byte, n);
  EXPECT_EQ(out, plain);
}

TEST_P(Codecs, ReadMembersInARow) {
  std::string one = sample(10'000);
  std::string two = sample(7'000);
  std::string packed = compress(one, kind()) + compress(two, kind()) + compress("", kind());
  EXPECT_EQ(all_of(*open_auto(memory(packed))), one + two);
  EXPECT_EQ(all_of(*open_auto(memory(packed + std::string(1000, '\0')))), one + two);
  EXPECT_EQ(all_of(*open_auto(std::make_unique<DripSource>(packed + std::string(10, '\0')))), one + two);
}

TEST_P(Codecs, RefuseOtherBytesBehind) {
  std::string packed = compress(sample(1000), kind());
  EXPECT_EQ(error_of(open_auto(memory(packed + "x"))).code, ErrorCode::data_loss);
  EXPECT_EQ(error_of(open_auto(memory(packed + std::string(600'000, '\0') + "x"))).code, ErrorCode::data_loss);
}

TEST_P(Codecs, NoticeThatTheStreamIsCut) {
  std::string packed = compress(sample(5000), kind());
  for (std::size_t size = 16; size < packed.size(); size += 1 + size / 10) {
    auto found = error_of(open_auto(memory(std::string_view(packed).substr(0, size))));
    EXPECT_EQ(found.code, ErrorCode::data_loss) << size;
    EXPECT_NE(found.text.find("ends early"), std::string::npos) << found.text;
  }
  auto last = error_of(open_auto(memory(std::string_view(packed).substr(0, packed.size() - 1))));
  EXPECT_NE(last.text.find("ends early"), std::string::npos) << last.text;
}

TEST_P(Codecs, CheckSumsAndLengths) {
  std::string plain = sample(2000);
  std::string packed = compress(plain, kind());
  // The last bytes: CRC and length of gzip, checksum of zstd, index and footer of xz, CRC of bzip2.
  for (std::size_t back = 1; back <= 8; ++back) {
    std::string bad = packed;
    bad[bad.size() - back] = static_cast<char>(bad[bad.size() - back] ^ 0x55);
    std::string got;
    ErrorText found;
    try {
      auto source = open_auto(memory(bad));
      got = all_of(*source);
    } catch (const Error& e) {
      found = {e.code(), e.message()};
    }
    // Padding bits of bzip2's last byte mean nothing; everywhere else a flip must be noticed.
    if (found.text.empty()) {
      EXPECT_EQ(kind(), Compression::bzip2) << back;
      EXPECT_EQ(got, plain);
    } else {
      EXPECT_EQ(found.code, ErrorCode::data_loss) << found.text;
    }
  }
}

// `gzip FILE` writes the file's name into the header, which is then longer than what open_auto() looks at.
TEST(Stream, GzipHeadersMayHaveAllParts) {
  std::string plain = sample(5000);
  std::string packed = compress(plain, Compression::gzip);
  std::string extra("\x03\0abc", 5), name("a-long-name-of-a-file.docker.tar\0", 33), comment("words\0", 6);
  packed[3] = 4 | 8 | 16;
  packed.insert(10, extra + name + comment);
  for (bool zlib : {false, true}) {
    archive::detail::forbid_isal(zlib);
    EXPECT_EQ(all_of(*open_auto(memory(packed))), plain);
    EXPECT_EQ(all_of(*open_auto(std::make_unique<DripSource>(packed))), plain);
    EXPECT_EQ(all_of(*open_auto(memory(packed + packed))), plain + plain);
  }
  archive::detail::forbid_isal(false);
}

INSTANTIATE_TEST_SUITE_P(All, Codecs,
                         ::testing::Values(std::pair{Compression::gzip, false}, std::pair{Compression::gzip, true},
                                           std::pair{Compression::zstd, false}, std::pair{Compression::xz, false},
                                           std::pair{Compression::bzip2, false}),
                         [](const auto& p) {
                           return std::string(to_string(p.param.first)) + (p.param.second ? "_zlib" : "");
                         });

TEST(Stream, DetectsByTheFirstBytes) {
  EXPECT_EQ(detect(""), Compression::none);
  EXPECT_EQ(detect("\x1f"), Compression::none);
  EXPECT_EQ(detect("BZh9notbzip2 but a name"), Compression::none);
  EXPECT_EQ(detect(std::string_view("\x50\x2a\x4d\x18\0\0\0\0", 8)), Compression::zstd);
  for (auto kind : all_kinds) EXPECT_EQ(detect(compress("x", kind)), kind);
  Compression found = Compression::gzip;
  EXPECT_EQ(all_of(*open_auto(memory("short"), &found)), "short");
  EXPECT_EQ(found, Compression::none);
}

TEST(Stream, ZstdWindowIsBounded) {
  // A frame header that asks for a window of 2 GiB.
  std::string frame("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 9);
  EXPECT_EQ(error_of(decompress(memory(frame), Compression::zstd)).code, ErrorCode::data_loss);
}

TEST(Stream, TeeHashesWhatPasses) {
  std::string plain = sample(300'000);
  std::string packed = compress(plain, Compression::gzip);
  Sha256 outer;
  Sha256 inner;
  std::atomic<std::uint64_t> bytes{0};
  {
    auto source = decompress(std::make_unique<TeeHashSource>(memory(packed), &outer, &bytes), Compression::gzip);
    source = read_ahead(std::make_unique<TeeHashSource>(std::move(source), &inner));
    EXPECT_EQ(drain(*source), plain.size());
  }
  EXPECT_EQ(outer.finish_hex(), sha256_hex(packed));
  EXPECT_EQ(inner.finish_hex(), sha256_hex(plain));
  EXPECT_EQ(bytes, packed.size());
}

TEST(Stream, LimitsAreExact) {
  auto limited = [](std::size_t size, std::uint64_t limit) {
    return std::make_unique<LimitedSource>(
        std::make_unique<MemorySource>(std::string_view("0123456789").substr(0, size)), limit, "file");
  };
  EXPECT_EQ(all_of(*limited(10, 10)), "0123456789");
  EXPECT_EQ(error_of(limited(10, 9)).code, ErrorCode::resource_exhausted);
  EXPECT_EQ(all_of(*limited(0, 0)), "");
  EXPECT_EQ(error_of(limited(1, 0)).code, ErrorCode::resource_exhausted);
  MemorySource ten("0123456789");
  EXPECT_THROW(read_to_end(ten, 9, "file"), Error);
}

TEST(Stream, FilesAreReadSkippedAndShared) {
  TempFolder temp;
  std::string path = temp.path() + "/f";
  write_file(path, "0123456789");
  FdSource file(open_file(path, O_RDONLY), "f");
  EXPECT_EQ(file.skip(4), 4U);
  EXPECT_EQ(all_of(file), "456789");
  EXPECT_EQ(file.skip(1), 0U);
  FdSource again(open_file(path, O_RDONLY), "f");
  EXPECT_EQ(again.skip(100), 10U);
  Fd fd = open_file(path, O_RDONLY);
  RangeSource middle(fd, 3, 4, "f");
  RangeSource first(fd, 0, 2, "f");
  EXPECT_EQ(all_of(middle), "3456");
  EXPECT_EQ(all_of(first), "01");
  EXPECT_EQ(error_of(std::make_unique<RangeSource>(fd, 8, 4, "f")).code, ErrorCode::data_loss);
  EXPECT_THROW(RangeSource(fd, 8, 4, "f").skip(4), Error);
  EXPECT_THROW(RangeSource(fd, UINT64_MAX - 1, 4, "f"), Error);
  EXPECT_THROW(FdSource(open_file(temp.path(), O_RDONLY), "d"), Error);
}

TEST(Stream, ReadAheadHandsErrorsOver) {
  std::string packed = compress(sample(2'000'000), Compression::gzip);
  auto source = read_ahead(open_auto(memory(std::string_view(packed).substr(0, packed.size() / 2))));
  EXPECT_EQ(error_of(std::move(source)).code, ErrorCode::data_loss);
}

TEST(Stream, ReadAheadEndsEarly) {
  std::string plain = sample(5'000'000);
  auto source = read_ahead(memory(plain));
  char byte;
  EXPECT_EQ(source->read(&byte, 1), 1U);
  // The destructor stops a helper that waits for room in the ring.
}

TEST(Stream, ReadAheadLetsGoOfASilentPipe) {
  Pipe pipe = make_pipe();
  write_all(pipe.write, "first", "pipe");
  auto source = read_ahead(std::make_unique<FdSource>(std::move(pipe.read), "pipe"));
  char bytes[5];
  EXPECT_EQ(read_full(*source, bytes, 5), 5U);
  source.reset();  // would wait for ever if the helper could not be woken
}

TEST(Stream, SinksKeepTheOrder) {
  TempFolder temp;
  Fd fd = open_file(temp.path() + "/f", O_RDWR | O_CREAT);
  FdSink sink(fd, "f");
  std::string big = sample(400'000);
  sink.write("a");
  sink.write(big);
  sink.write("b");
  sink.flush();
  EXPECT_EQ(read_file(temp.path() + "/f").value(), "a" + big + "b");
}

}  // namespace
}  // namespace servin::archive
