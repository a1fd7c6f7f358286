// SPDX-License-Identifier: Apache-2.0
#include "core/store/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace banyan::store {
namespace {

ErrorCode code_of(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return ErrorCode::kUnavailable;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG: return ErrorCode::kExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ErrorCode::kDamaged;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH: return ErrorCode::kPermissionDenied;
    case SQLITE_CONSTRAINT: return ErrorCode::kAlreadyExists;
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
    case SQLITE_ERROR: return ErrorCode::kInternal;
    default: return ErrorCode::kIo;
  }
}

std::string_view advice(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUnavailable: return "; another process holds it, try again";
    case ErrorCode::kExhausted: return "; free some disk space";
    case ErrorCode::kDamaged: return "; move the file away, it is rebuilt from the log";
    case ErrorCode::kPermissionDenied: return "; check the owner and mode of the file";
    default: return "";
  }
}

Error error_of(sqlite3* handle, int sqlite_code, const std::string& path) {
  const ErrorCode code = code_of(sqlite_code);
  std::string message = path + ": " + sqlite3_errstr(sqlite_code);
  if (handle != nullptr && sqlite3_errcode(handle) != SQLITE_OK) {
    const std::string_view detail = sqlite3_errmsg(handle);
    if (detail != sqlite3_errstr(sqlite_code)) {
      message += " (";
      message += detail;
      message += ")";
    }
  }
  message += advice(code);
  Error error = make_error(code, ErrorOrigin::kDisk, std::move(message));
  if (handle != nullptr) error.system_errno = sqlite3_system_errno(handle);
  return error;
}

// SQLite would create the file with the process's umask; it holds recorded values.
Status create_private(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return error_from_errno(errno, ErrorOrigin::kDisk, "cannot open " + path);
  ::close(fd);
  return {};
}

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)),
      path_(other.path_),
      bind_error_(other.bind_error_) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(path_, other.path_);
  std::swap(bind_error_, other.bind_error_);
  return *this;
}

Statement::~Statement() { sqlite3_finalize(handle_); }

Statement& Statement::bind(int index, std::int64_t value) {
  if (const int code = sqlite3_bind_int64(handle_, index, value); code != SQLITE_OK) {
    bind_error_ = code;
  }
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  const char* data = text.data() == nullptr ? "" : text.data();
  const int code =
      sqlite3_bind_text64(handle_, index, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  const char* data = bytes.data() == nullptr ? "" : bytes.data();
  const int code = sqlite3_bind_blob64(handle_, index, data, bytes.size(), SQLITE_TRANSIENT);
  if (code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Statement& Statement::bind_null(int index) {
  if (const int code = sqlite3_bind_null(handle_, index); code != SQLITE_OK) bind_error_ = code;
  return *this;
}

Result<bool> Statement::step() {
  if (bind_error_ != SQLITE_OK) {
    return error_of(nullptr, std::exchange(bind_error_, SQLITE_OK), *path_);
  }
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    sqlite3_reset(handle_);
    return false;
  }
  Error error = error_of(sqlite3_db_handle(handle_), code, *path_);
  sqlite3_reset(handle_);
  return error;
}

Status Statement::run() {
  for (;;) {
    auto row = step();
    if (!row.ok()) return row.error();
    if (!*row) return {};
  }
}

void Statement::reset() { sqlite3_reset(handle_); }

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_, column); }

std::string_view Statement::text(int column) const {
  const auto* data = sqlite3_column_text(handle_, column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_, column));
  return data == nullptr ? std::string_view()
                         : std::string_view(reinterpret_cast<const char*>(data), size);
}

std::string_view Statement::blob(int column) const {
  const void* data = sqlite3_column_blob(handle_, column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_, column));
  return data == nullptr ? std::string_view()
                         : std::string_view(static_cast<const char*>(data), size);
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_, column) == SQLITE_NULL;
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path, Mode mode) {
  if (mode == Mode::kReadOnly) {
    if (::access(path.c_str(), F_OK) != 0) {
      return error_from_errno(errno, ErrorOrigin::kDisk, "cannot open " + path);
    }
  } else {
    BANYAN_RETURN_IF_ERROR(create_private(path));
  }
  std::unique_ptr<Database> database(new Database(path));
  const int flags = (mode == Mode::kReadOnly ? SQLITE_OPEN_READONLY
                                             : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
                    SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(path.c_str(), &database->handle_, flags, nullptr);
  if (code != SQLITE_OK) return error_of(database->handle_, code, path);
  sqlite3_extended_result_codes(database->handle_, 1);
  sqlite3_busy_timeout(database->handle_, kBusyWaitMs);
  if (mode == Mode::kReadWrite) {
    BANYAN_RETURN_IF_ERROR(database->execute(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; "
        "PRAGMA trusted_schema=OFF;"));
  }
  // Opening reads nothing; a damaged file should be known now.
  auto version = database->user_version();
  if (!version.ok()) return version.error();
  return database;
}

Database::~Database() { sqlite3_close_v2(handle_); }

Status Database::execute(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error_of(handle_, code, path_);
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return error_of(handle_, code, path_);
  return Statement(statement, &path_);
}

std::int64_t Database::changes() const { return sqlite3_changes64(handle_); }

Result<std::int64_t> Database::user_version() {
  auto statement = prepare("PRAGMA user_version");
  if (!statement.ok()) return statement.error();
  auto row = statement->step();
  if (!row.ok()) return row.error();
  return *row ? statement->integer(0) : 0;
}

Status Database::set_user_version(std::int64_t version) {
  return execute("PRAGMA user_version=" + std::to_string(version));
}

Result<Transaction> Transaction::begin(Database& database) {
  BANYAN_RETURN_IF_ERROR(database.execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::~Transaction() {
  // Where SQLite has rolled back by itself already (disk full), this fails and changes nothing.
  if (database_ != nullptr) (void)database_->execute("ROLLBACK").ok();
}

Status Transaction::commit() {
  BANYAN_RETURN_IF_ERROR(database_->execute("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace banyan::store
