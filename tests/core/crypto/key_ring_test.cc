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

TEST_F(KeyRingTest, ARotatedTokenKeyIsUsedFromTheNextOpenAndTheOldOneIsDestroyed) {
  auto ring = open(1);
  EXPECT_EQ(ring->token_key_number(), 1U);
  const std::string before = ring->token("redact", "ada");
  const std::uint64_t seed = ring->digest_seed();
  const auto number = KeyRing::rotate_token_key(files_, "/keys", "");
  ASSERT_TRUE(number.ok()) << number.error().message;
  EXPECT_EQ(*number, 2U);
  EXPECT_EQ(ring->token("redact", "ada"), before);  // What is open goes on.
  ring = open(2);
  EXPECT_EQ(ring->token_key_number(), 2U);
  EXPECT_NE(ring->token("redact", "ada"), before);
  EXPECT_EQ(ring->digest_seed(), seed);
  EXPECT_FALSE(files_.exists("/keys/token"));
  ASSERT_TRUE(KeyRing::rotate_token_key(files_, "/keys", "").ok());
  ring = open(3);
  EXPECT_EQ(ring->token_key_number(), 3U);
  EXPECT_EQ(ring->digest_seed(), seed);
  EXPECT_FALSE(files_.exists("/keys/token-0000000002"));
  const auto read_only = KeyRing::open_read_only(files_, "/keys", "");
  ASSERT_TRUE(read_only.ok());
  EXPECT_EQ((*read_only)->token("redact", "ada"), ring->token("redact", "ada"));
}

TEST_F(KeyRingTest, ARotationThatACrashCutShortIsDoneAgain) {
  const std::uint64_t seed = open(1)->digest_seed();
  ASSERT_TRUE(KeyRing::rotate_token_key(files_, "/keys", "").ok());
  // Before the new token key was there: its digest key alone.
  ASSERT_TRUE(files_.remove("/keys/token-0000000002").ok());
  auto ring = open(2);
  EXPECT_EQ(ring->token_key_number(), 1U);
  EXPECT_EQ(ring->digest_seed(), seed);
  // Twice in a row: only the last one counts.
  ASSERT_TRUE(KeyRing::rotate_token_key(files_, "/keys", "").ok());
  EXPECT_EQ(*KeyRing::rotate_token_key(files_, "/keys", ""), 3U);
  ring = open(3);
  EXPECT_EQ(ring->token_key_number(), 3U);
  EXPECT_FALSE(files_.exists("/keys/token"));
  EXPECT_FALSE(files_.exists("/keys/token-0000000002"));
  EXPECT_EQ(ring->digest_seed(), seed);
}

TEST_F(KeyRingTest, WithoutTheDigestKeyARotatedRingDoesNotOpen) {
  open(1);
  ASSERT_TRUE(KeyRing::rotate_token_key(files_, "/keys", "").ok());
  ASSERT_TRUE(files_.remove("/keys/digest").ok());
  EXPECT_FALSE(KeyRing::open(files_, "/keys", Epoch{2}, "").ok());
}

TEST_F(KeyRingTest, RotationNeedsTheMasterKeyAndADirectoryWithKeys) {
  EXPECT_EQ(KeyRing::rotate_token_key(files_, "/keys", "").error().code, ErrorCode::kNotFound);
  open(1, "master key, long enough");
  for (const char* wrong : {"", "another master key"}) {
    EXPECT_EQ(KeyRing::rotate_token_key(files_, "/keys", wrong).error().code,
              ErrorCode::kPermissionDenied);
  }
  ASSERT_TRUE(KeyRing::rotate_token_key(files_, "/keys", "master key, long enough").ok());
  EXPECT_EQ(open(2, "master key, long enough")->token_key_number(), 2U);
}

TEST_F(KeyRingTest, ListsWhatLiesInTheDirectory) {
  EXPECT_FALSE(KeyRing::list(files_, "/nowhere").ok());
  open(1, "master key, long enough");
  ASSERT_TRUE(KeyRing::rotate_token_key(files_, "/keys", "master key, long enough").ok());
  ASSERT_TRUE(files_.write_file_atomically("/keys/seal-00000000000000000009", "x").ok());
  ASSERT_TRUE(files_.write_file_atomically("/keys/other", "x").ok());
  const auto files = KeyRing::list(files_, "/keys");
  ASSERT_TRUE(files.ok());
  ASSERT_EQ(files->size(), 5U);
  EXPECT_EQ((*files)[0].name, "token");
  EXPECT_EQ((*files)[1].number, 2U);
  EXPECT_EQ((*files)[2].kind, KeyRing::KeyFile::Kind::kDigest);
  EXPECT_TRUE((*files)[3].is_wrapped);
  EXPECT_EQ((*files)[3].number, 1U);
  EXPECT_TRUE((*files)[4].is_damaged);
}

TEST_F(KeyRingTest, KeysAreWrappedByAnotherMasterKey) {
  constexpr std::string_view kOld = "master key, long enough";
  constexpr std::string_view kNew = "another master key";
  auto ring = open(1, kOld);
  const std::string sealed = ring->seal("secret", "x");
  const std::string token = ring->token("redact", "ada");
  EXPECT_EQ(KeyRing::rewrap(files_, "/keys", "wrong master key", kNew).error().code,
            ErrorCode::kPermissionDenied);
  EXPECT_EQ(open(1, kOld)->token("redact", "ada"), token);  // Nothing was written.
  EXPECT_EQ(*KeyRing::rewrap(files_, "/keys", kOld, kNew), 2U);
  EXPECT_EQ(*KeyRing::rewrap(files_, "/keys", kOld, kNew), 0U);  // Again, as after a crash.
  EXPECT_FALSE(KeyRing::open(files_, "/keys", Epoch{2}, kOld).ok());
  ring = open(2, kNew);
  EXPECT_EQ(ring->token("redact", "ada"), token);
  EXPECT_EQ(*ring->unseal(sealed, "x"), "secret");
  EXPECT_EQ(*KeyRing::rewrap(files_, "/keys", kNew, ""), 3U);
  ring = open(3);
  EXPECT_EQ(*ring->unseal(sealed, "x"), "secret");
  EXPECT_EQ(*KeyRing::rewrap(files_, "/keys", "", kOld), 4U);
  EXPECT_EQ(*open(4, kOld)->unseal(sealed, "x"), "secret");
}

}  // namespace
}  // namespace banyan::crypto
