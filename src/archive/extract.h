// SPDX-License-Identifier: Apache-2.0
// Unpacks one image layer into a folder of its own, in the form that overlayfs stacks: a whiteout `.wh.NAME` becomes a
// character device 0:0 called NAME, an opaque marker `.wh..wh..opq` becomes trusted.overlay.opaque=y on its folder (OCI
// image-spec, layer.md).
//
// Whatever the archive says, nothing outside the folder is touched: each entry is made relative to a descriptor of its
// parent, which the kernel resolved inside the folder; the last component is never followed; links inside the archive
// lead to places inside the folder. Names that climb out ("../x") are refused, absolute names start at the folder. The
// folder should be private (0700 parent) and empty.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "archive/stream.h"
#include "os/fd.h"

namespace servin::archive {

struct ExtractLimits {
  std::uint64_t max_entries = 5'000'000;  // members of the archive and folders that they imply
  std::uint64_t max_bytes =
      128ULL << 30U;  // sizes of all files together, holes included; and of what follows the archive's end
  std::uint64_t max_folder_memory = 256U << 20U;  // what remembering the folders' times until the end may cost
};

enum class WhiteoutForm {
  overlay,  // device nodes and xattrs, as above; needs root
  plain,    // a whiteout in the archive is an error: for a root file system, which stands on nothing
};

struct ExtractOptions {
  ExtractLimits limits;
  WhiteoutForm whiteouts = WhiteoutForm::overlay;
  /// False: everything belongs to the caller, setuid bits and capabilities are kept out (for programs that are not
  /// root).
  bool owners = true;
};

struct ExtractResult {
  std::uint64_t entries = 0;  // as max_entries counts
  std::uint64_t bytes = 0;    // as max_bytes counts
  std::uint64_t whiteouts = 0;
  /// The layer's root is opaque: all layers below it must be left out of the stack, since overlayfs looks at no root's
  /// attributes.
  bool opaque_root = false;
  /// Folders that entries lie in but that have no entry of their own (relative paths, parents first). In an overlay
  /// they hide the attributes of the same folder in the layers below; inherit_folders() puts that right.
  std::vector<std::string> implied_folders;
};

/// Reads `tar` (uncompressed) to its end. `folder` is a descriptor of the destination (O_PATH will do). Throws
/// E-ARCHIVE-UNSAFE (invalid_argument), E-ARCHIVE-DAMAGED (data_loss), E-ARCHIVE-LIMIT (resource_exhausted) or what the
/// kernel said; the folder then holds a part of the layer and the caller removes it.
ExtractResult extract_layer(ByteSource& tar, const Fd& folder, const ExtractOptions& options = {});

/// Gives implied folders the mode, owner, times and xattrs of the same folder in the first of `lower` (topmost layer
/// first) that has it.
void inherit_folders(const Fd& folder, const std::vector<std::string>& implied_folders,
                     const std::vector<const Fd*>& lower);

}  // namespace servin::archive
