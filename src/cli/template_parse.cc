// SPDX-License-Identifier: Apache-2.0
#include <cctype>

#include "base/strings.h"
#include "cli/template_nodes.h"

namespace servin::cli {
namespace {

struct Token {
  enum class Kind { word, field, variable, text, number, pipe, open, close, comma, declare, assign, end };
  Kind kind = Kind::end;
  std::string text;
  bool glued = false;  // no space before it: ".b" in ".a.b" continues, in ".a .b" it is an argument
};

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// The tokens of one action, without its braces.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> run() {
    std::vector<Token> tokens;
    for (;;) {
      std::size_t before = at_;
      while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
      bool glued = at_ == before && !tokens.empty();
      Token token = next();
      token.glued = glued;
      tokens.push_back(token);
      if (token.kind == Token::Kind::end) return tokens;
    }
  }

 private:
  using Kind = Token::Kind;

  Token next() {
    if (at_ >= text_.size()) return {};
    char c = text_[at_];
    switch (c) {
      case '|':
        return single(Kind::pipe);
      case '(':
        return single(Kind::open);
      case ')':
        return single(Kind::close);
      case ',':
        return single(Kind::comma);
      case '=':
        return single(Kind::assign);
      case ':':
        return declare();
      case '"':
        return quoted_text();
      case '`':
        return raw_text();
      case '.':
        return prefixed(Kind::field);
      case '$':
        return prefixed(Kind::variable);
      default:
        return word_or_number(c);
    }
  }

  Token single(Kind kind) { return {kind, std::string(1, text_[at_++])}; }

  Token declare() {
    if (!text_.substr(at_).starts_with(":=")) throw template_error("\":\" without \"=\"");
    at_ += 2;
    return {Kind::declare, ":="};
  }

  std::string word() {
    std::size_t from = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    return std::string(text_.substr(from, at_ - from));
  }

  Token prefixed(Kind kind) {
    ++at_;
    return {kind, word()};
  }

  Token word_or_number(char c) {
    if (std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '+') {
      std::size_t from = at_++;
      while (at_ < text_.size() && (is_word(text_[at_]) || text_[at_] == '.')) ++at_;
      return {Kind::number, std::string(text_.substr(from, at_ - from))};
    }
    if (!is_word(c)) throw template_error(fmt::format("\"{}\" is not expected in an action", c));
    return {Kind::word, word()};
  }

  Token quoted_text() {
    std::string result;
    for (++at_; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '"') return ++at_, Token{Kind::text, result};
      if (c != '\\') {
        result += c;
        continue;
      }
      if (++at_ == text_.size()) break;
      switch (text_[at_]) {
        case 'n':
          result += '\n';
          break;
        case 't':
          result += '\t';
          break;
        case 'r':
          result += '\r';
          break;
        default:
          result += text_[at_];
      }
    }
    throw template_error("a string has no closing quote");
  }

  Token raw_text() {
    std::size_t end = text_.find('`', at_ + 1);
    if (end == std::string_view::npos) throw template_error("a string has no closing quote");
    Token token{Kind::text, std::string(text_.substr(at_ + 1, end - at_ - 1))};
    at_ = end + 1;
    return token;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

/// A piece of the template: plain text, or an action.
struct Piece {
  bool action = false;
  std::string_view text;
};

std::size_t end_of_action(std::string_view text, std::size_t from) {
  for (std::size_t i = from; i + 1 < text.size(); ++i) {
    if (text[i] == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\') ++i;
      }
    } else if (text[i] == '`') {
      i = std::min(text.find('`', i + 1), text.size());
    } else if (text[i] == '}' && text[i + 1] == '}') {
      return i;
    }
  }
  throw template_error("an action has no closing }}");
}

std::string_view trim_left(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  return text;
}
std::string_view trim_right(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return text;
}

