// SPDX-License-Identifier: Apache-2.0
// A flat binary form for records that cross a fork or a pipe between our own programs of one version (launch plans,
// handshake messages, status files). Little endian; strings and lists carry a 32-bit count. Readers check every length.
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/error.h"

namespace servin {

class RecordWriter {
 public:
  template <typename T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void put(std::string_view s) {
    put(static_cast<std::uint32_t>(s.size()));
    bytes_.append(s);
  }
  void put(const std::string& s) { put(std::string_view(s)); }
  void put(const char* s) { put(std::string_view(s)); }
  template <typename T>
  void put(const std::vector<T>& list) {
    put(static_cast<std::uint32_t>(list.size()));
    for (const T& item : list) put(item);
  }
  /// Structures bring `void write(RecordWriter&) const`.
  template <typename T>
    requires requires(const T& t, RecordWriter& w) { t.write(w); }
  void put(const T& value) {
    value.write(*this);
  }
  const std::string& bytes() const { return bytes_; }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class RecordReader {
 public:
  explicit RecordReader(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void get(T& value) {
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
  }
  void get(bool& value) { value = take(1)[0] != 0; }
  void get(std::string& s) { s = take(count()); }
  template <typename T>
  void get(std::vector<T>& list) {
    std::uint32_t n = count();
    if (n > rest_.size()) throw damaged();  // each item takes a byte at least
    list.clear();
    list.reserve(n);
    for (std::uint32_t i = 0; i < n; ++i) {
      T item{};
      get(item);
      list.push_back(std::move(item));
    }
  }
  /// Structures bring `void read(RecordReader&)`.
  template <typename T>
    requires requires(T& t, RecordReader& r) { t.read(r); }
  void get(T& value) {
    value.read(*this);
  }
  template <typename T>
  T get() {
    T value{};
    get(value);
    return value;
  }
  bool at_end() const { return rest_.empty(); }

 private:
  static Error damaged() { return Error(ErrorCode::data_loss, "record is cut short or damaged"); }
  std::uint32_t count() {
    std::uint32_t n = 0;
    get(n);
    return n;
  }
  std::string_view take(std::size_t n) {
    if (n > rest_.size()) throw damaged();
    auto part = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return part;
  }
  std::string_view rest_;
};

}  // namespace servin
