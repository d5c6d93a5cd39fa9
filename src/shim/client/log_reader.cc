// SPDX-License-Identifier: Apache-2.0
#include "shim/client/log_reader.h"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <unistd.h>

#include <sys/inotify.h>

#include "base/log.h"
#include "os/file.h"
#include "shim/client/client.h"
#include "shim/client/log_file.h"

namespace servin::shim {
namespace {

/// Where reading starts: in one of the files, newest = 0.
struct Place {
  std::size_t file = 0;
  std::uint64_t offset = 0;
};

/// Backwards from the end until `tail` lines of the wanted streams are behind. A long line lies in several records: all
/// but its last have no new line.
Place place_of_tail(const std::vector<LogFile>& files, const LogQuery& q) {
  std::int64_t lines = 0;
  bool at_end = true;
  for (std::size_t i = 0; i < files.size(); ++i) {
    BackwardLines back(files[i].descriptor());
    while (auto line = back.next()) {
      auto record = parse_log_record(*line);
      if (!record || !(record->err ? q.err : q.out)) continue;
      if (at_end || record->text.ends_with('\n')) {
        if (lines == q.tail) return {i, back.end_offset()};
        ++lines;
      }
      at_end = false;
    }
  }
  return {files.empty() ? 0 : files.size() - 1, 0};
}

/// Wakes for changes in the log's folder.
class FolderWatch {
 public:
  explicit FolderWatch(const std::string& path) : fd_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    std::string folder = path.substr(0, path.rfind('/'));
    if (!fd_) throw_errno("watch {}", folder);
    if (::inotify_add_watch(fd_.get(), folder.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF) < 0)
      throw_errno("watch {}", folder);
  }
  const Fd& fd() const { return fd_; }
  void drain() {
    char buffer[4096];
    while (::read(fd_.get(), buffer, sizeof buffer) > 0) {
    }
  }

 private:
  Fd fd_;
};

class Reading {
 public:
  Reading(const std::string& path, const LogQuery& q, const LogRecordSink& sink) : path_(path), q_(q), sink_(sink) {}
  ~Reading() {
    if (damaged_ > 0) log::warn("{}: {} damaged lines were left out", path_, damaged_);
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  /// What is there. False: the sink or the time span says it is enough.
  bool existing() {
    auto files = open_log_files(path_);
    if (files.empty()) return true;
    Place start;
    if (q_.tail >= 0)
      start = place_of_tail(files, q_);
    else
      start.file = files.size() - 1;
    for (std::size_t i = start.file + 1; i-- > 0;) {
      file_.emplace(std::move(files[i]));
      if (i == start.file) file_->seek(start.offset);
      if (!read_file_to_end()) return false;
    }
    return true;
  }

  /// What came since. Follows the file by its identity: renamed by a rotation it is read to its end first.
  bool more() {
    for (;;) {
      if (file_) {
        file_->notice_truncation();
        if (!read_file_to_end()) return false;
      }
      auto files = log_files(path_);
      std::size_t ours = find_ours(files);
      if (ours == 0 || files.empty()) return true;
      // The writer may have finished our file between the read and the look.
      if (file_ && !read_file_to_end()) return false;
      auto next = LogFile::open(files[ours - 1]);
      if (!next) continue;
      file_.emplace(std::move(*next));
    }
  }

 private:
  /// Its number among the files; files.size() when it is none of them any more (then all are newer).
  std::size_t find_ours(const std::vector<std::string>& files) const {
    for (std::size_t i = 0; i < files.size() && file_; ++i) {
      auto candidate = LogFile::open(files[i]);
      if (candidate && candidate->id() == file_->id()) return i;
    }
    return files.size();
  }

  bool read_file_to_end() {
    while (auto line = file_->next_line()) {
      auto record = parse_log_record(*line);
      if (!record) {
        ++damaged_;
        continue;
      }
      if (q_.until && record->time > *q_.until) return false;
      if (!(record->err ? q_.err : q_.out) || (q_.since && record->time < *q_.since)) continue;
      if (!sink_(*record)) return false;
    }
    return true;
  }

  const std::string& path_;
  const LogQuery& q_;
  const LogRecordSink& sink_;
  std::optional<LogFile> file_;
  std::uint64_t damaged_ = 0;
};

std::optional<Client> connect_for_end(const std::string& run_dir) {
  try {
    return Client::connect(run_dir, false, false, false);
  } catch (const Error&) {
    return std::nullopt;  // it does not run
  }
}

/// True when there may be more; false at the time limit.
bool wait_for_more(FolderWatch& watch, const Client& shim, const LogQuery& q) {
  pollfd p[2] = {{watch.fd().get(), POLLIN, 0}, {shim.poll_fd().get(), POLLIN, 0}};
  std::int64_t left = q.until ? q.until->ns - now().ns : 0;
  if (q.until && left <= 0) return false;
  timespec limit{left / 1'000'000'000, left % 1'000'000'000};
  int n = ::ppoll(p, 2, q.until ? &limit : nullptr, nullptr);
  if (n < 0 && errno != EINTR) throw_errno("wait for a log");
  watch.drain();
  return true;
}

bool has_ended(Client& shim) {
  while (auto frame = shim.next())
    if (frame->kind == Client::Kind::exited) return true;
  return shim.closed();
}

void follow(Reading& reading, const std::string& path, const std::string& run_dir, const LogQuery& q) {
  std::optional<FolderWatch> watch;
  std::optional<Client> shim = connect_for_end(run_dir);
  if (shim) watch.emplace(path);
  if (!reading.existing()) return;
  if (!shim) return;
  for (;;) {
    // Asked before the reading: when it has ended by then, this reading has seen everything.
    bool ended = has_ended(*shim);
    if (!reading.more() || ended) return;
    if (!wait_for_more(*watch, *shim, q)) return;
  }
}

}  // namespace

void read_log(const std::string& path, const std::string& run_dir, const LogQuery& query, const LogRecordSink& sink) {
  Reading reading(path, query, sink);
  if (query.follow)
    follow(reading, path, run_dir, query);
  else
    reading.existing();
}

}  // namespace servin::shim
