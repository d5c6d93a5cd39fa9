// SPDX-License-Identifier: Apache-2.0
#include "registry/toml.h"

#include <cctype>

#include "base/error.h"
#include "base/strings.h"

namespace servin::registry {

namespace {

class Parser {
 public:
  Parser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  TomlTable read() {
    TomlTable root;
    TomlTable* table = &root;
    for (;;) {
      blank_lines();
      if (at_end()) return root;
      if (peek() == '[') {
        table = header(root);
      } else {
        assignment(*table);
      }
      end_of_line();
    }
  }

 private:
  [[noreturn]] void fail(std::string_view why) const {
    throw error(ErrorCode::invalid_argument, "{}: line {}: {}", name_, line_, why)
        .with_id("E-REGISTRIES-CONF")
        .with_hint("correct the file; containers-registries.conf(5) describes it");
  }

  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  char next() {
    if (at_end()) fail("it ends too soon");
    char c = text_[at_++];
    if (c == '\n') ++line_;
    return c;
  }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void spaces() {
    while (peek() == ' ' || peek() == '\t') ++at_;
  }
  void comment() {
    if (peek() != '#') return;
    while (!at_end() && peek() != '\n') ++at_;
  }
  void blank_lines() {
    for (;;) {
      spaces();
      comment();
      if (peek() != '\n' && peek() != '\r') return;
      next();
    }
  }
  void end_of_line() {
    spaces();
    comment();
    take("\r");
    if (!at_end() && next() != '\n') fail("something follows that does not belong there");
  }

  std::string key() {
    if (peek() == '"' || peek() == '\'') return text();
    std::string word;
    while (std::isalnum(static_cast<unsigned char>(peek())) != 0 || peek() == '-' || peek() == '_') word += next();
    if (word.empty()) fail("a name is missing");
    return word;
  }

  /// [a], [a.b], [[a]], [[a.b]]
  TomlTable* header(TomlTable& root) {
    bool array = take("[[");
    if (!array) next();
    TomlTable* table = &root;
    for (;;) {
      spaces();
      std::string word = key();
      spaces();
      bool last = peek() != '.';
      if (last && array) {
        table = &table->arrays[word].emplace_back();
      } else if (auto list = table->arrays.find(word); list != table->arrays.end()) {
        table = &list->second.back();  // [registry.x] below [[registry]]
      } else {
        table = &table->tables[word];
      }
      if (last) break;
      next();
    }
    if (!take(array ? "]]" : "]")) fail("a \"]\" is missing");
    return table;
  }

  void assignment(TomlTable& table) {
    std::string name = key();
    spaces();
    if (peek() != '=') fail("a \"=\" is missing");
    next();
    spaces();
    if (peek() == '"' || peek() == '\'') {
      table.strings[name] = text();
    } else if (peek() == '[') {
      table.lists[name] = list();
    } else if (take("true")) {
      table.booleans[name] = true;
    } else if (take("false")) {
      table.booleans[name] = false;
    } else if (std::isdigit(static_cast<unsigned char>(peek())) != 0) {
      table.strings[name] = key();
    } else {
      fail("the value is no string, list or boolean");
    }
  }

  std::vector<std::string> list() {
    next();
    std::vector<std::string> items;
    for (;;) {
      blank_lines();
      if (take("]")) return items;
      if (peek() != '"' && peek() != '\'') fail("a list holds strings only");
      items.push_back(text());
      blank_lines();
      if (!take(",") && peek() != ']') fail("a \",\" is missing");
    }
  }

  std::string text() {
    char quote = next();
    std::string out;
    for (;;) {
      if (peek() == '\n') fail("a string has no end");
      char c = next();
      if (c == quote) return out;
      if (c == '\\' && quote == '"') {
        c = next();
        if (c == 'n') c = '\n';
        if (c == 't') c = '\t';
      }
      out += c;
    }
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

TomlTable parse_toml(std::string_view text, const std::string& name) { return Parser(text, name).read(); }

}  // namespace servin::registry
