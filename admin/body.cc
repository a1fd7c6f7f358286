// SPDX-License-Identifier: Apache-2.0
#include "admin/body.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/text.h"

namespace banyan::admin {
namespace {

Error bad(std::string message) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient, std::move(message));
}

std::string quoted(std::string_view name) { return "\"" + escape_for_terminal(name, 64) + "\""; }

const json::Value* present(const json::Value& body, std::string_view name) {
  const json::Value* value = body.find(name);
  return value == nullptr || value->type == json::Value::Type::kNull ? nullptr : value;
}

std::string number_text(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace

Status check_members(const json::Value& body, std::initializer_list<std::string_view> known) {
  std::vector<std::string_view> seen;
  for (const auto& [name, value] : body.members) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      const auto near = nearest_name(name, {known.begin(), known.end()});
      return bad("unknown member " + quoted(name) +
                 (near ? "; did you mean " + quoted(*near) : "") + (near ? "?" : ""));
    }
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      return bad("member " + quoted(name) + " comes twice");
    }
    seen.push_back(name);
  }
  return {};
}

Result<std::optional<std::string>> string_member(const json::Value& body, std::string_view name,
                                                 std::size_t bytes_max) {
  const json::Value* value = present(body, name);
  if (value == nullptr) return std::optional<std::string>();
  if (value->type != json::Value::Type::kString) return bad(quoted(name) + " must be a string");
  if (value->text.size() > bytes_max) {
    return bad(quoted(name) + " is longer than " + std::to_string(bytes_max) + " bytes");
  }
  return std::optional<std::string>(value->text);
}

Result<std::optional<bool>> bool_member(const json::Value& body, std::string_view name) {
  const json::Value* value = present(body, name);
  if (value == nullptr) return std::optional<bool>();
  if (value->type != json::Value::Type::kBool) return bad(quoted(name) + " must be true or false");
  return std::optional<bool>(value->boolean);
}

Result<std::optional<double>> number_member(const json::Value& body, std::string_view name,
                                            double least, double most) {
  const json::Value* value = present(body, name);
  if (value == nullptr) return std::optional<double>();
  const double number = body.number_or(name, NAN);
  if (value->type != json::Value::Type::kNumber || !(number >= least && number <= most)) {
    return bad(quoted(name) + " must be a number from " + number_text(least) + " to " +
               number_text(most));
  }
  return std::optional<double>(number);
}

Result<std::optional<std::uint32_t>> share_member(const json::Value& body, std::string_view name) {
  const auto percent = number_member(body, name, 0, 100);
  if (!percent.ok()) return percent.error();
  if (!*percent) return std::optional<std::uint32_t>();
  const double hundredths = **percent * 100;
  const double whole = std::round(hundredths);
  if (std::abs(hundredths - whole) > 1e-6) return bad(quoted(name) + " takes at most two decimals");
  return std::optional<std::uint32_t>(static_cast<std::uint32_t>(whole));
}

Result<Cause> cause_of(const json::Value& body) {
  Cause cause;
  const auto by = string_member(body, "by", 100);
  if (!by.ok()) return by.error();
  const auto reason = string_member(body, "reason");
  if (!reason.ok()) return reason.error();
  if (*by && !(*by)->empty()) cause.by = **by;
  if (*reason) cause.reason = **reason;
  return cause;
}

}  // namespace banyan::admin