std::vector<Piece> cut(std::string_view text) {
  std::vector<Piece> pieces;
  bool trim_next = false;
  while (!text.empty()) {
    std::size_t open = text.find("{{");
    std::string_view plain = text.substr(0, open);
    if (trim_next) plain = trim_left(plain);
    if (open == std::string_view::npos) {
      pieces.push_back({false, plain});
      break;
    }
    bool trim_before = text.substr(open + 2).starts_with("- ");
    if (trim_before) plain = trim_right(plain);
    pieces.push_back({false, plain});
    std::size_t begin = open + 2 + (trim_before ? 1 : 0);
    bool comment = trim_left(text.substr(begin)).starts_with("/*");
    std::size_t close = comment ? text.find("}}", begin) : end_of_action(text, begin);
    if (close == std::string_view::npos) throw template_error("a comment has no closing }}");
    std::string_view action = text.substr(begin, close - begin);
    if (comment && action.find("*/") == std::string_view::npos) throw template_error("a comment has no closing */");
    trim_next = action.ends_with(" -");
    if (trim_next) action.remove_suffix(1);
    if (!comment) pieces.push_back({true, action});
    text.remove_prefix(close + 2);
  }
  return pieces;
}

class Parser {
 public:
  explicit Parser(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {}

  std::unique_ptr<Template::Node> run() {
    auto root = std::make_unique<Template::Node>();
    std::string end = list(root->body, 0);
    if (!end.empty()) throw template_error(fmt::format("{{{{{}}}}} without a beginning", end));
    return root;
  }

 private:
  using Kind = Token::Kind;
  using Nodes = std::vector<std::unique_ptr<Template::Node>>;
  static constexpr int max_depth = 64;

  /// Nodes up to {{end}} or {{else}}; returns that word, empty at the end of the template.
  std::string list(Nodes& into, int depth) {
    if (depth > max_depth) throw template_error("it is nested too deeply");
    while (at_ < pieces_.size()) {
      const Piece& piece = pieces_[at_++];
      if (!piece.action) {
        if (piece.text.empty()) continue;
        into.push_back(std::make_unique<Template::Node>());
        into.back()->kind = Template::Node::Kind::text;
        into.back()->text = piece.text;
        continue;
      }
      tokens_ = Lexer(piece.text).run();
      token_ = 0;
      std::string word = peek().kind == Kind::word ? peek().text : "";
      if (word == "end" || word == "else") return word;
      action(into, word, depth);
    }
    return "";
  }

  void action(Nodes& into, const std::string& word, int depth) {
    auto node = std::make_unique<Template::Node>();
    using NodeKind = Template::Node::Kind;
    if (word == "if" || word == "range" || word == "with") {
      node->kind = word == "if" ? NodeKind::if_ : word == "range" ? NodeKind::range : NodeKind::with;
      ++token_;
      block(*node, depth);
    } else if (word == "define" || word == "template" || word == "block" || word == "break" || word == "continue") {
      throw template_error(fmt::format("{{{{{}}}}} is not supported", word));
    } else {
      node->kind = NodeKind::print;
      node->pipeline = pipeline(Kind::end);
    }
    into.push_back(std::move(node));
  }

  void block(Template::Node& node, int depth) {
    node.pipeline = pipeline(Kind::end);
    std::string end = list(node.body, depth + 1);
    if (end == "else") {
      ++token_;                                                // tokens of the {{else ...}} action
      if (peek().kind == Kind::word && peek().text == "if") {  // {{else if ...}}: an if of its own up to the same end
        auto inner = std::make_unique<Template::Node>();
        inner->kind = Template::Node::Kind::if_;
        ++token_;
        block(*inner, depth + 1);
        node.otherwise.push_back(std::move(inner));
        return;
      }
      end = list(node.otherwise, depth + 1);
    }
    if (end != "end") throw template_error("{{if}}, {{range}} or {{with}} has no {{end}}");
  }

  const Token& peek() const { return tokens_[token_]; }
  Token take() { return tokens_[token_ < tokens_.size() - 1 ? token_++ : token_]; }

  /// "$x :=", "$i, $e :=", "$x =" in front.
  void declaration(Pipeline& result) {
    std::size_t start = token_;
    std::vector<std::string> names;
    while (peek().kind == Kind::variable) {
      names.push_back(take().text);
      if (peek().kind == Kind::comma) {
        take();
        continue;
      }
      break;
    }
    if (!names.empty() && (peek().kind == Kind::declare || peek().kind == Kind::assign)) {
      result.assign = take().kind == Kind::assign;
      result.variables = std::move(names);
    } else {
      token_ = start;
    }
  }

  Pipeline pipeline(Kind end) {
    if (++nesting_ > max_depth) throw template_error("it is nested too deeply");
    Pipeline result;
    declaration(result);
    result.commands.emplace_back();
    while (peek().kind != end) {
      if (peek().kind == Kind::end) throw template_error("a parenthesis is not closed");
      if (peek().kind == Kind::pipe) {
        if (result.commands.back().operands.empty()) throw template_error("nothing stands before \"|\"");
        take();
        result.commands.emplace_back();
      } else {
        result.commands.back().operands.push_back(operand());
      }
    }
    take();
    --nesting_;
    if (result.commands.back().operands.empty()) throw template_error("an action is empty");
    return result;
  }

  Operand operand() {
    Operand result;
    Token token = take();
    switch (token.kind) {
      case Kind::field:
        if (!token.text.empty()) result.fields.push_back(token.text);
        break;
      case Kind::variable:
        result.kind = Operand::Kind::variable;
        result.name = token.text;
        break;
      case Kind::text:
        result.kind = Operand::Kind::literal;
        result.literal = token.text;
        break;
      case Kind::number:
        number(result, token.text);
        break;
      case Kind::word:
        word(result, token.text);
        break;
      case Kind::open:
        result.kind = Operand::Kind::pipeline;
        result.pipeline = std::make_unique<Pipeline>(pipeline(Kind::close));
        break;
      default:
        throw template_error(fmt::format("\"{}\" is not expected here", token.text));
    }
    while (peek().kind == Kind::field && peek().glued && !peek().text.empty()) result.fields.push_back(take().text);
    return result;
  }

  static void number(Operand& result, const std::string& text) {
    result.kind = Operand::Kind::literal;
    if (auto integer = parse_i64(text)) {
      result.literal = *integer;
      return;
    }
    char* end = nullptr;
    double real = std::strtod(text.c_str(), &end);
    if (end != text.c_str() + text.size()) throw template_error(fmt::format("\"{}\" is not a number", text));
    result.literal = real;
  }

  static void word(Operand& result, const std::string& text) {
    if (text == "true" || text == "false" || text == "nil") {
      result.kind = Operand::Kind::literal;
      if (text != "nil") result.literal = text == "true";
      return;
    }
    if (!is_template_function(text)) {
      std::string hint = did_you_mean_hint(text, template_function_names());
      if (hint.empty()) hint = "functions: " + join(template_function_names(), " ");
      throw template_error(fmt::format("there is no function \"{}\"", text), hint);
    }
    result.kind = Operand::Kind::function;
    result.name = text;
  }

  std::vector<Piece> pieces_;
  std::size_t at_ = 0;
  std::vector<Token> tokens_;
  std::size_t token_ = 0;
  int nesting_ = 0;
};

}  // namespace

Error template_error(const std::string& what, const std::string& hint) {
  return Error(ErrorCode::invalid_argument, "--format: " + what)
      .with_id("E-FORMAT-INVALID")
      .with_hint(hint.empty() ? "table, json, yaml, or a template such as '{{.ID}}'" : hint);
}

std::unique_ptr<Template::Node> parse_template(std::string_view text) { return Parser(cut(text)).run(); }

}  // namespace servin::cli
