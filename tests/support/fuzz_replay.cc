// SPDX-License-Identifier: Apache-2.0
// Replays the corpus of one fuzzer in the unit lane: every find stays found, without a fuzzing engine.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include <gtest/gtest.h>

// The names are libFuzzer's.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size);  // NOLINT(readability-identifier-naming)

namespace {
namespace fs = std::filesystem;

TEST(FuzzReplay, EmptyInput) { EXPECT_EQ(LLVMFuzzerTestOneInput(nullptr, 0), 0); }

TEST(FuzzReplay, Corpus) {
  if (!fs::is_directory(SERVIN_CORPUS_DIR)) GTEST_FAIL() << "a fuzzer needs seeds in " << SERVIN_CORPUS_DIR;
  int inputs = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(SERVIN_CORPUS_DIR)) {
    if (!entry.is_regular_file()) continue;
    SCOPED_TRACE(entry.path().string());
    std::ifstream file(entry.path(), std::ios::binary);
    std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
    LLVMFuzzerTestOneInput(input.data(), input.size());
    ++inputs;
  }
  EXPECT_GT(inputs, 0);
}
}  // namespace
