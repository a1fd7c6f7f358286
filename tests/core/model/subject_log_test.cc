// SPDX-License-Identifier: Apache-2.0
#include "core/model/subject_log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "core/model/subject_seal.h"
#include "tests/support/memory_file_system.h"
#include "tests/support/memory_log.h"

namespace banyan::model {
namespace {

class SubjectLogTest : public testing::Test {
 protected:
  SubjectLogTest() {
    auto keys = crypto::SubjectKeys::open(files_, SystemClock::instance(), "/keys/subjects",
                                          std::string(32, 's'));
    EXPECT_TRUE(keys.ok());
    keys_ = *std::move(keys);
    sink_ = std::make_unique<SubjectSink>(log_.open_sink(), *keys_, [this] { ++wakes_; });
  }
  RequestRecord request(std::string_view key) {
    RequestRecord record;
    record.exchange = ExchangeId::make(1, Epoch{1}, 1, 1);
    record.target = "/planted";
    record.session = "token";
    record.of.key = key;
    return record;
  }
  // What a reader sees of the first record.
  std::string target(bool& is_erased) {
    SubjectLog opened(log_, *keys_);
    auto source = opened.open_source({}, Fence::kWritten);
    SourcedRecord sourced;
    EXPECT_TRUE(*(*source)->next(sourced));
    const auto record = decode(sourced.encoded);
    is_erased = std::get<RequestRecord>(*record).of.is_erased;
    return std::string(std::get<RequestRecord>(*record).target);
  }
  template <typename Condition>
  bool wait_for(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }

  support::MemoryFileSystem files_;
  support::MemoryLog log_{SystemClock::instance()};
  std::unique_ptr<crypto::SubjectKeys> keys_;
  std::atomic<int> wakes_{0};
  std::unique_ptr<SubjectSink> sink_;
};

TEST_F(SubjectLogTest, SealsOnTheWayInAndOpensOnTheWayOut) {
  const std::string id = keys_->id_for("ada");
  append_record(*sink_, request(id));
  std::string encoded;
  encode(request(id), encoded);
  sink_->append(encoded);
  for (const std::string& bytes : log_.records()) {
    EXPECT_EQ(subject_of_sealed(bytes), id);
    EXPECT_EQ(bytes.find("planted"), std::string::npos);
  }
  bool is_erased = true;
  EXPECT_EQ(target(is_erased), "/planted");
  EXPECT_FALSE(is_erased);
  ASSERT_TRUE(keys_->doom({id}, "test").ok());
  EXPECT_EQ(target(is_erased), "");
  EXPECT_TRUE(is_erased);
}

TEST_F(SubjectLogTest, ARecordOfNobodyPassesAsItIs) {
  append_record(*sink_, request(""));
  std::string plain;
  encode(request(""), plain);
  EXPECT_EQ(log_.records().at(0), plain);
}

TEST_F(SubjectLogTest, ARecordIsDurableOnceItsKeyIs) {
  files_.hang(support::MemoryFileSystem::Call::kSync);
  const std::string id = keys_->id_for("ada");
  const Ticket of_nobody = append_record(*sink_, request(""));
  const Ticket hers = append_record(*sink_, request(id));
  EXPECT_TRUE(sink_->is_written(hers));
  EXPECT_TRUE(sink_->is_durable(of_nobody));
  EXPECT_FALSE(sink_->is_durable(hers));
  files_.release();
  EXPECT_TRUE(wait_for([&] { return sink_->is_durable(hers); }));
  EXPECT_TRUE(wait_for([&] { return wakes_.load() > 0; }));
}

TEST_F(SubjectLogTest, WithoutAKeyThePersonalPartIsLeftOut) {
  append_record(*sink_, request(crypto::SubjectKeys::no_key()));
  bool is_erased = false;
  EXPECT_EQ(target(is_erased), "");
  EXPECT_TRUE(is_erased);
}

TEST_F(SubjectLogTest, SessionsAreLookedForEverywhere) {
  const std::string id = keys_->id_for("ada");
  append_record(*sink_, request(id));
  SubjectLog opened(log_, *keys_);
  const auto spans = opened.find_key(LogKey::of_session("token"));
  ASSERT_TRUE(spans.ok());
  ASSERT_EQ(spans->size(), 1U);
  EXPECT_EQ(spans->at(0), (LogSpan{"main", Offset{0}, Offset{1}}));
}

}  // namespace
}  // namespace banyan::model
