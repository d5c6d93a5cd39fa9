// SPDX-License-Identifier: Apache-2.0
// The streams of a container's first process: the engine's words for a connection to its shim.
#pragma once

#include <functional>

#include "engine/engine.h"
#include "shim/client/client.h"

namespace servin::engine {

class ShimAttachment : public Attachment {
 public:
  /// `drop_record`: called once when the container has ended; true: it is the shim's now to clear away.
  explicit ShimAttachment(shim::Client client, std::function<bool()> drop_record = nullptr)
      : client_(std::move(client)), drop_record_(std::move(drop_record)) {}
  const Fd& poll_fd() const override { return client_.poll_fd(); }
  std::optional<Event> next() override;
  bool write_stdin(std::string_view bytes) override { return client_.write_stdin(bytes); }
  void close_stdin() override { client_.close_stdin(); }
  void resize(std::uint16_t rows, std::uint16_t columns) override { client_.resize(rows, columns); }
  void signal(int number) override;
  /// A signal that ends programs makes this file: the end is one that somebody wanted.
  void mark_stopped_by(std::string path) { stopped_mark_ = std::move(path); }
  /// Output that was written before, given out first (attach --logs).
  void put_first(Event event) { first_.push_back(std::move(event)); }

 private:
  shim::Client client_;
  std::function<bool()> drop_record_;
  std::string stopped_mark_;
  std::vector<Event> first_;
  std::size_t given_ = 0;
};

}  // namespace servin::engine
