// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "base/strings.h"
#include "cli/template_nodes.h"

namespace servin::cli {
namespace {

/// Members of documents whose keys are data: an unknown key there is no mistake.
bool holds_data(std::string_view name, std::string_view parent) {
  static constexpr std::array<std::string_view, 14> names = {
      "Labels", "Annotations", "Ports", "Networks", "Volumes",  "ExposedPorts", "Options",
      "Opts",   "Sysctls",     "Tmpfs", "Data",     "Runtimes", "PortBindings", "Attributes"};
  if (name == "Config") return parent == "LogConfig";
  return std::ranges::find(names, name) != names.end();
}

class Evaluator {
 public:
  explicit Evaluator(const Json& root) : header_(is_header(root)) {
    variables_.emplace_back("", TemplateValue{.json = root, .is_map = false});
    dot_ = variables_.front().second;
  }

  std::string run(const Template::Node& node) {
    for (const auto& child : node.body) walk(*child);
    return std::move(output_);
  }

 private:
  using Nodes = std::vector<std::unique_ptr<Template::Node>>;

  static bool is_header(const Json& root) {
    return root.is_object() && root.contains("\x01labels") && root["\x01labels"].is_string();
  }

  void walk(const Template::Node& node) {
    using Kind = Template::Node::Kind;
    switch (node.kind) {
      case Kind::list:
        return walk_all(node.body);
      case Kind::text:
        output_ += node.text;
        return;
      case Kind::print: {
        TemplateValue value = evaluate(node.pipeline);
        if (node.pipeline.variables.empty()) output_ += template_text(value);
        return;
      }
      case Kind::if_:
        return branch(node, false);
      case Kind::with:
        return branch(node, true);
      case Kind::range:
        return loop(node);
    }
  }

  void walk_all(const Nodes& nodes) {
    for (const auto& node : nodes) walk(*node);
  }

  void branch(const Template::Node& node, bool set_dot) {
    std::size_t scope = variables_.size();
    TemplateValue value = evaluate(node.pipeline);
    TemplateValue outer = dot_;
    if (template_truth(value)) {
      if (set_dot) dot_ = value;
      walk_all(node.body);
    } else {
      walk_all(node.otherwise);
    }
    dot_ = outer;
    variables_.resize(scope);
  }

  void loop(const Template::Node& node) {
    std::size_t scope = variables_.size();
    TemplateValue value = evaluate_commands(node.pipeline);
    TemplateValue outer = dot_;
    if (!value.json.is_array() && !value.json.is_object() && !value.json.is_null()) {
      throw template_error("range needs a list or a map");
    }
    if (value.json.empty()) {
      walk_all(node.otherwise);
    } else if (value.json.is_array()) {
      for (std::size_t i = 0; i < value.json.size(); ++i) turn(node, Json(i), {.json = value.json[i]}, scope);
    } else {
      for (auto& [key, item] : value.json.items()) turn(node, Json(key), {.json = item}, scope);
    }
    dot_ = outer;
    variables_.resize(scope);
  }

  void turn(const Template::Node& node, Json key, TemplateValue item, std::size_t scope) {
    if (output_.size() > max_output) throw template_error("the result is too large");
    variables_.resize(scope);
    const auto& names = node.pipeline.variables;
    if (names.size() == 2) variables_.emplace_back(names[0], TemplateValue{.json = std::move(key)});
    if (!names.empty()) variables_.emplace_back(names.back(), item);
    dot_ = std::move(item);
    walk_all(node.body);
  }

  TemplateValue evaluate(const Pipeline& pipeline) {
    TemplateValue value = evaluate_commands(pipeline);
    for (const std::string& name : pipeline.variables) {
      if (pipeline.assign) {
        variable(name) = value;
      } else {
        variables_.emplace_back(name, value);
      }
    }
    return value;
  }

  TemplateValue evaluate_commands(const Pipeline& pipeline) {
    TemplateValue value;
    for (std::size_t i = 0; i < pipeline.commands.size(); ++i) {
      value = command(pipeline.commands[i], i == 0 ? nullptr : &value);
    }
    return value;
  }

