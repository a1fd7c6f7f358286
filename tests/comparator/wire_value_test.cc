// SPDX-License-Identifier: Apache-2.0
//
// Protocol Buffers and gRPC bodies, written by hand as their encoding says (protobuf.dev,
// "Encoding").
#include "comparator/wire_value.h"

#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>
#include <string>

#include "comparator/body_diff.h"
#include "comparator/compare.h"
#include "comparator/wire_fields.h"
#include "tests/comparator/case_table.h"
#include "tests/comparator/grpc_frame.h"

namespace banyan::comparator {
namespace {

std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
  return out;
}
std::string number(int field, std::uint64_t value) {
  return varint(static_cast<std::uint64_t>(field) << 3) + varint(value);
}
std::string bytes(int field, std::string_view content) {
  return varint(static_cast<std::uint64_t>(field) << 3 | 2) + varint(content.size()) +
         std::string(content);
}
std::string group(int field, std::string_view content) {
  const std::uint64_t tag = static_cast<std::uint64_t>(field) << 3;
  return varint(tag | 3) + std::string(content) + varint(tag | 4);
}
template <typename T>
std::string fixed(int field, T value) {
  std::string out = varint(static_cast<std::uint64_t>(field) << 3 | (sizeof value == 8 ? 1 : 5));
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
  return out;
}
constexpr std::string_view kMessage = "application/x-protobuf";
constexpr std::string_view kGrpc = "application/grpc";

Comparison compare(std::string_view a, std::string_view b, std::string_view type = kMessage,
                   const ComparatorOptions& options = {}) {
  const auto rules = CompiledRules::compile(options);
  EXPECT_TRUE(rules.ok());
  return compare_answers(**rules, "r", "POST", answer_of(type, a), answer_of(type, b));
}

void expect_one(const Comparison& got, std::string_view path, std::string_view legacy,
                std::string_view candidate) {
  ASSERT_EQ(got.differences.size(), 1U) << describe(got);
  EXPECT_EQ(got.differences[0].path, path) << describe(got);
  EXPECT_EQ(got.differences[0].legacy, legacy);
  EXPECT_EQ(got.differences[0].candidate, candidate);
}

TEST(WireValueTest, TheOrderOfFieldsDoesNotCount) {
  const std::string a = number(1, 7) + bytes(2, "seven");
  const std::string b = bytes(2, "seven") + number(1, 7);
  EXPECT_EQ(compare(a, b).verdict, Verdict::kEqual);
}

TEST(WireValueTest, AnotherFormOfAVarintDoesNotCount) {
  EXPECT_EQ(compare(number(1, 5), std::string("\x08\x85\x00", 3)).verdict, Verdict::kEqual);
}

TEST(WireValueTest, TellsTheFieldThatDiffers) {
  const auto order = [](std::uint64_t quantity, std::string_view name) {
    return number(1, 4711) + bytes(3, bytes(1, name) + number(2, quantity));
  };
  expect_one(compare(order(2, "bolt"), order(3, "bolt")), "body:$.f3.f2", "2", "3");
  expect_one(compare(order(2, "bolt"), order(2, "nut")), "body:$.f3.f1", "\"bolt\"", "\"nut\"");
}

TEST(WireValueTest, AFieldThatIsGoneOrCame) {
  const auto gone = compare(number(1, 1) + number(2, 2), number(1, 1));
  ASSERT_EQ(gone.differences.size(), 1U);
  EXPECT_EQ(gone.differences[0].kind, DifferenceKind::kMissing);
  EXPECT_EQ(gone.differences[0].path, "body:$.f2");
}

TEST(WireValueTest, RepeatedFieldsAreArraysOnBothSides) {
  const std::string two = bytes(1, "a") + bytes(1, "b");
  const auto got = compare(two, bytes(1, "a"));
  ASSERT_EQ(got.differences.size(), 1U) << describe(got);
  EXPECT_EQ(got.differences[0].path, "body:$.f1[]");
  EXPECT_EQ(got.differences[0].kind, DifferenceKind::kMissing);
}

TEST(WireValueTest, FloatingPointIsShownAsSuch) {
  expect_one(compare(fixed(1, 1.5), fixed(1, 2.5)), "body:$.f1", "1.5", "2.5");
  expect_one(compare(fixed(1, 0.25F), fixed(1, 0.5F)), "body:$.f1", "0.25", "0.5");
  // Small integers of 64 bits are no sensible doubles.
  expect_one(compare(fixed(1, std::uint64_t{12}), fixed(1, std::uint64_t{13})), "body:$.f1", "12",
             "13");
  EXPECT_EQ(compare(fixed(1, 0.0), fixed(1, -0.0)).verdict, Verdict::kDifferent);
}

TEST(WireValueTest, BytesAreShownInHex) {
  expect_one(compare(bytes(1, "\xff\xfe"), bytes(1, "\xff\xfd")), "body:$.f1", "\"fffe\"",
             "\"fffd\"");
}

// "xy" happens to be a message as well; what both sides can be read as is taken for both.
TEST(WireValueTest, BothSidesAreReadAlike) {
  expect_one(compare(bytes(1, "xy"), bytes(1, "hello")), "body:$.f1", "\"xy\"", "\"hello\"");
  const std::string message = number(1, 300);
  expect_one(compare(bytes(1, message), bytes(1, "\xff")), "body:$.f1", "\"08ac02\"", "\"ff\"");
}

TEST(WireValueTest, RulesReachIntoMessages) {
  ComparatorOptions options;
  options.rules.push_back({{}, {"body:$.f2"}, {}, {{"body:$.f3", 0.01, 0}}});
  const auto body = [](std::uint64_t at, double price) { return number(2, at) + fixed(3, price); };
  EXPECT_EQ(compare(body(1, 1.001), body(2, 1.002), kMessage, options).verdict,
            Verdict::kTolerated);
  EXPECT_EQ(compare(body(1, 1.0), body(2, 1.2), kMessage, options).verdict, Verdict::kDifferent);
}

TEST(WireValueTest, GrpcIsASequenceOfMessages) {
  const std::string a = frame(number(1, 1)) + frame(number(1, 2));
  const std::string b = frame(number(1, 1)) + frame(number(1, 3));
  expect_one(compare(a, b, kGrpc), "body:$[].f1", "2", "3");
  const auto less = compare(a, frame(number(1, 1)), kGrpc);
  ASSERT_EQ(less.differences.size(), 1U);
  EXPECT_EQ(less.differences[0].kind, DifferenceKind::kMissing);
  EXPECT_EQ(compare(frame(bytes(1, "a") + number(2, 1)), frame(number(2, 1) + bytes(1, "a")), kGrpc)
                .verdict,
            Verdict::kEqual);
}

TEST(WireValueTest, GroupsAreMessages) {
  const auto order = [](std::uint64_t quantity) {
    return number(1, 7) + group(2, bytes(1, "bolt") + group(3, number(2, quantity)));
  };
  EXPECT_EQ(compare(order(2), order(2)).verdict, Verdict::kEqual);
  expect_one(compare(order(2), order(3)), "body:$.f2.f3.f2", "2", "3");
  // Empty ones, and some of a name.
  expect_one(compare(group(1, "") + group(1, number(1, 1)), group(1, "") + group(1, number(1, 2))),
             "body:$.f1[].f1", "1", "2");
}

TEST(WireValueTest, AGroupIsNoMessageOfTheSameFields) {
  const std::string inside = number(1, 300);
  const auto got = compare(group(1, inside), bytes(1, inside));
  ASSERT_EQ(got.differences.size(), 1U) << describe(got);
  EXPECT_EQ(got.differences[0].path, "body:$.f1");
  EXPECT_EQ(got.differences[0].kind, DifferenceKind::kType);
}

TEST(WireValueTest, GroupsHaveBounds) {
  const auto nested = [](std::size_t depth) {
    std::string out;
    for (std::size_t i = 0; i < depth; ++i) out = group(1, out);
    return out;
  };
  EXPECT_TRUE(fields_of(nested(kWireGroupDepthMax)));
  EXPECT_FALSE(fields_of(nested(kWireGroupDepthMax + 1)));
  // The tag that ends the group counts as well.
  std::string many;
  for (std::size_t i = 1; i < kWireGroupFieldsMax; ++i) many += std::string("\x08\x01", 2);
  EXPECT_TRUE(fields_of(group(1, many)));
  many += std::string("\x08\x01", 2);
  EXPECT_FALSE(fields_of(group(1, many)));
  // Below messages they are told apart as far as levels are read.
  const auto deep = [](std::string leaf, std::size_t depth) {
    for (std::size_t i = 0; i < depth; ++i) leaf = bytes(1, leaf);
    return leaf;
  };
  const std::string a = deep(group(1, group(1, number(1, 1))), kWireDepthMax - 1);
  const std::string b = deep(group(1, group(1, number(1, 2))), kWireDepthMax - 1);
  EXPECT_EQ(compare(a, a).verdict, Verdict::kEqual);
  const auto got = compare(a, b);
  ASSERT_EQ(got.differences.size(), 1U) << describe(got);
  EXPECT_EQ(got.differences[0].legacy, "\"0801\"");
}

TEST(WireValueTest, AGroupEndsWhereItsOwnTagSays) {
  std::size_t at = 0;
  for (const std::string& bad :
       {group(1, "").substr(0, 1), std::string("\x0b\x14", 2), std::string("\x0c"),
        group(1, "\x08"), group(1, std::string("\x0b\x08\x01", 3)), group(1, "\x0e")}) {
    EXPECT_FALSE(fields_of(number(7, 1) + bad, &at));
    EXPECT_EQ(at, 2U);
  }
}

TEST(WireValueTest, WhatIsNoMessageIsUnparseable) {
  const std::string good = frame(number(1, 1));
  for (const std::string& bad :
       {std::string("\0\0", 2), std::string("\0\0\0\0\x09x", 6), frame(number(1, 1), 2),
        frame(number(1, 1), 1), frame("\x08"), frame("\x0b"), frame(std::string("\0\1", 2))}) {
    const auto got = compare(good, bad, kGrpc);
    ASSERT_EQ(got.differences.size(), 1U) << describe(got);
    EXPECT_EQ(got.differences[0].kind, DifferenceKind::kUnparseable) << describe(got);
    EXPECT_EQ(compare(bad, bad, kGrpc).verdict, Verdict::kEqual);
  }
}

TEST(WireValueTest, FieldsAndDepthHaveABound) {
  std::string many;
  for (std::size_t i = 0; i + 1 < kJsonNodesMax; ++i) many += std::string("\x08\x01", 2);
  EXPECT_TRUE(check_wire(WireForm::kMessage, {many, ""}, 1U << 24).ok());
  many += std::string("\x08\x01", 2);
  EXPECT_EQ(check_wire(WireForm::kMessage, {many, ""}, 1U << 24).error().code,
            ErrorCode::kExhausted);
  // Deeper ones are bytes.
  const auto nested = [](std::string leaf, std::size_t depth) {
    for (std::size_t i = 0; i < depth; ++i) leaf = bytes(1, leaf);
    return leaf;
  };
  EXPECT_EQ(compare(nested(number(1, 1), 1000), nested(number(1, 2), 1000)).verdict,
            Verdict::kDifferent);
}

}  // namespace
}  // namespace banyan::comparator
