// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <condition_variable>
#include <exception>
#include <fcntl.h>
#include <mutex>
#include <system_error>
#include <thread>
#include <unistd.h>

#include <sys/stat.h>

#include "base/log.h"
#include "image/intake_job.h"
#include "image/layer_type.h"

namespace servin::image {

bool is_plain(const LayerSource& source) {
  char first[16] = {};
  auto bytes = source.open();
  std::size_t got = archive::read_full(*bytes, first, sizeof first);
  return archive::detect(std::string_view(first, got)) == archive::Compression::none;
}

void sync_file_system(const std::string& path) {
  Fd fd = open_file(path, O_RDONLY | O_DIRECTORY);
  if (::syncfs(fd.get()) != 0) throw_errno("sync the file system of {}", path);
}

Known known_things(ImageStore& store) {
  Known known;
  for (const state::ImageRow& row : store.database().images()) {
    try {
      oci::Manifest manifest = oci::parse_manifest(row.manifest_json);
      oci::ImageConfig config = oci::parse_image_config(row.config_json);
      for (const oci::Digest& chain : oci::chain_ids(config.diff_ids)) known.chains.insert(chain.hex());
      for (std::size_t i = 0; i < manifest.layers.size() && i < config.diff_ids.size(); ++i) {
        const oci::Descriptor& layer = manifest.layers[i];
        struct stat st{};
        if (::lstat(store.paths().blob(layer.digest.hex()).c_str(), &st) != 0 || !S_ISREG(st.st_mode)) continue;
        // A blob that was cut short is written again.
        if (static_cast<std::uint64_t>(st.st_size) != layer.size) continue;
        known.blobs[layer.digest.hex()] = {config.diff_ids[i], layer.size, compression_of(layer.media_type)};
      }
    } catch (const Error& e) {
      // doctor speaks of it; a damaged image must not keep others from being loaded.
      log::debug("image {}: {}", row.id, e.what());
    }
  }
  return known;
}

/// Two layers at a time, each with a thread that reads ahead. The caller's thread only waits and reports.
void Intake::run_all() {
  std::vector<Job*> todo;
  for (auto& job : jobs_)
    if (!job->done()) todo.push_back(job.get());
  // The largest first: it is what the others have to wait for at the end.
  std::ranges::stable_sort(todo, [](const Job* a, const Job* b) { return a->source.size > b->source.size; });

  std::mutex mutex;
  std::condition_variable changed;
  std::exception_ptr failure;
  std::size_t next = 0, finished = 0;
  auto work = [&] {
    std::unique_lock lock(mutex);
    while (next < todo.size() && !failure) {
      std::size_t number = next++;
      lock.unlock();
      std::exception_ptr problem;
      try {
        run(*todo[number], number);
      } catch (...) {
        problem = std::current_exception();
        stop_ = true;
      }
      lock.lock();
      if (problem && !failure) failure = problem;
    }
    ++finished;
    changed.notify_all();
  };

  const std::size_t wanted = std::min<std::size_t>(todo.size(), 2);
  std::vector<std::jthread> threads;
  try {
    while (threads.size() < wanted) threads.emplace_back(work);
  } catch (const std::system_error& e) {  // the limit of processes
    log::debug("unpack with fewer threads: {}", e.what());
  }
  if (threads.empty()) work();
  {
    std::unique_lock lock(mutex);
    while (finished < threads.size()) {
      changed.wait_for(lock, std::chrono::milliseconds(100));
      lock.unlock();
      report("unpacking", done_, total_, false);
      lock.lock();
    }
  }
  threads.clear();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace servin::image
