// SPDX-License-Identifier: Apache-2.0
#include "image/downloads.h"

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <poll.h>
#include <system_error>
#include <unistd.h>

#include <sys/stat.h>

#include "base/log.h"
#include "base/strings.h"
#include "os/file.h"

namespace servin::image {

namespace {

constexpr std::size_t parallel = 4;
constexpr std::size_t piece = 1U << 20U;
constexpr int pipe_size = 1 << 20;
constexpr std::uint64_t flush_step = 8U << 20U;
constexpr int poll_ms = 200;

}  // namespace

struct Downloads::Item {
  oci::Descriptor blob;
  std::string path;
  Fd file;  // until it is whole
  std::atomic<std::uint64_t> available = 0;
  std::uint64_t flushed = 0;
  Fd pipe;
  std::uint64_t request = 0;
  std::size_t place = 0;
  bool answered = false;  // of the present request
  std::optional<Error> refusal;
  // With the mutex held:
  bool whole = false;
  std::exception_ptr failure;
  // The reporting thread's:
  std::uint64_t reported = UINT64_MAX;
  bool reported_end = false;
};

/// Reads what is there of a file that grows, and waits for the rest.
class Downloads::Follower : public archive::ByteSource {
 public:
  Follower(Downloads& owner, Item& item)
      : owner_(owner), item_(item), file_(open_file(item.path, O_RDONLY | O_NOFOLLOW)) {}

  std::size_t read(void* buffer, std::size_t n) override {
    std::uint64_t left = wait();
    if (left == 0) return 0;
    n = std::min<std::uint64_t>(n, left);
    ssize_t got = ::pread(file_.get(), buffer, n, static_cast<off_t>(at_));
    if (got < 0) throw_errno("read {}", item_.path);
    if (got == 0)
      throw error(ErrorCode::data_loss, "{} was cut short by somebody", item_.path).with_id("E-IMAGE-DAMAGED");
    at_ += static_cast<std::uint64_t>(got);
    return static_cast<std::size_t>(got);
  }
  void cancel() noexcept override {
    std::unique_lock lock(owner_.mutex_);
    cancelled_ = true;
    owner_.grown_.notify_all();
  }

 private:
  std::uint64_t wait() {
    std::unique_lock lock(owner_.mutex_);
    owner_.grown_.wait(lock, [&] { return cancelled_ || item_.whole || item_.failure || item_.available > at_; });
    if (cancelled_) throw Error(ErrorCode::cancelled, "stopped");
    if (item_.available > at_) return item_.available - at_;
    if (item_.failure) std::rethrow_exception(item_.failure);
    return 0;
  }

