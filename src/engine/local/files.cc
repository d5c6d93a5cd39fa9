// SPDX-License-Identifier: Apache-2.0
// cp, export and fs: the room files/ on a container's tree, in the engine's words.
#include <algorithm>
#include <unistd.h>

#include "base/strings.h"
#include "engine/local/local.h"
#include "files/operations.h"
#include "files/pack.h"
#include "files/unpack.h"

namespace servin::engine {
namespace {

FileInfo to_info(std::string name, const struct stat& st, std::string target = "") {
  FileInfo info;
  info.name = std::move(name);
  info.target = std::move(target);
  info.mode = st.st_mode;
  info.uid = st.st_uid;
  info.gid = st.st_gid;
  info.size = static_cast<std::uint64_t>(st.st_size);
  info.links = st.st_nlink;
  info.device = st.st_rdev;
  info.modified.ns = st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec;
  return info;
}

// Keeps the tree open while it is read.
class TreeSource : public archive::ByteSource {
 public:
  TreeSource(std::shared_ptr<ContainerTree> tree, Fd top, files::PackOptions options)
      : tree_(std::move(tree)), source_(std::move(top), std::move(options)) {}
  std::size_t read(void* buffer, std::size_t n) override { return source_.read(buffer, n); }

 private:
  std::shared_ptr<ContainerTree> tree_;
  files::PackSource source_;
};

// The container in front: paths say nothing without it.
template <typename Work>
auto named(const std::string& container, Work work) {
  try {
    return work();
  } catch (Error& e) {
    throw e.context(container);
  }
}

}  // namespace

FileInfo LocalEngine::stat_path(const std::string& container, const std::string& path, bool follow) {
  Tree tree = open_tree(container, false);
  return named(container, [&] {
    auto info = files::look(tree->root(), path, follow);
    return to_info(std::move(info.name), info.st, std::move(info.target));
  });
}

std::unique_ptr<archive::ByteSource> LocalEngine::pack(const std::string& container, const PackRequest& request) {
  Tree tree = open_tree(container, request.writable);
  return named(container, [&] {
    Fd top = files::hold(tree->root(), request.path, request.follow);
    files::PackOptions options;
    options.name = request.name;
    options.sparse = request.sparse;
    emit(tree->row, "archive-path", {{"path", request.path}});
    return std::make_unique<TreeSource>(tree, std::move(top), std::move(options));
  });
}

void LocalEngine::unpack(const std::string& container, const UnpackRequest& request,
                         std::unique_ptr<archive::ByteSource> tar) {
  auto source = archive::open_auto(std::move(tar));
  Tree tree = open_tree(container, true);
  named(container, [&] {
    auto info = files::look(tree->root(), request.folder, true);
    if (!S_ISDIR(info.st.st_mode))
      throw error(ErrorCode::invalid_argument, "{} is no folder", quoted(printable(request.folder)))
          .with_id("E-PATH-KIND")
          .with_hint("name a folder");
    files::UnpackOptions options;
    if (::geteuid() != 0) {
      options.to_host = true;
    } else if (!request.keep_owners) {
      options.owner.emplace();
    }
    files::unpack(*source, tree->root(), request.folder, options);
  });
  emit(tree->row, "extract-to-dir", {{"path", request.folder}});
}

std::vector<FileInfo> LocalEngine::list_path(const std::string& container, const std::string& path) {
  Tree tree = open_tree(container, false);
  return named(container, [&] {
    std::vector<FileInfo> found;
    for (auto& info : files::list(tree->root(), path))
      found.push_back(to_info(std::move(info.name), info.st, std::move(info.target)));
    return found;
  });
}

void LocalEngine::cat(const std::string& container, const std::string& path, const Fd& out) {
  Tree tree = open_tree(container, false);
  named(container, [&] { files::cat(tree->root(), path, out); });
}

void LocalEngine::find(const std::string& container, const FindRequest& request, const FindSink& sink) {
  Tree tree = open_tree(container, false);
  named(container, [&] {
    files::find(tree->root(), request.path, {request.name, request.type, request.max_depth},
                [&](const std::string& path, const struct stat& st) { return sink(to_info(path, st)); });
  });
}

void LocalEngine::make_folder(const std::string& container, const std::string& path, std::uint32_t mode, bool parents) {
  Tree tree = open_tree(container, true);
  named(container, [&] { files::make_folder(tree->root(), path, mode, parents); });
}

void LocalEngine::remove_folder(const std::string& container, const std::string& path) {
  Tree tree = open_tree(container, true);
  named(container, [&] { files::remove_folder(tree->root(), path); });
}

void LocalEngine::remove_path(const std::string& container, const std::string& path, bool recursive, bool force) {
  Tree tree = open_tree(container, true);
  named(container, [&] { files::remove(tree->root(), path, recursive, force); });
}

void LocalEngine::move_path(const std::string& container, const std::string& from, const std::string& to) {
  Tree tree = open_tree(container, true);
  named(container, [&] { files::move(tree->root(), from, to); });
}

void LocalEngine::change_mode(const std::string& container, const std::string& path, const std::string& mode,
                              bool recursive) {
  Tree tree = open_tree(container, true);
  named(container, [&] { files::change_mode(tree->root(), path, mode, recursive); });
}

std::unique_ptr<archive::ByteSource> LocalEngine::export_root(const std::string& container) {
  Tree tree = open_root(container);
  files::PackOptions options;
  options.name = ".";
  options.bare = true;
  options.one_file_system = true;
  Fd top = tree->root().dup();
  emit(tree->row, "export");
  return std::make_unique<TreeSource>(std::move(tree), std::move(top), std::move(options));
}

}  // namespace servin::engine
