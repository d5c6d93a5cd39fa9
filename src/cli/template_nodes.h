// SPDX-License-Identifier: Apache-2.0
// Inside of the template engine: the tree that the parser makes and the evaluator walks, and the values between them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/template.h"

namespace servin::cli {

using Json = nlohmann::ordered_json;

/// One operand: what it starts from, and the fields behind it (".State.Pid" of "$x.State.Pid").
struct Operand {
  enum class Kind { dot, variable, literal, function, pipeline };
  Kind kind = Kind::dot;
  std::string name;  // variable or function
  Json literal;
  std::unique_ptr<struct Pipeline> pipeline;
  std::vector<std::string> fields;
};

struct Command {
  std::vector<Operand> operands;  // a function and its arguments, or one value (with arguments: a method)
};

struct Pipeline {
  std::vector<std::string> variables;  // that take its value: "$i, $e :="
  bool assign = false;                 // "=" to ones that exist
  std::vector<Command> commands;
};

struct Template::Node {
  enum class Kind { list, text, print, if_, range, with };
  Kind kind = Kind::list;
  std::string text;
  Pipeline pipeline;
  std::vector<std::unique_ptr<Node>> body;
  std::vector<std::unique_ptr<Node>> otherwise;
};

/// A value on its way. `missing`: a key that a map does not have ("<no value>"); `zero`: what index finds then ("").
struct TemplateValue {
  Json json;
  bool missing = false;
  bool zero = false;
  bool is_map = false;  // keys are data, not fields: an unknown one is no mistake
};

Error template_error(const std::string& what, const std::string& hint = "");
std::unique_ptr<Template::Node> parse_template(std::string_view text);

/// Go's print of a value.
std::string template_text(const TemplateValue& value);
bool template_truth(const TemplateValue& value);
/// A built-in function. `header`: the titles of a table are being made, functions leave them as they are.
TemplateValue call_template_function(const std::string& name, const std::vector<TemplateValue>& args, bool header);
bool is_template_function(std::string_view name);
std::vector<std::string> template_function_names();

}  // namespace servin::cli