  /// `piped` is the last argument, as in Go.
  TemplateValue command(const Command& command, const TemplateValue* piped) {
    const Operand& first = command.operands.front();
    std::vector<TemplateValue> args;
    bool lazy = first.kind == Operand::Kind::function && (first.name == "and" || first.name == "or");
    for (std::size_t i = 1; i < command.operands.size(); ++i) {
      args.push_back(operand(command.operands[i]));
      // and, or: what stands behind the deciding argument is not looked at.
      if (lazy && template_truth(args.back()) == (first.name == "or")) return args.back();
    }
    if (piped != nullptr) args.push_back(*piped);
    if (first.kind == Operand::Kind::function) {
      TemplateValue value = call_template_function(first.name, args, header_);
      return fields(std::move(value), first.fields);
    }
    if (args.empty()) return operand(first);
    return method(first, args);
  }

  /// {{.Label "key"}} of lists; nothing else takes arguments.
  TemplateValue method(const Operand& first, const std::vector<TemplateValue>& args) {
    bool label = first.fields.size() == 1 && first.fields[0] == "Label" && args.size() == 1 &&
                 args[0].json.is_string() && dot_.json.is_object() && dot_.json.contains("\x01labels");
    if (!label) throw template_error("only functions and .Label take arguments");
    auto key = args[0].json.get<std::string>();
    if (header_) {
      std::string word = key.substr(key.rfind('.') + 1);
      std::ranges::replace(word, '-', ' ');
      std::ranges::replace(word, '_', ' ');
      return {.json = word};
    }
    const Json& labels = dot_.json["\x01labels"];
    return {.json = labels.contains(key) ? labels[key] : Json("")};
  }

  TemplateValue operand(const Operand& operand) {
    switch (operand.kind) {
      case Operand::Kind::dot:
        return fields(dot_, operand.fields);
      case Operand::Kind::variable:
        return fields(variable(operand.name), operand.fields);
      case Operand::Kind::literal:
        return {.json = operand.literal};
      case Operand::Kind::pipeline:
        return fields(evaluate(*operand.pipeline), operand.fields);
      case Operand::Kind::function:
        return fields(call_template_function(operand.name, {}, header_), operand.fields);
    }
    return {};
  }

  TemplateValue& variable(const std::string& name) {
    for (auto at = variables_.rbegin(); at != variables_.rend(); ++at) {
      if (at->first == name) return at->second;
    }
    throw template_error(fmt::format("there is no variable ${}", name));
  }

  static TemplateValue fields(TemplateValue value, const std::vector<std::string>& names) {
    std::string parent;
    for (const std::string& name : names) {
      value = field(value, name, parent);
      parent = name;
    }
    return value;
  }

  static TemplateValue field(const TemplateValue& value, const std::string& name, const std::string& parent) {
    if (value.missing || value.json.is_null()) return {.json = nullptr, .missing = true, .zero = false, .is_map = true};
    if (!value.json.is_object()) {
      throw template_error(fmt::format("\".{}\": what stands before it has no fields", name));
    }
    auto at = value.json.find(name);
    if (at != value.json.end()) return {.json = *at, .is_map = holds_data(name, parent)};
    if (value.is_map) return {.json = nullptr, .missing = true, .zero = false, .is_map = true};
    std::vector<std::string> known;
    for (const auto& [key, item] : value.json.items()) {
      if (!key.starts_with('\x01')) known.push_back(key);
    }
    std::string hint = did_you_mean_hint(name, known);
    throw template_error(fmt::format("there is no field \"{}\"", name),
                         (hint.empty() ? "" : hint + " ") + "fields: " + join(known, " "));
  }

  static constexpr std::size_t max_output = 64U << 20U;
  std::vector<std::pair<std::string, TemplateValue>> variables_;
  TemplateValue dot_;
  std::string output_;
  bool header_;
};

}  // namespace

Template::Template(std::string_view text) : root_(parse_template(text)) {}
Template::~Template() = default;
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;

std::string Template::execute(const Json& data) const { return Evaluator(data).run(*root_); }

}  // namespace servin::cli
