// SPDX-License-Identifier: Apache-2.0
#include "cli/catalogue.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace servin::cli {
namespace {

constexpr auto entries = std::to_array<CatalogueEntry>({
    {"E-COMMAND-UNKNOWN", "there is no such command", "The first words of the command line are no command of servin.",
     "Look at the suggestion below the error, or at the list of commands.", "servin help"},
});

}  // namespace

std::span<const CatalogueEntry> catalogue() { return entries; }

const CatalogueEntry* find_entry(std::string_view id) {
  std::string wanted = lower(id);
  if (!wanted.starts_with("e-")) return nullptr;
  for (const CatalogueEntry& entry : entries) {
    if (lower(entry.id) == wanted) return &entry;
  }
  return nullptr;
}

}  // namespace servin::cli
