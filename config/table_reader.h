// SPDX-License-Identifier: Apache-2.0
//
// Reads one TOML table key by key. Every reader leaves its target alone and reports where a value
// is missing, mistyped or out of range; finish() reports the keys nobody asked for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "config/document.h"

namespace banyan::config {

struct NumberRange {
  std::int64_t min = 0;
  std::int64_t max = INT64_MAX;
};

class TableReader {
 public:
  // `node` may be null (the table is not there). `path` names it for people: "log.retention".
  TableReader(Problems& problems, const Node* node, std::string path);

  // The value of a key, or null; the key counts as known from here on.
  const Node* take(std::string_view key);

  // True if the key was there and good.
  bool read(std::string_view key, std::string& out);
  bool read(std::string_view key, bool& out);
  template <typename T, typename = std::enable_if_t<std::is_integral_v<T>>>
  bool read_integer(std::string_view key, T& out, NumberRange range) {
    std::int64_t value = 0;
    if (!read_int64(key, value, range)) return false;
    out = static_cast<T>(value);
    return true;
  }
  bool read_number(std::string_view key, double& out, double min, double max);
  template <typename T>
  bool read_size(std::string_view key, T& out, NumberRange range) {
    std::uint64_t value = 0;
    if (!read_bytes(key, value, range)) return false;
    out = static_cast<T>(value);
    return true;
  }
  bool read_duration(std::string_view key, std::int64_t& out_ns, NumberRange range_ns);
  // 12.5, "12.5" or "12.5%" to hundredths of a percent.
  bool read_percent(std::string_view key, std::uint32_t& out);
  bool read_strings(std::string_view key, std::vector<std::string>& out);
  // One of `names`; answers its index.
  std::optional<std::size_t> read_name(std::string_view key, const std::vector<std::string>& names);
  TableReader table(std::string_view key);
  // The tables of an array, or nothing.
  std::vector<TableReader> tables(std::string_view key);
  // A key of a later version: refused unless it is absent or says what is so anyway (false).
  void refuse(std::string_view key, std::string_view what);

  void finish();

  bool is_present() const { return node_ != nullptr; }
  const Node& node() const;
  const std::string& path() const { return path_; }
  void set_path(std::string path) { path_ = std::move(path); }
  Problems& problems() { return problems_; }
  // "log.wait" or "route "orders": wait".
  std::string name_of_key(std::string_view key) const;

  // ${env:NAME} and ${file:PATH} replaced; nullopt (and a problem) where that fails. "$${" is "${".
  std::optional<std::string> resolve(const Node& text);

 private:
  bool read_int64(std::string_view key, std::int64_t& out, NumberRange range);
  bool read_bytes(std::string_view key, std::uint64_t& out, NumberRange range);
  bool is_kind(std::string_view key, const Node& node, Node::Kind kind, std::string_view wanted);

  Problems& problems_;
  const Node* node_;
  std::string path_;
  std::vector<std::string> known_;
};

}  // namespace banyan::config
