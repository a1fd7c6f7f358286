// SPDX-License-Identifier: Apache-2.0
//
// SQLite with our errors and lifetimes. The only room that includes sqlite3.h.
//
//   auto database = Database::open(path, Database::Mode::kReadWrite);
//   auto insert = database->prepare("INSERT INTO t (name, n) VALUES (?1, ?2)");
//   BANYAN_RETURN_IF_ERROR(insert->bind(1, name).bind(2, n).run());
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace banyan::store {

// A prepared statement; must die before its database. One thread at a time.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement();

  // Parameters count from 1 and are copied. A failed bind shows in the next step() or run().
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::uint64_t value) {
    return bind(index, static_cast<std::int64_t>(value));
  }
  Statement& bind(int index, int value) { return bind(index, static_cast<std::int64_t>(value)); }
  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, const char* text) { return bind(index, std::string_view(text)); }
  Statement& bind(int index, const std::string& text) {
    return bind(index, std::string_view(text));
  }
  Statement& bind_blob(int index, std::string_view bytes);
  Statement& bind_null(int index);

  // True: a row is there. False: done; the statement is reset and may be bound again.
  Result<bool> step();
  // Calls `take` at each row; its columns are read from this statement.
  template <typename Take>
  Status for_each_row(const Take& take) {
    for (;;) {
      const auto row = step();
      if (!row.ok()) return row.error();
      if (!*row) return {};
      take();
    }
  }
  // Steps to the end, rows are skipped.
  Status run();
  void reset();

  // Columns count from 0. Views are valid until the next step() or reset().
  std::int64_t integer(int column) const;
  std::uint64_t unsigned_integer(int column) const {
    return static_cast<std::uint64_t>(integer(column));
  }
  std::string_view text(int column) const;
  std::string_view blob(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  Statement(sqlite3_stmt* handle, const std::string* path) : handle_(handle), path_(path) {}
  sqlite3_stmt* handle_ = nullptr;
  const std::string* path_ = nullptr;
  int bind_error_ = 0;
};

// One connection: WAL, synchronous=NORMAL, foreign keys on, bounded busy wait. One thread at a
// time.
class Database {
 public:
  enum class Mode { kReadWrite, kReadOnly };
  static constexpr int kBusyWaitMs = 5000;

  // kReadWrite creates the file (mode 0600). kNotFound where kReadOnly finds none.
  static Result<std::unique_ptr<Database>> open(const std::string& path, Mode mode);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // One or several statements without parameters.
  Status execute(const std::string& sql);
  Result<Statement> prepare(std::string_view sql);
  // Rows changed by the last statement.
  std::int64_t changes() const;
  // PRAGMA user_version, for schema versions.
  Result<std::int64_t> user_version();
  Status set_user_version(std::int64_t version);

 private:
  explicit Database(std::string path) : path_(std::move(path)) {}
  sqlite3* handle_ = nullptr;
  std::string path_;
};

// BEGIN IMMEDIATE … COMMIT; undone when it dies without commit().
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(other.database_) {
    other.database_ = nullptr;
  }
  Transaction& operator=(Transaction&&) = delete;
  Transaction(const Transaction&) = delete;
  ~Transaction();
  Status commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace banyan::store
