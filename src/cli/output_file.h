// SPDX-License-Identifier: Apache-2.0
// -o FILE: whole or what was there before. The content is written under another name beside it, which goes when this
// ends without finish(). A device or fifo is written into, never replaced; of a link the file that it leads to.
#pragma once

#include <string>

#include "os/fd.h"

namespace servin::cli {

class OutputFile {
 public:
  /// Throws errno_error naming the path.
  OutputFile(const std::string& path, unsigned mode);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  const Fd& fd() const { return file_; }
  /// On the disk, under its name.
  void finish();

 private:
  std::string path_;
  std::string unfinished_;  // "" = written straight into `path_`
  Fd file_;
};

}  // namespace servin::cli
