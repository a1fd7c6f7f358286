// SPDX-License-Identifier: Apache-2.0
#include "comparator/token_keys.h"

#include <gtest/gtest.h>

#include <string>

namespace banyan::comparator {
namespace {

const std::string kOne = "banyan:t:" + std::string(32, '1');
const std::string kTwo = "banyan:t:2:" + std::string(32, '2');
const std::string kOtherTwo = "banyan:t:2:" + std::string(32, '3');
const std::string kThree = "banyan:t:3:" + std::string(32, '1');

TEST(TokenKeysTest, TokensOfDifferentKeysAreNoDifference) {
  EXPECT_TRUE(differ_only_by_key(kOne, kTwo));
  EXPECT_TRUE(differ_only_by_key(kThree, kTwo));
  EXPECT_TRUE(differ_only_by_key("a=" + kOne + "; b=" + kTwo, "a=" + kTwo + "; b=" + kTwo));
}

TEST(TokenKeysTest, AnythingElseIs) {
  EXPECT_FALSE(differ_only_by_key(kOne, kOne));  // Equal: there is no key to blame.
  EXPECT_FALSE(differ_only_by_key(kTwo, kOtherTwo));
  EXPECT_FALSE(differ_only_by_key(kOne, "other"));
  EXPECT_FALSE(differ_only_by_key("a" + kOne, "b" + kTwo));
  EXPECT_FALSE(differ_only_by_key(kOne + "a", kTwo + "b"));
  EXPECT_FALSE(differ_only_by_key(kOne + kTwo, kTwo + kOtherTwo));
  EXPECT_FALSE(differ_only_by_key(kOne + kOne, kTwo));
  EXPECT_FALSE(differ_only_by_key("", ""));
  for (std::size_t size = 0; size < kTwo.size(); ++size) {
    EXPECT_FALSE(differ_only_by_key(kOne, kTwo.substr(0, size))) << size;
  }
}

}  // namespace
}  // namespace banyan::comparator
