// SPDX-License-Identifier: Apache-2.0
// gzip, written (RFC 1952): without name and time, so that the same bytes always give the same bytes.
#pragma once

#include <memory>
#include <string_view>

#include "archive/stream.h"

namespace servin::archive {

class GzipSink : public ByteSink {
 public:
  /// `to` outlives it.
  explicit GzipSink(ByteSink& to);
  ~GzipSink() override;
  GzipSink(const GzipSink&) = delete;
  GzipSink& operator=(const GzipSink&) = delete;
  void write(std::string_view bytes) override;
  /// The end of the stream; nothing may be written afterwards.
  void finish();

 private:
  struct State;
  void run(std::string_view bytes, int flush);
  std::unique_ptr<State> state_;
  ByteSink& to_;
};

}  // namespace servin::archive
