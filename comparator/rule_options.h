// SPDX-License-Identifier: Apache-2.0
//
// One [[compare]] table as JSON and as people type it: what the API takes, what state/rules keeps.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/options.h"
#include "core/base/error.h"
#include "core/json/json_writer.h"
#include "core/json/value.h"

namespace banyan::comparator {

// Bytes of a reason or an owner.
inline constexpr std::size_t kRuleTextBytesMax = 1000;

// The members of an open object, those that say something: {"routes": […], "ignore": […], …}.
void write_rule(json::JsonWriter& json, const CompareRuleOptions& rule);
// kInvalidArgument names an unknown, repeated or mistyped member; that the paths are good is for
// CompiledRules to say.
Result<CompareRuleOptions> read_rule(const json::Value& object);

// The same of an object that says more than a rule: other members are passed over.
Result<CompareRuleOptions> read_rule_part(const json::Value& object);

// "body:$.items by sku", "body:$.items by sku, size".
UnorderedOptions unordered_of(std::string_view text);
// "body:$.total:absolute=0.005" or "…:absolute=1,relative=0.01".
Result<ToleranceOptions> tolerance_of(std::string_view text);
// As people type it: "body:$.at" of shape, "body:$.at:skew=5s" of time, "…:factor=100" of unit,
// "…:as=json" of parse_as, "…:0=off,1=on" of enum_map, "…:old.example=new.example" of url,
// "body:$.items[]:cost=price" of rename.
Result<OperationOptions> operation_of(std::string_view name, std::string_view text);
// What the table asks for, one line each, as differences name it: "ignore body:$.at".
std::vector<std::string> texts_of(const CompareRuleOptions& rule);
// "2026-12-31", RFC 3339, or a duration from now: "7d".
std::optional<std::int64_t> parse_expiry(std::string_view text, std::int64_t now_wall_ns);

}  // namespace banyan::comparator
