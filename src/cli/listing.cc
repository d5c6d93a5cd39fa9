// SPDX-License-Identifier: Apache-2.0
#include "cli/listing.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/strings.h"
#include "cli/template.h"
#include "cli/yaml.h"

namespace servin::cli {
namespace {

constexpr auto list_table = std::to_array<OptionSpec>({
    {.names = "--format", .value = "FORMAT", .help = "table, json, yaml or a template: '{{.Names}}'"},
    {.names = "-q,--quiet", .value = "", .help = "only ids (or names)"},
    {.names = "--no-trunc", .value = "", .help = "cut nothing"},
    {.names = "-f,--filter",
     .value = "KEY=VALUE",
     .help = "only those; keys all hold, values of one key are alternatives",
     .repeat = true},
});
constexpr auto inspect_table = std::to_array<OptionSpec>({
    {.names = "-f,--format", .value = "FORMAT", .help = "json, yaml or a template: '{{.State.Status}}'"},
});

using Json = nlohmann::ordered_json;

std::string dump(const Json& json, int indent) { return json.dump(indent, ' ', false, Json::error_handler_t::replace); }

/// Names of files may be any bytes: what is no UTF-8 becomes U+FFFD.
Json parse_document(const std::string& text) {
  if (valid_utf8(text)) return Json::parse(text);
  return Json::parse(Json::parse(dump(Json(text), -1)).get<std::string>());
}

/// Cells go through printable(): names, labels and arguments come from images, and a terminal obeys what it is sent.
std::string safe(const Context& context, std::string_view text) {
  return context.out.is_terminal() ? printable(text, true) : std::string(text);
}

/// JSON and YAML texts escape C0 themselves; on a terminal DEL and C1 must not come through either.
std::string safe_document(const Context& context, const std::string& text) {
  if (!context.out.is_terminal()) return text;
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    bool c1 = c == 0xc2 && i + 1 < text.size() && (static_cast<unsigned char>(text[i + 1]) & 0xe0U) == 0x80;
    if (c == 0x7f || c1) {
      result += fmt::format("\\u{:04x}", c1 ? static_cast<unsigned char>(text[++i]) : c);
    } else {
      result += text[i];
    }
  }
  return result;
}

Json row_object(const Listing& listing, const Row& row) {
  Json object = Json::object();
  for (std::size_t i = 0; i < listing.fields.size(); ++i) {
    object[std::string(listing.fields[i].name)] = i < row.values.size() ? row.values[i] : std::string();
  }
  return object;
}

/// What a template sees: the fields, and the labels under a name that no field has, for {{.Label "key"}}.
Json template_object(const Listing& listing, const Row& row) {
  Json object = row_object(listing, row);
  Json labels = Json::object();
  for (const auto& [key, value] : row.labels) labels[key] = value;
  object["\x01labels"] = std::move(labels);
  return object;
}

Json headers(const Listing& listing) {
  Json object = Json::object();
  for (const Field& field : listing.fields) object[std::string(field.name)] = std::string(field.header);
  object["\x01labels"] = "header";
  return object;
}

/// In --format of lists docker reads \t and \n outside of actions.
std::string unescape(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == 't' || text[i + 1] == 'n')) {
      result += text[++i] == 't' ? '\t' : '\n';
    } else {
      result += text[i];
    }
  }
  return result;
}

/// An empty list still says that a field is unknown: a script with a mistake must not wait for its first row.
void check_fields(const Template& format, const Listing& listing) {
  try {
    format.execute(template_object(listing, {}));
  } catch (const Error& e) {
    if (e.message().find("there is no field") != std::string::npos) throw;
  }
}

void print_template(Context& context, const Listing& listing, std::string_view text) {
  bool table = text.starts_with("table") && (text.size() == 5 || text[5] == ' ' || text[5] == '\\' || text[5] == '\t');
  if (table) text = trim(text.substr(5));
  Template format(unescape(text));
  if (listing.rows.empty()) check_fields(format, listing);
  std::vector<std::string> lines;
  if (table) lines.push_back(format.execute(headers(listing)));
  for (const Row& row : listing.rows) lines.push_back(format.execute(template_object(listing, row)));
  if (table) return context.out.write(safe(context, align(lines)));
  for (const std::string& line : lines) context.out.line(safe(context, line));
}

