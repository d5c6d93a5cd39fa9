// SPDX-License-Identifier: Apache-2.0
// The catalogue of errors: what `servin help E-...` says about each id that an Error can carry. docs/errors.md is made
// from it (`servin help --codes --format markdown`).
#pragma once

#include <span>
#include <string_view>

namespace servin::cli {

struct CatalogueEntry {
  std::string_view id;
  std::string_view title;    // what happened, in one line
  std::string_view cause;    // why it happens
  std::string_view cure;     // what to do
  std::string_view example;  // a command that helps; may be empty
};

/// Sorted by id.
std::span<const CatalogueEntry> catalogue();
std::span<const CatalogueEntry> catalogue_of_objects();  // catalogue_objects.cc
std::span<const CatalogueEntry> catalogue_of_registries();
std::span<const CatalogueEntry> catalogue_of_use();  // catalogue_use.cc
/// Case does not matter. Null when there is none.
const CatalogueEntry* find_entry(std::string_view id);

}  // namespace servin::cli
