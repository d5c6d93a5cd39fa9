// SPDX-License-Identifier: Apache-2.0
#include "cli/catalogue.h"

#include <algorithm>
#include <vector>

#include "base/strings.h"

namespace servin::cli {

std::span<const CatalogueEntry> catalogue() {
  static const std::vector<CatalogueEntry> all = [] {
    std::vector<CatalogueEntry> list;
    for (auto part : {catalogue_of_objects(), catalogue_of_use(), catalogue_of_registries()})
      list.insert(list.end(), part.begin(), part.end());
    std::ranges::sort(list, {}, &CatalogueEntry::id);
    return list;
  }();
  return all;
}

const CatalogueEntry* find_entry(std::string_view id) {
  std::string wanted = lower(id);
  if (!wanted.starts_with("e-")) return nullptr;
  for (const CatalogueEntry& entry : catalogue()) {
    if (lower(entry.id) == wanted) return &entry;
  }
  return nullptr;
}

}  // namespace servin::cli