  Downloads& owner_;
  Item& item_;
  Fd file_;
  std::uint64_t at_ = 0;
  bool cancelled_ = false;
};

Downloads::Downloads(transfer::Client& client, const std::vector<RegistryPlace>& places, const Paths& paths)
    : client_(client), places_(places), paths_(paths) {}

Downloads::~Downloads() { stop(); }

void Downloads::stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

std::size_t Downloads::add(const oci::Descriptor& blob) {
  make_dirs(paths_.downloads());
  auto item = std::make_unique<Item>();
  item->blob = blob;
  item->path = paths_.downloads() + "/" + blob.digest.hex();
  item->file = open_file(item->path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  struct stat st{};
  if (::fstat(item->file.get(), &st) != 0) throw_errno("read {}", item->path);
  auto have = static_cast<std::uint64_t>(st.st_size);
  // Longer than it should be; or a second name of a blob in the store (a pull was killed at its end), which nobody
  // writes to.
  if (have > blob.size || (have < blob.size && st.st_nlink > 1)) {
    if (::unlink(item->path.c_str()) != 0) throw_errno("remove {}", item->path);
    item->file = open_file(item->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    have = 0;
  }
  item->available = have;
  item->flushed = have;
  resumed_ = resumed_ || have > 0;
  if (have == blob.size) {
    item->whole = true;
    item->file.reset();
  }
  items_.push_back(std::move(item));
  return items_.size() - 1;
}

const std::string& Downloads::file(std::size_t number) const { return items_.at(number)->path; }

std::unique_ptr<archive::ByteSource> Downloads::open(std::size_t number) {
  return std::make_unique<Follower>(*this, *items_.at(number));
}

void Downloads::start() {
  for (auto& item : items_)
    if (!item->whole) waiting_.push_back(item.get());
  std::ranges::stable_sort(waiting_, [](const Item* a, const Item* b) { return a->blob.size < b->blob.size; });
  if (waiting_.empty()) return;
  try {
    thread_ = std::thread([this] { pump(); });
  } catch (const std::system_error& e) {
    throw error(ErrorCode::resource_exhausted, "no thread for the downloads: {}", e.what())
        .with_hint("the limit of processes is reached: ulimit -u, or pids.max of the control group");
  }
}

void Downloads::discard() {
  stop();
  for (auto& item : items_) ::unlink(item->path.c_str());
}

std::optional<oci::Digest> Downloads::find_damaged() {
  stop();
  std::string buffer(piece, '\0');
  for (auto& item : items_) {
    if (!item->whole) continue;
    Fd file = open_file(item->path, O_RDONLY | O_NOFOLLOW);
    Sha256 hash;
    while (std::size_t n = read_some(file, buffer.data(), buffer.size(), item->path))
      hash.update(std::string_view(buffer.data(), n));
    if (hash.finish_hex() != item->blob.digest.hex()) return item->blob.digest;
  }
  return std::nullopt;
}

void Downloads::report(const ProgressSink& sink) {
  if (!sink) return;
  for (auto& item : items_) {
    std::uint64_t done = item->available;
    bool end = done == item->blob.size;
    if (done == item->reported && end == item->reported_end) continue;
    if (item->reported == UINT64_MAX && done == 0) continue;  // still waits for its turn
    item->reported = done;
    item->reported_end = end;
    sink(Progress{"downloading", item->blob.digest.hex().substr(0, 12), done, item->blob.size, end});
  }
}

void Downloads::fail(Item& item, const std::exception_ptr& why) {
  std::unique_lock lock(mutex_);
  if (!item.whole && !item.failure) item.failure = why;
  grown_.notify_all();
}

void Downloads::pump() {
  std::exception_ptr problem;
  try {
    buffer_.resize(piece);
    for (;;) {
      launch();
      if (active_.empty()) return;
      std::vector<pollfd> set = {{client_.socket().get(), POLLIN, 0}};
      std::vector<Item*> sources;
      for (Item* item : active_) {
        if (!item->pipe) continue;
        set.push_back({item->pipe.get(), POLLIN, 0});
        sources.push_back(item);
      }
      if (::poll(set.data(), set.size(), client_.has_line() ? 0 : poll_ms) < 0 && errno != EINTR)
        throw_errno("wait for a registry");
      if (stop_) throw Error(ErrorCode::cancelled, "stopped");
      for (std::size_t i = 0; i < sources.size(); ++i)
        if (set[i + 1].revents != 0) take(*sources[i]);
      if (client_.has_line() || set[0].revents != 0) hear(client_.receive());
    }
  } catch (...) {
    problem = std::current_exception();
  }
  for (auto& item : items_) fail(*item, problem);
}

void Downloads::launch() {
  while (active_.size() < parallel && !waiting_.empty()) {
    Item* item = waiting_.back();
    waiting_.pop_back();
    active_.push_back(item);
    ask(*item);
  }
}

void Downloads::ask(Item& item) {
  const RegistryPlace& place = places_.at(item.place);
  Pipe pipe = make_pipe();
  ::fcntl(pipe.read.get(), F_SETPIPE_SZ, pipe_size);
  transfer::Client::Request request;
  request.endpoint = place.endpoint;
  request.op = "blob";
  request.text = {{"repository", place.repository}, {"digest", item.blob.digest.str()}};
  request.numbers = {{"size", item.blob.size}, {"offset", item.available}};
  request.fd = &pipe.write;
  item.answered = false;
  item.refusal.reset();
  item.request = client_.send(request);
  item.pipe = std::move(pipe.read);
}

void Downloads::take(Item& item) {
  std::size_t n = read_some(item.pipe, buffer_.data(), buffer_.size(), "a registry's pipe");
  if (n == 0) {
    item.pipe.reset();
    settle(item);
    return;
  }
  std::uint64_t have = item.available;
  if (n > item.blob.size - have)
    throw error(ErrorCode::data_loss, "blob {} has more than its {} bytes", item.blob.digest.str(), item.blob.size)
        .with_id("E-REGISTRY-LIES");
  std::string_view bytes(buffer_.data(), n);
  while (!bytes.empty()) {
    ssize_t written = ::pwrite(item.file.get(), bytes.data(), bytes.size(), static_cast<off_t>(have));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_errno("write {}", item.path);
    have += static_cast<std::uint64_t>(written);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  if (have - item.flushed >= flush_step) {
    // The disk begins with it now, so that the sync at the end finds little left to do.
    ::sync_file_range(item.file.get(), static_cast<off64_t>(item.flushed), static_cast<off64_t>(have - item.flushed),
                      SYNC_FILE_RANGE_WRITE);
    item.flushed = have;
  }
  std::unique_lock lock(mutex_);
  item.available = have;
  grown_.notify_all();
}

void Downloads::hear(const transfer::Answer& answer) {
  auto at = std::ranges::find_if(active_, [&](const Item* i) { return i->request == answer.id; });
  if (at == active_.end() || !answer.finished) return;
  (*at)->answered = true;
  (*at)->refusal = answer.failure;
  settle(**at);
}

/// Both the answer and the end of the bytes are in: it is whole, another place is asked, or all is over.
void Downloads::settle(Item& item) {
  if (!item.answered || item.pipe) return;
  // A connection that broke after the last byte does no harm; a stream that goes on behind it is no honest one.
  bool whole = item.available == item.blob.size && (!item.refusal || item.refusal->id() != "E-REGISTRY-LIES");
  if (!whole && !item.refusal)
    item.refusal = error(ErrorCode::data_loss, "blob {} has {} bytes, not {}", item.blob.digest.str(),
                         item.available.load(), item.blob.size)
                       .with_id("E-REGISTRY-LIES");
  if (whole) {
    std::erase(active_, &item);
    item.file.reset();
    std::unique_lock lock(mutex_);
    item.whole = true;
    grown_.notify_all();
    return;
  }
  if (item.place + 1 < places_.size()) {
    log::debug("{}: {}", places_[item.place].host, item.refusal->message());
    ++item.place;
    ask(item);
    return;
  }
  throw Error(*item.refusal);
}

}  // namespace servin::image
