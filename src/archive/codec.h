// SPDX-License-Identifier: Apache-2.0
// The decompressors behind decompress(), one interface for all of them.
#pragma once

#include <cstddef>
#include <memory>

#include "archive/stream.h"

namespace servin::archive {

class Codec {
 public:
  struct Step {
    std::size_t used = 0;     // of the input
    std::size_t made = 0;     // of the output
    bool member_end = false;  // checksum and length were right; what follows is a new member or padding
  };
  virtual ~Codec() = default;
  /// Throws Error. With no input it only gives out what it still holds.
  virtual Step run(const unsigned char* in, std::size_t in_size, unsigned char* out, std::size_t out_size) = 0;
  /// Ready for the next member.
  virtual void restart() = 0;
};

std::unique_ptr<Codec> make_gzip_codec();
/// Null when libisal.so.2 is not installed.
std::unique_ptr<Codec> make_isal_codec();
std::unique_ptr<Codec> make_zstd_codec();
std::unique_ptr<Codec> make_xz_codec();
std::unique_ptr<Codec> make_bzip2_codec();

}  // namespace servin::archive
