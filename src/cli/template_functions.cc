// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <map>

#include "base/strings.h"
#include "cli/template_nodes.h"

namespace servin::cli {
namespace {

using Args = std::vector<TemplateValue>;

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// Without what only the engine itself reads (the labels for .Label).
Json visible(const Json& json) {
  if (!json.is_object() || !json.contains("\x01labels")) return json;
  Json copy = json;
  copy.erase("\x01labels");
  return copy;
}

std::string number_text(const Json& json) {
  if (json.is_number_unsigned()) return fmt::format("{}", json.get<std::uint64_t>());
  if (json.is_number_integer()) return fmt::format("{}", json.get<std::int64_t>());
  return fmt::format("{:g}", json.get<double>());
}

std::string json_text(const Json& json, bool top) {
  switch (json.type()) {
    case Json::value_t::null:
      return top ? "[]" : "<nil>";
    case Json::value_t::string:
      return json.get<std::string>();
    case Json::value_t::boolean:
      return json.get<bool>() ? "true" : "false";
    case Json::value_t::array: {
      std::string text;
      for (const Json& item : json) text += (text.empty() ? "" : " ") + json_text(item, false);
      return "[" + text + "]";
    }
    case Json::value_t::object: {
      std::map<std::string, std::string> sorted;  // Go prints maps in order of their keys
      for (const auto& [key, item] : json.items()) {
        if (!key.starts_with('\x01')) sorted[key] = json_text(item, false);
      }
      std::string text;
      for (const auto& [key, item] : sorted) text += (text.empty() ? "" : " ") + key + ":" + item;
      return "map[" + text + "]";
    }
    default:
      return number_text(json);
  }
}

void need(const std::string& name, const Args& args, std::size_t count) {
  if (args.size() != count)
    throw template_error(fmt::format("{} takes {} arguments, not {}", name, count, args.size()));
}

std::string text_arg(const std::string& name, const TemplateValue& value) {
  if (value.json.is_string()) return value.json.get<std::string>();
  if (value.zero) return "";
  throw template_error(fmt::format("{}: {} is not a string", name, template_text(value)));
}

std::int64_t int_arg(const std::string& name, const TemplateValue& value) {
  if (value.json.is_number_integer()) return value.json.get<std::int64_t>();
  throw template_error(fmt::format("{}: {} is not a number", name, template_text(value)));
}

TemplateValue value(Json json) { return {.json = std::move(json)}; }

TemplateValue fn_json(const std::string& name, const Args& args) {
  need(name, args, 1);
  return value(dump(visible(args[0].json)));
}

TemplateValue fn_join(const std::string& name, const Args& args) {
  need(name, args, 2);
  // join LIST SEPARATOR, and SEPARATOR last also when the list is piped in? Go's strings.Join has the list first.
  const Json& list = args[0].json;
  if (list.is_null()) return value("");
  if (!list.is_array()) throw template_error("join: the first argument is not a list");
  std::string glue = text_arg(name, args[1]);
  std::string text;
  for (std::size_t i = 0; i < list.size(); ++i) text += (i == 0 ? "" : glue) + json_text(list[i], false);
  return value(text);
}

TemplateValue fn_split(const std::string& name, const Args& args) {
  need(name, args, 2);
  std::string text = text_arg(name, args[0]);
  std::string glue = text_arg(name, args[1]);
  Json list = Json::array();
  if (glue.empty()) {
    for (char c : text) list.push_back(std::string(1, c));
    return value(list);
  }
  std::size_t from = 0;
  for (std::size_t at = text.find(glue); at != std::string::npos; at = text.find(glue, from)) {
    list.push_back(text.substr(from, at - from));
    from = at + glue.size();
  }
  list.push_back(text.substr(from));
  return value(list);
}

TemplateValue change_case(const std::string& name, const Args& args) {
  need(name, args, 1);
  std::string text = text_arg(name, args[0]);
  bool start = true;
  for (char& c : text) {
    if (name == "lower") c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    bool up = name == "upper" || (name == "title" && start);
    if (up && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    start = c == ' ' || c == '\t' || c == '\n';
  }
  return value(text);
}

TemplateValue fn_pad(const std::string& name, const Args& args) {
  need(name, args, 3);
  std::string text = text_arg(name, args[0]);
  if (text.empty()) return value(text);
  auto spaces = [&](std::size_t i) {
    return std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(int_arg(name, args[i]), 0, 1000)), ' ');
  };
  return value(spaces(1) + text + spaces(2));
}

TemplateValue fn_truncate(const std::string& name, const Args& args) {
  need(name, args, 2);
  std::string text = text_arg(name, args[0]);
  std::int64_t length = int_arg(name, args[1]);
  if (length >= 0 && static_cast<std::size_t>(length) < text.size()) text.resize(static_cast<std::size_t>(length));
  return value(text);
}

TemplateValue fn_print(const std::string& name, const Args& args) {
  std::string text;
  for (std::size_t i = 0; i < args.size(); ++i) {
    // Go: println puts spaces between all, print between two that are no strings.
    bool space = i > 0 && (name == "println" || (!args[i].json.is_string() && !args[i - 1].json.is_string()));
    text += (space ? " " : "") + template_text(args[i]);
  }
  return value(name == "println" ? text + "\n" : text);
}

TemplateValue index_one(const TemplateValue& from, const TemplateValue& key) {
  if (from.json.is_object()) {
    if (!key.json.is_string()) throw template_error("index: a map needs a string");
    auto at = from.json.find(key.json.get<std::string>());
    if (at == from.json.end()) return {.json = nullptr, .missing = false, .zero = true};
    return value(*at);
  }
  if (from.json.is_null()) return {.json = nullptr, .missing = false, .zero = true};
  std::int64_t number = int_arg("index", key);
  std::size_t size = from.json.is_string() ? from.json.get_ref<const std::string&>().size() : from.json.size();
  if (number < 0 || static_cast<std::size_t>(number) >= size) {
    throw template_error(fmt::format("index: {} is out of range, there are {}", number, size));
  }
  auto at = static_cast<std::size_t>(number);
  if (from.json.is_string()) return value(static_cast<unsigned char>(from.json.get_ref<const std::string&>()[at]));
  if (!from.json.is_array()) throw template_error("index: neither a list nor a map");
  return value(from.json[at]);
}

TemplateValue fn_index(const std::string& name, const Args& args) {
  if (args.empty()) need(name, args, 2);
  TemplateValue result = args[0];
  for (std::size_t i = 1; i < args.size(); ++i) result = index_one(result, args[i]);
  return result;
}

TemplateValue fn_slice(const std::string& name, const Args& args) {
  if (args.empty() || args.size() > 3) need(name, args, 3);
  const Json& from = args[0].json;
  if (!from.is_string() && !from.is_array()) throw template_error("slice: neither a string nor a list");
  std::size_t size = from.is_string() ? from.get_ref<const std::string&>().size() : from.size();
  std::int64_t begin = args.size() > 1 ? int_arg(name, args[1]) : 0;
  std::int64_t end = args.size() > 2 ? int_arg(name, args[2]) : static_cast<std::int64_t>(size);
  if (begin < 0 || begin > end || static_cast<std::size_t>(end) > size) {
    throw template_error(fmt::format("slice: {}:{} is out of range, there are {}", begin, end, size));
  }
  if (from.is_string()) {
    return value(from.get_ref<const std::string&>().substr(static_cast<std::size_t>(begin),
                                                           static_cast<std::size_t>(end - begin)));
  }
  Json part = Json::array();
  for (auto i = begin; i < end; ++i) part.push_back(from[static_cast<std::size_t>(i)]);
  return value(part);
}

TemplateValue fn_len(const std::string& name, const Args& args) {
  need(name, args, 1);
  const Json& json = args[0].json;
  if (json.is_string()) return value(json.get_ref<const std::string&>().size());
  if (json.is_number() || json.is_boolean()) throw template_error("len: neither a string, a list nor a map");
  return value(json.size());
}

int compare(const std::string& name, const TemplateValue& a, const TemplateValue& b) {
  if (a.json.is_number() && b.json.is_number()) {
    double left = a.json.get<double>();
    double right = b.json.get<double>();
    return left < right ? -1 : left > right ? 1 : 0;
  }
  bool texts = (a.json.is_string() || a.zero) && (b.json.is_string() || b.zero);
  if (texts) return text_arg(name, a).compare(text_arg(name, b));
  if (name == "eq" || name == "ne") return a.json == b.json ? 0 : 1;
  throw template_error(fmt::format("{}: {} and {} cannot be compared", name, template_text(a), template_text(b)));
}

TemplateValue fn_compare(const std::string& name, const Args& args) {
  if (args.size() < 2 || (args.size() > 2 && name != "eq")) need(name, args, 2);
  if (name == "eq") {
    return value(std::any_of(args.begin() + 1, args.end(),
                             [&](const TemplateValue& other) { return compare(name, args[0], other) == 0; }));
  }
  int order = compare(name, args[0], args[1]);
  if (name == "ne") return value(order != 0);
  if (name == "lt") return value(order < 0);
  if (name == "le") return value(order <= 0);
  if (name == "gt") return value(order > 0);
  return value(order >= 0);
}

TemplateValue fn_logic(const std::string& name, const Args& args) {
  if (args.empty()) need(name, args, 2);
  if (name == "not") {
    need(name, args, 1);
    return value(!template_truth(args[0]));
  }
  return args.back();  // the deciding ones were taken before
}

/// One % of printf, from behind the %: flags, width, precision, verb.
std::string verb(std::string_view flags, char letter, const TemplateValue& argument) {
  bool left = flags.find('-') != std::string_view::npos;
  bool zeros = flags.starts_with('0');
  std::string_view digits = flags.substr(std::min(flags.find_first_not_of("-0+# "), flags.size()));
  std::size_t width = std::min<std::size_t>(parse_u64(digits.substr(0, digits.find('.'))).value_or(0), 1000);
  std::string text;
  switch (letter) {
    case 's':
    case 'v':
      text = template_text(argument);
      break;
    case 'q':
      text = servin::quoted(template_text(argument));
      break;
    case 'd':
      text = argument.json.is_number_integer() ? number_text(argument.json) : "%!d(" + template_text(argument) + ")";
      break;
    case 't':
      text = template_text(argument);
      break;
    case 'x':
      text = argument.json.is_number_integer() ? fmt::format("{:x}", argument.json.get<std::int64_t>())
                                               : template_text(argument);
      break;
    case 'f': {
      std::size_t dot = flags.find('.');
      std::uint64_t places = dot == std::string_view::npos ? 6 : parse_u64(flags.substr(dot + 1)).value_or(6);
      double number = argument.json.is_number() ? argument.json.get<double>() : 0;
      text = fmt::format("{:.{}f}", number, std::min<std::uint64_t>(places, 30));
      break;
    }
    default:
      throw template_error(fmt::format("printf: %{} is not supported", letter));
  }
  if (letter == 's' && digits.find('.') != std::string_view::npos) {
    text = text.substr(0, parse_u64(digits.substr(digits.find('.') + 1)).value_or(0));
  }
  if (text.size() >= width) return text;
  std::string fill(width - text.size(), zeros && !left ? '0' : ' ');
  return left ? text + fill : fill + text;
}

TemplateValue fn_printf(const std::string& name, const Args& args) {
  if (args.empty()) need(name, args, 1);
  std::string format = text_arg(name, args[0]);
  std::string text;
  std::size_t next = 1;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      text += format[i];
      continue;
    }
    std::size_t end = format.find_first_not_of("-+# 0123456789.", i + 1);
    if (end == std::string::npos) throw template_error("printf: the format ends in a %");
    if (format[end] == '%') {
      text += '%';
    } else {
      if (next >= args.size()) throw template_error("printf: too few arguments");
      text += verb(std::string_view(format).substr(i + 1, end - i - 1), format[end], args[next++]);
    }
    i = end;
  }
  return value(text);
}

