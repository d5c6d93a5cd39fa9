// SPDX-License-Identifier: Apache-2.0
// Lists: docker's tables, one JSON object a line, YAML, or a template over the same fields.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "cli/command.h"
#include "cli/context.h"

namespace servin::cli {

struct Row {
  std::vector<std::string> values;            // one per field
  std::map<std::string, std::string> labels;  // for {{.Label "key"}}
};

struct Listing {
  std::vector<Field> fields;
  std::vector<Row> rows;
  std::size_t quiet = 0;  // the field of -q
};

/// As --format, -q and --no-trunc say.
void print_listing(Context& context, const Parsed& parsed, const Listing& listing);
/// Documents of `inspect` (JSON texts): an array, or a template or YAML per document.
void print_documents(Context& context, const std::string& format, const std::vector<std::string>& documents);

/// One object (a JSON text): as JSON, YAML or through a template.
void print_object(Context& context, const std::string& format, const std::string& document);

/// Throws what print_object() would say about the format.
void print_check(const std::string& format, const std::string& document);

/// --format, -q, --no-trunc and -f/--filter.
std::span<const OptionSpec> listing_options();
/// --format alone, for inspect.
std::span<const OptionSpec> inspect_options();
/// --filter key=value, repeated.
std::map<std::string, std::vector<std::string>> filters_of(const Parsed& parsed);
/// --since and --until: a time, or a duration back from now.
std::optional<Time> moment_of(const Parsed& parsed, std::string_view option);

/// Lines of cells separated by tabs, aligned as docker aligns them: at least 3 spaces between columns, at least 10
/// wide.
std::string align(const std::vector<std::string>& lines);
/// One table; with `width` > 0 the columns named by `shrink` are cut until it fits.
std::string render_table(const Listing& listing, unsigned width);

/// At most `width` characters, the last one "…" when something was cut.
std::string ellipsis(std::string_view text, std::size_t width);
/// Characters on the screen (UTF-8; wide ones count 2).
std::size_t display_width(std::string_view text);

}  // namespace servin::cli
