// SPDX-License-Identifier: Apache-2.0
#include "core/store/database.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace banyan::store {
namespace {

class DatabaseTest : public testing::Test {
 protected:
  DatabaseTest() {
    std::string pattern = testing::TempDir() + "banyan-store-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    path_ = directory_ + "/findings.sqlite";
  }
  ~DatabaseTest() override { std::filesystem::remove_all(directory_); }
  std::unique_ptr<Database> open(Database::Mode mode = Database::Mode::kReadWrite) {
    auto database = Database::open(path_, mode);
    EXPECT_TRUE(database.ok()) << (database.ok() ? "" : database.error().message);
    return database.ok() ? std::move(database).value() : nullptr;
  }
  static std::int64_t count(Database& database) {
    auto statement = database.prepare("SELECT count(*) FROM t");
    EXPECT_TRUE(statement.ok() && statement->step().ok());
    return statement->integer(0);
  }
  static constexpr const char* kSchema = "CREATE TABLE t (a TEXT, n INTEGER, b BLOB) STRICT";

  std::string directory_;
  std::string path_;
};

TEST_F(DatabaseTest, KeepsWhatWasBound) {
  auto database = open();
  ASSERT_TRUE(database->execute(kSchema).ok());
  auto insert = database->prepare("INSERT INTO t VALUES (?1, ?2, ?3)");
  ASSERT_TRUE(insert.ok());
  const std::string bytes("\0\x01", 2);
  ASSERT_TRUE(insert->bind(1, "a'b\"").bind(2, UINT64_MAX).bind_blob(3, bytes).run().ok());
  ASSERT_TRUE(insert->bind(1, std::string_view()).bind(2, -7).bind_null(3).run().ok());
  auto select = database->prepare("SELECT a, n, b FROM t ORDER BY rowid");
  ASSERT_TRUE(*select->step());
  EXPECT_EQ(select->text(0), "a'b\"");
  EXPECT_EQ(select->unsigned_integer(1), UINT64_MAX);
  EXPECT_EQ(select->blob(2), bytes);
  ASSERT_TRUE(*select->step());
  EXPECT_EQ(select->text(0), "");
  EXPECT_FALSE(select->is_null(0));
  EXPECT_EQ(select->integer(1), -7);
  EXPECT_TRUE(select->is_null(2));
  EXPECT_FALSE(*select->step());
}

TEST_F(DatabaseTest, GivesEachRowInTurnAndTheErrorThatEndsThem) {
  auto database = open();
  ASSERT_TRUE(database->execute(kSchema).ok());
  auto select = database->prepare("SELECT n FROM t WHERE n >= ?1 ORDER BY n");
  ASSERT_TRUE(select.ok());
  std::vector<std::int64_t> seen;
  const auto take = [&] { seen.push_back(select->integer(0)); };
  select->bind(1, std::int64_t{2});
  EXPECT_TRUE(select->for_each_row(take).ok());
  EXPECT_TRUE(seen.empty());
  ASSERT_TRUE(database->execute("INSERT INTO t (n) VALUES (3), (1), (2)").ok());
  select->bind(1, std::int64_t{2});
  EXPECT_TRUE(select->for_each_row(take).ok());
  EXPECT_EQ(seen, (std::vector<std::int64_t>{2, 3}));
  auto failing = database->prepare("SELECT abs(-9223372036854775807 - 1)");
  ASSERT_TRUE(failing.ok());
  EXPECT_FALSE(failing->for_each_row([] { FAIL() << "a row"; }).ok());
}

TEST_F(DatabaseTest, ATransactionIsUndoneUnlessCommitted) {
  auto database = open();
  ASSERT_TRUE(database->execute(kSchema).ok());
  {
    auto transaction = Transaction::begin(*database);
    ASSERT_TRUE(transaction.ok());
    ASSERT_TRUE(database->execute("INSERT INTO t (n) VALUES (1)").ok());
  }
  EXPECT_EQ(count(*database), 0);
  auto transaction = Transaction::begin(*database);
  ASSERT_TRUE(database->execute("INSERT INTO t (n) VALUES (1)").ok());
  ASSERT_TRUE(transaction->commit().ok());
  EXPECT_EQ(count(*database), 1);
}

TEST_F(DatabaseTest, ReadsBesideAWriterAndRefusesToWrite) {
  auto writer = open();
  ASSERT_TRUE(writer->execute(kSchema).ok());
  ASSERT_TRUE(writer->execute("INSERT INTO t (n) VALUES (1)").ok());
  auto reader = open(Database::Mode::kReadOnly);
  EXPECT_EQ(count(*reader), 1);
  const Status refused = reader->execute("DELETE FROM t");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kPermissionDenied);
}

TEST_F(DatabaseTest, AMissingFileIsNotCreatedByReading) {
  auto missing = Database::open(path_, Database::Mode::kReadOnly);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(DatabaseTest, ADamagedFileSaysWhatToDo) {
  std::ofstream(path_) << std::string(8192, 'x');
  auto damaged = Database::open(path_, Database::Mode::kReadWrite);
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().code, ErrorCode::kDamaged);
  EXPECT_NE(damaged.error().message.find(path_), std::string::npos);
  EXPECT_NE(damaged.error().message.find("move the file away"), std::string::npos);
}

TEST_F(DatabaseTest, AFullDiskIsExhausted) {
  auto database = open();
  ASSERT_TRUE(database->execute(kSchema).ok());
  // SQLite's own bound answers as a full disk does.
  ASSERT_TRUE(database->execute("PRAGMA max_page_count=4").ok());
  auto insert = database->prepare("INSERT INTO t (b) VALUES (?1)");
  const Status full = insert->bind_blob(1, std::string(100'000, 'x')).run();
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, ErrorCode::kExhausted);
  EXPECT_EQ(count(*database), 0);
}

TEST_F(DatabaseTest, TheFileIsPrivate) {
  const auto database = open();
  struct stat facts {};
  ASSERT_EQ(::stat(path_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
}

TEST_F(DatabaseTest, AWrongTypeOrStatementIsAnErrorNotACrash) {
  auto database = open();
  ASSERT_TRUE(database->execute(kSchema).ok());
  EXPECT_FALSE(database->execute("INSERT INTO t (n) VALUES ('word')").ok());
  EXPECT_FALSE(database->prepare("SELEC").ok());
  auto insert = database->prepare("INSERT INTO t (n) VALUES (?1)");
  EXPECT_FALSE(insert->bind(9, 1).run().ok());
}

TEST_F(DatabaseTest, KeepsItsSchemaVersion) {
  {
    auto database = open();
    EXPECT_EQ(*database->user_version(), 0);
    ASSERT_TRUE(database->set_user_version(3).ok());
  }
  EXPECT_EQ(*open()->user_version(), 3);
}

}  // namespace
}  // namespace banyan::store