using Function = TemplateValue (*)(const std::string&, const Args&);
constexpr std::array<std::pair<std::string_view, Function>, 23> functions = {{
    {"json", fn_json},      {"join", fn_join},      {"split", fn_split},   {"lower", change_case},
    {"upper", change_case}, {"title", change_case}, {"pad", fn_pad},       {"truncate", fn_truncate},
    {"print", fn_print},    {"println", fn_print},  {"printf", fn_printf}, {"index", fn_index},
    {"slice", fn_slice},    {"len", fn_len},        {"eq", fn_compare},    {"ne", fn_compare},
    {"lt", fn_compare},     {"le", fn_compare},     {"gt", fn_compare},    {"ge", fn_compare},
    {"and", fn_logic},      {"or", fn_logic},       {"not", fn_logic},
}};

}  // namespace

std::string template_text(const TemplateValue& value) {
  if (value.missing) return "<no value>";
  if (value.zero) return "";
  if (value.json.is_null()) return value.is_map ? "map[]" : "[]";
  return json_text(value.json, true);
}

bool template_truth(const TemplateValue& value) {
  const Json& json = value.json;
  if (value.missing || value.zero || json.is_null()) return false;
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number()) return json.get<double>() != 0;
  if (json.is_string()) return !json.get_ref<const std::string&>().empty();
  return !json.empty();
}

bool is_template_function(std::string_view name) {
  return std::ranges::any_of(functions, [&](const auto& entry) { return entry.first == name; });
}

std::vector<std::string> template_function_names() {
  std::vector<std::string> names;
  for (const auto& entry : functions) names.emplace_back(entry.first);
  return names;
}

TemplateValue call_template_function(const std::string& name, const std::vector<TemplateValue>& args, bool header) {
  static constexpr std::array<std::string_view, 5> plain_in_headers = {"json", "upper", "lower", "title", "truncate"};
  if (header && !args.empty() && std::ranges::find(plain_in_headers, name) != plain_in_headers.end()) return args[0];
  for (const auto& [known, function] : functions) {
    if (known == name) return function(name, args);
  }
  throw template_error(fmt::format("there is no function \"{}\"", name));
}

}  // namespace servin::cli