void print_yaml(Context& context, const Listing& listing) {
  Json all = Json::array();
  for (const Row& row : listing.rows) all.push_back(row_object(listing, row));
  context.out.write(safe_document(context, to_yaml(all)));
}

void print_json_lines(Context& context, const Listing& listing) {
  for (const Row& row : listing.rows) {
    std::string line = "{";
    for (std::size_t i = 0; i < listing.fields.size(); ++i) {
      if (i > 0) line += ',';
      line += servin::quoted(listing.fields[i].name) + ":" + servin::quoted(i < row.values.size() ? row.values[i] : "");
    }
    context.out.line(safe_document(context, line + "}"));
  }
}

void print_quiet(Context& context, const Listing& listing) {
  for (const Row& row : listing.rows) context.out.line(safe(context, row.values[listing.quiet]));
}

}  // namespace

std::span<const OptionSpec> listing_options() { return list_table; }
std::span<const OptionSpec> inspect_options() { return inspect_table; }

std::map<std::string, std::vector<std::string>> filters_of(const Parsed& parsed) {
  std::map<std::string, std::vector<std::string>> filters;
  for (const std::string& text : parsed.all("filter")) {
    auto pair = split_once(text, '=');
    if (!pair || pair->first.empty()) {
      throw error(ErrorCode::invalid_argument, "--filter {}: not of the form KEY=VALUE", text)
          .with_id("E-FILTER-INVALID")
          .with_hint("for example --filter name=web");
    }
    filters[std::string(trim(pair->first))].push_back(pair->second);
  }
  return filters;
}

std::optional<Time> moment_of(const Parsed& parsed, std::string_view option) {
  auto text = parsed.value(option);
  if (!text) return std::nullopt;
  try {
    return parse_since(*text, now());
  } catch (Error& e) {
    throw e.context(fmt::format("--{}", option)).with_id("E-OPTION-VALUE");
  }
}

void print_listing(Context& context, const Parsed& parsed, const Listing& listing) {
  std::string format = parsed.value_or("format", "table");
  if (format == "table" || format.empty()) {
    if (parsed.flag("quiet")) return print_quiet(context, listing);
    unsigned width = context.out.is_terminal() && !parsed.flag("no-trunc") ? context.out.columns() : 0;
    return context.out.write(render_table(listing, width));
  }
  if (format == "json") return print_json_lines(context, listing);
  if (format == "yaml") return print_yaml(context, listing);
  print_template(context, listing, format);
}

void print_documents(Context& context, const std::string& format, const std::vector<std::string>& documents) {
  if (format.empty() || format == "json") {
    Json all = Json::array();
    for (const std::string& text : documents) all.push_back(parse_document(text));
    bool lines = format == "json" && !context.out.is_terminal();
    return context.out.line(safe_document(context, dump(all, lines ? -1 : 4)));
  }
  if (format == "yaml") {
    Json all = Json::array();
    for (const std::string& text : documents) all.push_back(parse_document(text));
    return context.out.write(safe_document(context, to_yaml(all)));
  }
  Template compiled(format);
  for (const std::string& text : documents) {
    context.out.line(safe(context, compiled.execute(parse_document(text))));
  }
}

void print_check(const std::string& format, const std::string& document) {
  if (format != "json" && format != "yaml" && !format.empty()) Template(format).execute(parse_document(document));
}

void print_object(Context& context, const std::string& format, const std::string& document) {
  Json object = parse_document(document);
  if (format == "json" || format.empty()) return context.out.line(safe_document(context, dump(object, -1)));
  if (format == "yaml") return context.out.write(safe_document(context, to_yaml(object)));
  context.out.line(safe(context, Template(format).execute(object)));
}

}  // namespace servin::cli
