// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <signal.h>
#include <system_error>
#include <thread>
#include <vector>

#include "archive/stream.h"
#include "base/log.h"

namespace servin::archive {
namespace {

constexpr std::size_t slots = 4;
constexpr std::size_t slot_size = 256U << 10U;

class ReadAhead : public ByteSource {
 public:
  explicit ReadAhead(std::unique_ptr<ByteSource> from) : from_(std::move(from)) {
    for (auto& slot : ring_) slot.bytes.resize(slot_size);
  }
  ~ReadAhead() override {
    if (!thread_.joinable()) return;
    cancel();
    thread_.join();
  }

  // False when the system gives no thread (pids limit).
  bool start() {
    // Signals are for the thread that called us: a handler or a signalfd of the program must not lose one to the
    // helper.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      thread_ = std::thread([this] { fill(); });
    } catch (const std::system_error& e) {
      log::debug("read without a helper thread: {}", e.what());
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread_.joinable();
  }
  std::unique_ptr<ByteSource> take_source() { return std::move(from_); }

  std::size_t read(void* out, std::size_t n) override {
    Slot& slot = ring_[tail_ % slots];
    if (used_ == 0 && !wait_for_slot()) return 0;
    n = std::min(n, slot.size - used_);
    std::memcpy(out, slot.bytes.data() + used_, n);
    used_ += n;
    if (used_ == slot.size) release_slot();
    return n;
  }

  void cancel() noexcept override {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    from_->cancel();
  }

 private:
  struct Slot {
    std::vector<char> bytes;
    std::size_t size = 0;
  };

  bool wait_for_slot() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return tail_ != head_ || done_; });
    if (tail_ != head_) return true;
    if (error_) std::rethrow_exception(error_);
    return false;
  }

  void release_slot() {
    used_ = 0;
    std::lock_guard lock(mutex_);
    ++tail_;
    changed_.notify_all();
  }

  // The helper thread: no exception leaves it but through error_.
  void fill() {
    try {
      while (fill_slot()) {
      }
    } catch (...) {
      error_ = std::current_exception();
    }
    std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }

  bool fill_slot() {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return head_ - tail_ < slots || stop_; });
      if (stop_) return false;
    }
    Slot& slot = ring_[head_ % slots];
    // Small reads (a pipe, a block of a codec) are gathered, but only as long as nobody waits for them.
    slot.size = 0;
    std::size_t got = 0;
    do {
      got = from_->read(slot.bytes.data() + slot.size, slot_size - slot.size);
      slot.size += got;
    } while (got != 0 && slot.size < slot_size && !is_waited_for());
    if (slot.size == 0) return false;
    std::lock_guard lock(mutex_);
    ++head_;
    changed_.notify_all();
    return got != 0;
  }

  bool is_waited_for() {
    std::lock_guard lock(mutex_);
    return head_ == tail_ || stop_;
  }

  std::unique_ptr<ByteSource> from_;
  Slot ring_[slots];
  std::size_t used_ = 0;  // of the slot at tail_; the reader's own
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t head_ = 0;  // slots filled
  std::uint64_t tail_ = 0;  // slots given back
  bool done_ = false;
  bool stop_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<ByteSource> read_ahead(std::unique_ptr<ByteSource> from) {
  auto ahead = std::make_unique<ReadAhead>(std::move(from));
  if (!ahead->start()) return ahead->take_source();  // slower, but the same bytes
  return ahead;
}

}  // namespace servin::archive
