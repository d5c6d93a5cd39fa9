// SPDX-License-Identifier: Apache-2.0
// A tree as a tar stream, made while it is read: nothing is held but the file that is on its way, no thread and no
// process is needed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "archive/stream.h"
#include "archive/tar_writer.h"
#include "files/walk.h"

namespace servin::files {

struct PackOptions {
  std::string name;     // of the top in the archive; "." for a folder of which only the content is wanted
  bool bare = false;    // name is ".": no "./" before names, no entry for the folder itself
  bool sparse = false;  // holes stay holes (PAX sparse 1.0); without it they are zero bytes, which every reader knows
  /// A container's upper folder as an image layer: bare, with whiteouts and opaque folders in the layer's form.
  bool layer = false;
  bool one_file_system = false;  // folders of other ones stay empty
  /// True leaves it out, with what lies below.
  std::function<bool(const Walker::Visit&)> leave_out = {};
};

class PackSource : public archive::ByteSource {
 public:
  /// `top`: O_PATH of a file, folder or link (links are packed as links).
  PackSource(Fd top, PackOptions options);
  std::size_t read(void* buffer, std::size_t n) override;

 private:
  void advance();
  void add(Walker::Visit& v);
  void add_file(Walker::Visit& v, archive::TarEntry entry);
  void add_made_up_file(const Walker::Visit& v, archive::TarEntry entry);
  void add_piece();
  bool add_whiteout(const Walker::Visit& v);
  void add_opaque(const Walker::Visit& v);
  archive::TarEntry describe(const Walker::Visit& v, const std::string& path);
  std::string shown_path(const std::string& path) const;

  PackOptions options_;
  Walker walker_;
  archive::StringSink ready_;
  std::string out_;  // taken from ready_
  std::size_t given_ = 0;
  archive::TarWriter writer_;
  dev_t device_ = 0;  // of the folder above
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
  // The file that is on its way.
  Fd file_;
  std::string file_path_;
  std::vector<archive::SparseChunk> pieces_;  // still to do, the last one first
  bool at_end_ = false;
};

}  // namespace servin::files
