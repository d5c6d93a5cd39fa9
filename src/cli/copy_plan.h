// SPDX-License-Identifier: Apache-2.0
// The rules of cp, which are docker's: what "CONTAINER:PATH" means, and which name a copy gets where. Pure.
#pragma once

#include <string>
#include <string_view>

namespace servin::cli {

struct CopyPlace {
  std::string container;  // "" = this host
  std::string path;
  bool is_stream() const { return container.empty() && path == "-"; }
};
/// "web:/etc", "./a:b" (a local file: it begins with . or /), "-".
CopyPlace parse_place(std::string_view text);

/// What is known of one end of a copy.
struct CopyEnd {
  std::string path;  // as given
  bool exists = false;
  bool is_folder = false;
};
struct CopyPlan {
  std::string folder;  // where it goes to; exists
  std::string name;    // its name there; "." = the content of the folder goes right into it
};
/// The source exists. Throws E-PATH-KIND or E-PATH-NOT-FOUND for what docker refuses.
CopyPlan plan_copy(const CopyEnd& from, const CopyEnd& to);

/// "/a/b/" -> "b", "/a/.." -> "..", "/" -> ".".
std::string last_name(std::string_view path);
/// "/a/b/" -> "/a/", "b" -> ".".
std::string folder_of(std::string_view path);
/// Does it end in "/." (or is it ".")? Then only the content is meant.
bool is_content_only(std::string_view path);
/// Where a link at `path` that says `target` leads.
std::string join_link(std::string_view path, std::string_view target);

}  // namespace servin::cli
