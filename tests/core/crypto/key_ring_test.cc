// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/key_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

#include "core/base/text.h"
#include "core/crypto/aes_gcm.h"
#include "core/crypto/keyed_hash.h"
#include "tests/support/memory_file_system.h"

namespace banyan::crypto {
namespace {

using testing::HasSubstr;

class KeyRingTest : public testing::Test {
 protected:
  std::unique_ptr<KeyRing> open(std::uint64_t epoch, std::string_view master = "") {
    auto ring = KeyRing::open(files_, "/keys", Epoch{epoch}, master);
    EXPECT_TRUE(ring.ok()) << ring.error().message;
    return ring.ok() ? *std::move(ring) : nullptr;
  }
  support::MemoryFileSystem files_;
};

// RFC 4231, test case 2.
TEST(KeyedHashTest, IsHmacSha256) {
  const KeyedHash hash("Jefe");
  EXPECT_EQ(hex_of_bytes(hash.digest({"what do ya want ", "for nothing?"})),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const KeyedHash other("other");
  const std::string first = hash.digest({"x"});
  EXPECT_NE(other.digest({"x"}), first);
  EXPECT_EQ(hash.digest({"x"}), first);  // The thread changed keys in between.
}

TEST_F(KeyRingTest, TokensAreStableAndKeptApart) {
  auto ring = open(1);
  const std::string token = ring->token("session", "ada");
  EXPECT_EQ(token.size(), 16U);
  EXPECT_EQ(ring->token("session", "ada"), token);
  EXPECT_NE(ring->token("session", "bob"), token);
  EXPECT_NE(ring->token("redact", "ada"), token);
  EXPECT_NE(ring->token("sessiona", "da"), token);
  const std::uint64_t seed = ring->digest_seed();
  ring = open(2);
  EXPECT_EQ(ring->token("session", "ada"), token);  // For the life of the directory.
  EXPECT_EQ(ring->digest_seed(), seed);
  support::MemoryFileSystem elsewhere;
  auto stranger = KeyRing::open(elsewhere, "/keys", Epoch{1}, "");
  ASSERT_TRUE(stranger.ok());
  EXPECT_NE((*stranger)->token("session", "ada"), token);
}

TEST_F(KeyRingTest, UnsealsWhatWasSealedUnlessSomethingChanged) {
  auto ring = open(1);
  const std::string sealed = ring->seal("secret", "exchange 1");
  EXPECT_EQ(*ring->unseal(sealed, "exchange 1"), "secret");
  EXPECT_EQ(ring->unseal(sealed, "exchange 2").error().code, ErrorCode::kDamaged);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(ring->unseal(changed, "exchange 1").ok()) << i;
    EXPECT_FALSE(ring->unseal(sealed.substr(0, i), "exchange 1").ok()) << i;
  }
  EXPECT_EQ(sealed.find("secret"), std::string::npos);
  EXPECT_EQ(*ring->unseal(ring->seal("", ""), ""), "");
}

TEST_F(KeyRingTest, NoNonceComesTwiceAlsoWhenAnEpochIsOpenedTwice) {
  std::set<std::string> nonces;
  for (int open_count = 0; open_count < 2; ++open_count) {
    auto ring = open(1);
    for (int i = 0; i < 1000; ++i) nonces.insert(ring->seal("x", "").substr(9, 12));
  }
  EXPECT_EQ(nonces.size(), 2000U);
}

TEST_F(KeyRingTest, OldEpochsOpenUntilTheirKeysAreDestroyed) {
  const std::string sealed = open(1)->seal("secret", "");
  auto ring = open(2);
  EXPECT_EQ(*ring->unseal(sealed, ""), "secret");
  const std::string path = "/keys/seal-00000000000000000001";
  const std::string before = files_.content(path);
  ASSERT_FALSE(before.empty());
  EXPECT_TRUE(ring->destroy_before(Epoch{2}).ok());
  EXPECT_FALSE(files_.exists(path));
  EXPECT_EQ(ring->unseal(sealed, "").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(*ring->unseal(ring->seal("new", ""), ""), "new");
  EXPECT_TRUE(ring->destroy_before(Epoch{100}).ok());  // Never the present one.
  EXPECT_EQ(*open(2)->unseal(ring->seal("new", ""), ""), "new");
}

// Each change that destroying two keys makes fails once: the other key goes all the same, nothing
// of either opens any more, and the next call ends it.
TEST_F(KeyRingTest, AKeyThatCannotBeDestroyedHoldsUpNoOther) {
  for (std::uint64_t nth = 1;; ++nth) {
    const std::string first = open(1)->seal("secret", "");
    const std::string second = open(2)->seal("secret", "");
    auto ring = open(3);
    ASSERT_TRUE(ring->unseal(first, "").ok());  // Held in memory.
    const std::uint64_t before = files_.changes();
    files_.fail_any_change(nth, EIO);
    const auto status = ring->destroy_before(Epoch{3});
    files_.clear_failures();
    EXPECT_EQ(ring->unseal(first, "").error().code, ErrorCode::kNotFound) << nth;
    EXPECT_EQ(ring->unseal(second, "").error().code, ErrorCode::kNotFound) << nth;
    EXPECT_FALSE(files_.exists("/keys/seal-00000000000000000001") &&
                 files_.exists("/keys/seal-00000000000000000002"))
        << nth;
    EXPECT_EQ(*ring->unseal(ring->seal("new", ""), ""), "new");
    const bool has_failed = nth <= files_.changes() - before;
    EXPECT_EQ(status.ok(), !has_failed) << nth;
    EXPECT_TRUE(ring->destroy_before(Epoch{3}).ok());
    EXPECT_FALSE(files_.exists("/keys/seal-00000000000000000001"));
    EXPECT_FALSE(files_.exists("/keys/seal-00000000000000000002"));
    if (!has_failed) return;
    ASSERT_LT(nth, 100U);
  }
}

TEST_F(KeyRingTest, ReadOnlyOpensButDoesNotSeal) {
  EXPECT_EQ(KeyRing::open_read_only(files_, "/keys", "").error().code, ErrorCode::kNotFound);
  auto writer = open(1);
  const std::string sealed = writer->seal("secret", "");
  auto reader = KeyRing::open_read_only(files_, "/keys", "");
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(*(*reader)->unseal(sealed, ""), "secret");
  EXPECT_EQ((*reader)->token("a", "b"), writer->token("a", "b"));
  EXPECT_EQ((*reader)->seal("x", ""), "");
}

TEST_F(KeyRingTest, AMasterKeyWrapsTheKeysOnDisk) {
  const std::string sealed = open(1)->seal("secret", "");
  EXPECT_THAT(files_.content("/keys/token"), HasSubstr("plain "));
  auto ring = open(2, "correct horse");
  const std::string token = ring->token("a", "b");
  EXPECT_THAT(files_.content("/keys/token"), HasSubstr("wrapped "));
  EXPECT_EQ(*ring->unseal(sealed, ""), "secret");
  EXPECT_EQ(open(3, "correct horse")->token("a", "b"), token);
  const auto none = KeyRing::open(files_, "/keys", Epoch{4}, "");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, ErrorCode::kPermissionDenied);
  EXPECT_THAT(none.error().message, HasSubstr("[record] key"));
  const auto wrong = KeyRing::open(files_, "/keys", Epoch{4}, "battery staple");
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code, ErrorCode::kPermissionDenied);
}

TEST_F(KeyRingTest, SaysWhereAKeyFileIsDamaged) {
  open(1);
  files_.flip_byte("/keys/token", 20);
  const auto ring = KeyRing::open(files_, "/keys", Epoch{2}, "");
  ASSERT_FALSE(ring.ok());
  EXPECT_EQ(ring.error().code, ErrorCode::kDamaged);
  EXPECT_THAT(ring.error().message, HasSubstr("/keys/token"));
}

TEST_F(KeyRingTest, ServesManyThreads) {
  auto ring = open(1);
  const std::string token = ring->token("a", "value");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        EXPECT_EQ(ring->token("a", "value"), token);
        EXPECT_EQ(*ring->unseal(ring->seal("s", "b"), "b"), "s");
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace banyan::crypto
