// SPDX-License-Identifier: Apache-2.0
#include "routing/state_file.h"

#include <gtest/gtest.h>

#include <string>

#include "core/base/hash.h"
#include "core/base/text.h"

namespace banyan::routing {
namespace {

SavedState sample() {
  SavedState state;
  state.epoch = 2003;
  state.salt = std::string("\x00\xff salt", 7);
  SavedRoute orders;
  orders.name = "orders";
  orders.dials = {2500, 10000, true};
  orders.configured = {0, 10000, false};
  orders.is_overridden = true;
  orders.changed_wall_ns = 1'700'000'000'000'000'000;
  orders.changed_by = "ada";
  orders.changed_reason = "line one\nline \"two\" \\ \x01 \xc3\xa4 \x7f";
  SavedRoute plain;
  plain.name = "";
  plain.is_rolled_back = true;
  state.routes = {orders, plain};
  return state;
}

std::string with_checksum(std::string content) {
  const std::uint64_t checksum = xxh3_64(content);
  return content + "checksum " + hex_of_u64(checksum) + "\n";
}

TEST(StateFileTest, DecodeOfEncodeIsIdentity) {
  for (const SavedState& state : {SavedState(), sample()}) {
    const auto decoded = decode_state(encode_state(state));
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_EQ(*decoded, state);
  }
}

// The format is a promise to later versions.
TEST(StateFileTest, IsReadableTextOfAKnownForm) {
  SavedState state = sample();
  state.routes.pop_back();
  state.routes[0].changed_reason = "half a day \"of\" canary";
  const std::string text = encode_state(state);
  EXPECT_EQ(
      text.substr(0, text.size() - 17),
      "banyan-routing 1\n"
      "epoch 2003\n"
      "salt 00ff2073616c74\n"
      "route name=\"orders\" dials=2500,10000,1 configured=0,10000,0 overridden=1 rolled_back=0 "
      "changed=1700000000000000000 by=\"ada\" reason=\"half a day \\x22of\\x22 canary\"\n"
      "checksum ");
}

TEST(StateFileTest, EveryTruncationAndEveryFlippedBitIsDamage) {
  const std::string text = encode_state(sample());
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto decoded = decode_state(text.substr(0, size));
    ASSERT_FALSE(decoded.ok()) << size;
    EXPECT_EQ(decoded.error().code, ErrorCode::kDamaged);
  }
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = text;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      const auto decoded = decode_state(flipped);
      ASSERT_FALSE(decoded.ok()) << at;
      EXPECT_EQ(decoded.error().code, ErrorCode::kDamaged);
    }
  }
}

TEST(StateFileTest, AnotherVersionIsNotDamage) {
  const auto decoded = decode_state(with_checksum("banyan-routing 2\nwhatever\n"));
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.error().code, ErrorCode::kUnsupported);
}

TEST(StateFileTest, RefusesWhatItWouldNotWrite) {
  const std::string head = "banyan-routing 1\nepoch 1\nsalt 00\n";
  const std::string route =
      "route name=\"a\" dials=1,2,0 configured=1,2,0 overridden=0 rolled_back=0 changed=0 by=\"\" "
      "reason=\"\"\n";
  EXPECT_TRUE(decode_state(with_checksum(head + route)).ok());
  const std::string bad_lines[] = {
      "banyan-routing 1\n",
      "banyan-routing 1\nepoch 1\n",
      "banyan-routing 1\nepoch -1\nsalt 00\n",
      "banyan-routing 1\nepoch 01\nsalt 00\n",
      "banyan-routing 1\nepoch 99999999999999999999\nsalt 00\n",
      "banyan-routing 1\nepoch 1\nsalt 0\n",
      "banyan-routing 1\nepoch 1\nsalt FF\n",
      head + "\n",
      head + "route\n",
      head + route + route,
      head +
          "route name=\"a\" dials=10001,2,0 configured=1,2,0 overridden=0 rolled_back=0 changed=0 "
          "by=\"\" reason=\"\"\n",
      head +
          "route name=\"a\" dials=1,2,2 configured=1,2,0 overridden=0 rolled_back=0 changed=0 "
          "by=\"\" reason=\"\"\n",
      head +
          "route name=\"a\\x2\" dials=1,2,0 configured=1,2,0 overridden=0 rolled_back=0 changed=0 "
          "by=\"\" reason=\"\"\n",
      head + "route name=\"a dials=1,2,0\n",
      head + route.substr(0, route.size() - 1) + " more\n",
  };
  for (const std::string& text : bad_lines) {
    const auto decoded = decode_state(with_checksum(text));
    ASSERT_FALSE(decoded.ok()) << text;
    EXPECT_EQ(decoded.error().code, ErrorCode::kDamaged);
  }
}

TEST(StateFileTest, ManyRoutesAreBounded) {
  SavedState state;
  for (std::size_t i = 0; i < kStateRoutesMax; ++i) {
    state.routes.emplace_back();
    state.routes.back().name = std::to_string(i);
  }
  EXPECT_TRUE(decode_state(encode_state(state)).ok());
  state.routes.emplace_back();
  state.routes.back().name = "one too many";
  EXPECT_FALSE(decode_state(encode_state(state)).ok());
}

}  // namespace
}  // namespace banyan::routing
