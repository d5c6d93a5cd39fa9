// SPDX-License-Identifier: Apache-2.0
// The files of an image archive by name: a tar that can be read at any place, or a folder. Names in archives are
// hostile: they are looked up in an index or opened without following links, never joined to a path of the host.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "archive/stream.h"
#include "os/fd.h"

namespace servin::image {

class Bundle {
 public:
  virtual ~Bundle() = default;
  virtual bool has(const std::string& path) const = 0;
  /// Throws E-IMAGE-INVALID when the archive has no such regular file.
  virtual std::uint64_t size(const std::string& path) const = 0;
  /// The file's bytes. May be called from several threads.
  virtual std::unique_ptr<archive::ByteSource> open(const std::string& path) const = 0;
  /// A document.
  std::string read(const std::string& path, std::size_t limit) const;
};

/// An uncompressed tar in a regular file. Links inside it are followed (older dockers stored equal layers as links),
/// inside it only. `file` outlives the bundle.
class TarBundle : public Bundle {
 public:
  TarBundle(const Fd& file, std::string name);
  bool has(const std::string& path) const override;
  std::uint64_t size(const std::string& path) const override;
  std::unique_ptr<archive::ByteSource> open(const std::string& path) const override;

 private:
  struct Member {
    std::uint64_t offset = 0, size = 0;
    std::string link;  // normalised target of a link, else empty
    bool usable = false;
  };
  const Member* look_up(std::string path) const;
  const Member& require(const std::string& path) const;

  const Fd& file_;
  std::string name_;
  std::map<std::string, Member> members_;
};

class FolderBundle : public Bundle {
 public:
  FolderBundle(const Fd& folder, std::string name) : folder_(folder), name_(std::move(name)) {}
  bool has(const std::string& path) const override;
  std::uint64_t size(const std::string& path) const override;
  std::unique_ptr<archive::ByteSource> open(const std::string& path) const override;

 private:
  Fd open_regular(const std::string& path) const;
  const Fd& folder_;
  std::string name_;
};

}  // namespace servin::image
