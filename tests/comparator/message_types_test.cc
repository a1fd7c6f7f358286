// SPDX-License-Identifier: Apache-2.0
//
// Descriptor sets (tests/cases/descriptors), the table tests/cases/compare_messages.json of gRPC
// messages in hex, most of them as protoc encodes them, and the bounds.
#include "comparator/message_types.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "comparator/compare.h"
#include "comparator/wire_reader.h"
#include "core/base/text.h"
#include "tests/comparator/case_table.h"
#include "tests/comparator/grpc_frame.h"
#include "tests/support/source_dir.h"

namespace banyan::comparator {
namespace {

using Types = std::shared_ptr<const MessageTypes>;

std::string shop_set() {
  std::ifstream file(source_dir() + "/tests/cases/descriptors/shop.pb", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Result<Types> read_sets(const std::vector<DescriptorSet>& sets) { return MessageTypes::read(sets); }

Types shop() {
  const auto types = read_sets({{"shop.pb", shop_set()}});
  EXPECT_TRUE(types.ok()) << types.error().message;
  return *types;
}

Comparison compare(std::string_view a, std::string_view b, ComparatorOptions options,
                   std::string_view type = "application/grpc",
                   std::string_view target = "/shop.v1.Orders/Get") {
  const auto rules = CompiledRules::compile(options);
  EXPECT_TRUE(rules.ok()) << rules.error().message;
  return compare_answers(**rules, "shop", "POST", answer_of(type, a), answer_of(type, b), 0,
                         target);
}

ComparatorOptions with_types(Types types) {
  ComparatorOptions options;
  options.messages = std::move(types);
  return options;
}

TEST(MessageTypesTest, JudgesEveryCaseOfTheTable) {
  const auto cases = read_cases("compare_messages.json");
  ASSERT_GT(cases.size(), 40U);
  const Types types = shop();
  for (const Value& given : cases) {
    SCOPED_TRACE(given.string_or("name", ""));
    const std::string a = frame(bytes_of_hex(given.string_or("a", "")).value());
    const std::string b = frame(bytes_of_hex(given.string_or("b", "")).value());
    ComparatorOptions options = read_options(given.find("rules"));
    options.messages = types;
    expect_differences(given, compare(a, b, options));
    EXPECT_EQ(compare(b, a, options).verdict, compare(a, b, options).verdict);
  }
}

TEST(MessageTypesTest, TheMethodOrTheContentTypeTellsTheMessage) {
  const ComparatorOptions options = with_types(shop());
  const std::string a(
      "\x0a\x01"
      "a");
  const std::string b(
      "\x0a\x01"
      "b");
  const auto path_of = [&](std::string_view type, std::string_view target, bool is_framed) {
    const Comparison got =
        compare(is_framed ? frame(a) : a, is_framed ? frame(b) : b, options, type, target);
    return got.differences.empty() ? std::string() : got.differences[0].path;
  };
  EXPECT_EQ(path_of("application/grpc", "/shop.v1.Orders/List", true), "body:$[].id");
  EXPECT_EQ(path_of("application/grpc", "/shop.v1.Orders/Nothing", true), "body:$[].f1");
  EXPECT_EQ(path_of("application/grpc", "/", true), "body:$[].f1");
  EXPECT_EQ(path_of("application/protobuf", "/twirp/shop.v1.Orders/Get?x=1", false), "body:$.id");
  EXPECT_EQ(path_of("application/proto", "/shop.v1.Orders/Get", false), "body:$.id");
  EXPECT_EQ(path_of("application/x-protobuf; messageType=\"shop.v1.Query\"", "/q", false),
            "body:$.id");
  EXPECT_EQ(path_of("application/x-protobuf; proto=nothing", "/q", false), "body:$.f1");
}

TEST(MessageTypesTest, WhatIsNotOfItsTypeGoesByNumbers) {
  // Field 7 is packed numbers, and these bytes end inside one.
  const std::string a("\x3a\x01\x81", 3);
  const std::string b("\x3a\x01\x82", 3);
  const Comparison got = compare(frame(a), frame(b), with_types(shop()));
  ASSERT_EQ(got.differences.size(), 1U) << describe(got);
  EXPECT_EQ(got.differences[0].path, "body:$[].f7");
}

TEST(MessageTypesTest, DefaultsThatNobodySentDoNotMakeABodyTooLarge) {
  // 40,000 empty orders would have some 600,000 values.
  std::string a;
  for (int i = 0; i < 40'000; ++i) a += frame("");
  const std::string b = a + frame(std::string("\x50\x01\x10\x00", 4));
  a += frame("\x50\x02");
  const Comparison equal = compare(a, b, with_types(shop()));
  EXPECT_EQ(equal.verdict, Verdict::kEqual) << describe(equal);
  const Comparison got = compare(a, a + frame("\x50\x01"), with_types(shop()));
  ASSERT_EQ(got.differences.size(), 1U) << describe(got);
  EXPECT_EQ(got.differences[0].path, "body:$[]");
}

TEST(MessageTypesTest, MessagesInPiecesHaveABound) {
  std::string message(std::size_t{1} << 20, 'x');
  message = "\x0a" + std::string("\x80\x80\x40", 3) + message;
  // Each level comes in two pieces, so each is copied.
  for (int depth = 0; depth < 60; ++depth) {
    std::string outer = std::string("\xa2\x01\x00", 3) + "\xa2\x01";
    for (std::size_t size = message.size(); size > 0; size >>= 7) {
      outer.push_back(static_cast<char>((size & 0x7f) | (size >= 0x80 ? 0x80 : 0)));
    }
    message = outer + message;
  }
  const Comparison got = compare(frame(message), frame(message + "\x50\x01"), with_types(shop()));
  ASSERT_EQ(got.differences.size(), 1U) << describe(got);
  EXPECT_EQ(got.differences[0].transition, "not localised");
}

std::string error_of(const std::vector<DescriptorSet>& sets) {
  const auto types = read_sets(sets);
  return types.ok() ? "" : types.error().message;
}

std::string part(int number, std::string_view bytes) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  for (std::size_t size = bytes.size();; size >>= 7) {
    out.push_back(static_cast<char>((size & 0x7f) | (size >= 0x80 ? 0x80 : 0)));
    if (size < 0x80) break;
  }
  return out.append(bytes);
}
std::string number(int number, int value) {
  return {static_cast<char>(number << 3), static_cast<char>(value)};
}
// A set of one file "a.proto" of package p.
std::string set_of(std::string_view inside) {
  return part(1, part(1, "a.proto") + part(2, "p") + std::string(inside));
}
std::string field(std::string_view name, int at, int type, std::string_view of = "") {
  return part(2, part(1, name) + number(3, at) + number(5, type) +
                     (of.empty() ? std::string() : part(6, of)));
}

TEST(MessageTypesTest, ErrorsSayWhereAndWhatToDo) {
  EXPECT_EQ(error_of({{"x.pb", ""}}), "x.pb: is empty, and no descriptor set");
  EXPECT_EQ(error_of({{"x.pb", "nothing"}}),
            "x.pb: is no descriptor set: nothing that one holds begins at byte 0 of 7");
  EXPECT_EQ(error_of({{"x.pb", number(1, 1)}}),
            "x.pb: is no descriptor set: it names no .proto file");
  const std::string whole = set_of(part(4, part(1, "M")));
  EXPECT_EQ(
      error_of({{"x.pb", whole + whole.substr(0, 9)}}),
      "x.pb: is cut: the .proto file that begins at byte 19 of 28 is longer than what is there");
  EXPECT_EQ(error_of({{"x.pb", part(1, part(1, "a.proto") + "\x0f")}}),
            "x.pb: a .proto file in it is damaged at byte 11 of 12");
  EXPECT_EQ(error_of({{"x.pb", set_of(part(4, part(1, "M") + "\x0f"))}}),
            "x.pb: a.proto: a message in p is damaged at byte 19 of 20");
  const auto of = [](std::string_view inside) { return error_of({{"x.pb", set_of(inside)}}); };
  EXPECT_EQ(of(part(4, part(1, "M") + field("a", 1, 11, ".q.N"))),
            "x.pb: a.proto: field p.M.a has the type \".q.N\", which no set defines; write the set "
            "with --include_imports");
  EXPECT_EQ(of(part(4, part(1, "M") + field("a", 1, 9) + field("b", 1, 9))),
            "x.pb: a.proto: fields a and b of p.M have the same number");
  EXPECT_EQ(of(part(4, part(1, "M") + field("a", 1, 9) + field("a", 2, 9))),
            "x.pb: a.proto: field p.M.a comes twice");
  EXPECT_EQ(of(part(4, part(1, "M") + field("a", 0, 9))),
            "x.pb: a.proto: field p.M.a has no number or no type that there is");
  EXPECT_EQ(of(part(4, part(1, "M") + field("a", 1, 19))),
            "x.pb: a.proto: field p.M.a has no number or no type that there is");
  EXPECT_EQ(of(part(4, part(1, "M")) + part(4, part(1, "M"))),
            "x.pb: a.proto: p.M is defined twice");
  EXPECT_EQ(of(part(4, part(1, "M")) + part(5, part(1, "M"))),
            "x.pb: a.proto: p.M is defined twice");
  EXPECT_EQ(of(part(4, part(1, "a b"))),
            "x.pb: a.proto: a message in p has no name, or an odd one");
  EXPECT_EQ(of(part(4, part(1, "M") + part(7, number(7, 1)))),
            "x.pb: a.proto: p.M is the entry of a map without a key or a value");
  EXPECT_NE(of(part(6, part(1, "S") + part(2, part(1, "Get") + part(3, ".p.M"))))
                .find("method p.S.Get has the type \".p.M\", which no set defines"),
            std::string::npos);
}

// Of proto2, and of an edition whose file says that messages are delimited: that is a group.
std::string set_with_groups() {
  const std::string line = part(3, part(1, "Line") + field("sku", 1, 9));
  const std::string delimited = part(8, "\x92\x03\x02" + number(5, 2));  // features: field 50
  const std::string old =
      part(1, "old.proto") + part(2, "old") +
      part(4, part(1, "Order") + field("line", 2, 10, ".old.Order.Line") + line);
  const std::string newer =
      part(1, "new.proto") + part(2, "new") + delimited + part(12, "editions") +
      part(4, part(1, "Order") + field("line", 2, 11, ".new.Order.Line") + line);
  return part(1, old) + part(1, newer);
}

TEST(MessageTypesTest, GroupsHaveTheNamesOfTheirFields) {
  const ComparatorOptions options = with_types(*read_sets({{"g.pb", set_with_groups()}}));
  const auto order = [](std::string_view sku) { return "\x13" + part(1, sku) + "\x14"; };
  for (const std::string type : {"old.Order", "new.Order"}) {
    SCOPED_TRACE(type);
    const std::string media = "application/x-protobuf; proto=" + type;
    const Comparison got = compare(order("a"), order("b"), options, media, "/q");
    ASSERT_EQ(got.differences.size(), 1U) << describe(got);
    EXPECT_EQ(got.differences[0].path, "body:$.line.sku");
    // One that comes in the form of a message is another thing to its readers.
    const Comparison other = compare(order("a"), part(2, part(1, "a")), options, media, "/q");
    EXPECT_EQ(other.verdict, Verdict::kDifferent);
    // Pieces of one are merged.
    const Comparison merged = compare(order("a"), order("b") + order("a"), options, media, "/q");
    EXPECT_EQ(merged.verdict, Verdict::kEqual) << describe(merged);
  }
}

TEST(MessageTypesTest, AFileOfSeveralSetsCountsOnce) {
  EXPECT_EQ(error_of({{"a.pb", shop_set()}, {"b.pb", shop_set()}}), "");
  EXPECT_EQ(error_of({{"a.pb", set_of("")}, {"b.pb", set_of(part(4, part(1, "M")))}}),
            "b.pb: a.proto: another file of that name was read before; write all sets from the "
            "same sources");
}

TEST(MessageTypesTest, NestingHasABound) {
  const auto nested = [](std::size_t depth) {
    std::string message = part(1, "M");
    for (std::size_t i = 1; i < depth; ++i) message = part(1, "M") + part(3, message);
    return error_of({{"x.pb", set_of(part(4, message))}});
  };
  EXPECT_EQ(nested(kMessageNestingMax), "");
  EXPECT_NE(nested(kMessageNestingMax + 1).find("nest deeper than 32"), std::string::npos);
}

TEST(MessageTypesTest, TypesHaveABound) {
  const auto many = [](std::size_t count) {
    std::string messages;
    for (std::size_t i = 0; i < count; ++i) {
      messages += part(4, part(1, "M" + std::to_string(i)));
    }
    return error_of({{"x.pb", set_of(messages)}});
  };
  EXPECT_EQ(many(kMessageTypesMax), "");
  EXPECT_NE(many(kMessageTypesMax + 1).find("more than 50000 messages"), std::string::npos);
}

TEST(MessageTypesTest, OtherSetsAreOtherRules) {
  const auto version = [](const ComparatorOptions& options) {
    return (*CompiledRules::compile(options))->version();
  };
  EXPECT_NE(version(with_types(shop())), version({}));
}

// Of every prefix and every changed byte of a set: an answer or an error, and nothing else.
TEST(MessageTypesTest, DamagedSetsAreErrorsOrSets) {
  const std::string whole = shop_set();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    (void)error_of({{"x.pb", whole.substr(0, i)}});
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x55);
    const auto types = read_sets({{"x.pb", changed}});
    if (types.ok()) (void)compare(frame("\x0a\x01x"), frame("\x12\x00"), with_types(*types));
  }
}

}  // namespace
}  // namespace banyan::comparator
