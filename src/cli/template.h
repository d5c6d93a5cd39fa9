// SPDX-License-Identifier: Apache-2.0
// The subset of Go's text/template that --format takes: fields, pipelines, if/else, range, with, variables, the
// functions json join upper lower title split println printf print index slice len eq ne lt le gt ge and or not, and
// docker's `table` directive (listing.cc). An unknown field is an error that lists the known ones.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace servin::cli {

class Template {
 public:
  /// Throws E-FORMAT-INVALID with the place.
  explicit Template(std::string_view text);
  ~Template();
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;

  /// Throws E-FORMAT-INVALID.
  std::string execute(const nlohmann::ordered_json& data) const;

  struct Node;

 private:
  std::unique_ptr<Node> root_;
};

}  // namespace servin::cli
