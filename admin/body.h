// SPDX-License-Identifier: Apache-2.0
//
// Strict reading of the small JSON objects that changes carry: unknown and repeated members and
// wrong types are errors that name the member.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/json/value.h"

namespace banyan::admin {

Status check_members(const json::Value& body, std::initializer_list<std::string_view> known);
// Absent and null give nullopt. Strings are at most `bytes_max` bytes.
Result<std::optional<std::string>> string_member(const json::Value& body, std::string_view name,
                                                 std::size_t bytes_max = 1000);
Result<std::optional<bool>> bool_member(const json::Value& body, std::string_view name);
Result<std::optional<double>> number_member(const json::Value& body, std::string_view name,
                                            double least, double most);
// A percentage with at most two decimals, as hundredths.
Result<std::optional<std::uint32_t>> share_member(const json::Value& body, std::string_view name);

// Who changes something and why, as most changes say it.
struct Cause {
  std::string by = "api";
  std::string reason;
};
Result<Cause> cause_of(const json::Value& body);

}  // namespace banyan::admin
