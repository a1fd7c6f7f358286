// SPDX-License-Identifier: Apache-2.0
//
// How fallible functions answer: Status, or Result<T>. Nothing in Banyan throws.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/check.h"

namespace banyan {

enum class ErrorCode {
  kInvalidArgument,  // the caller's input is wrong; trying again does not help
  kNotFound,
  kAlreadyExists,
  kPermissionDenied,
  kUnavailable,  // a peer or resource is away for now; trying again may help
  kTimeout,
  kExhausted,  // a named limit was reached: memory, queue, disk
  kDamaged,    // stored bytes do not match their checksum or format
  kUnsupported,
  kIo,
  kCancelled,
  kInternal,  // a bug of ours
};

// Who is at fault; decides the status a client sees and whom a person should look at.
enum class ErrorOrigin { kInternal, kClient, kLegacy, kCandidate, kDisk, kConfig };

std::string_view to_string(ErrorCode code);
std::string_view to_string(ErrorOrigin origin);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  ErrorOrigin origin = ErrorOrigin::kInternal;
  // One sentence a person can act on: what, where, what to do. Never a secret.
  std::string message;
  // errno of the failed call, 0 where none.
  int system_errno = 0;
  bool may_retry = false;
};

// Builds an Error from errno: "message: strerror(errno)".
[[gnu::cold]] Error error_from_errno(int saved_errno, ErrorOrigin origin, std::string_view message);
[[gnu::cold]] Error make_error(ErrorCode code, ErrorOrigin origin, std::string message);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    CHECK(error_.has_value());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }
  T& value() & {
    CHECK(value_.has_value());
    return *value_;
  }
  const T& value() const& {
    CHECK(value_.has_value());
    return *value_;
  }
  T&& value() && {
    CHECK(value_.has_value());
    return *std::move(value_);
  }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const Error& error() const {
    CHECK(error_.has_value());
    return *error_;
  }
  Status status() const { return ok() ? Status() : Status(*error_); }

 private:
  std::optional<T> value_;
  std::optional<Error> error_;
};

}  // namespace banyan

// Leaves the enclosing function with the error, if there is one.
#define BANYAN_RETURN_IF_ERROR(expr)                          \
  do {                                                        \
    if (auto banyan_status_ = (expr); !banyan_status_.ok()) { \
      return banyan_status_.error();                          \
    }                                                         \
  } while (false)
