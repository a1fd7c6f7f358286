// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.h"

#include <cerrno>
#include <system_error>

namespace banyan {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return "invalid_argument";
    case ErrorCode::kNotFound: return "not_found";
    case ErrorCode::kAlreadyExists: return "already_exists";
    case ErrorCode::kPermissionDenied: return "permission_denied";
    case ErrorCode::kUnavailable: return "unavailable";
    case ErrorCode::kTimeout: return "timeout";
    case ErrorCode::kExhausted: return "exhausted";
    case ErrorCode::kDamaged: return "damaged";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kIo: return "io";
    case ErrorCode::kCancelled: return "cancelled";
    case ErrorCode::kInternal: return "internal";
  }
  return "internal";
}

std::string_view to_string(ErrorOrigin origin) {
  switch (origin) {
    case ErrorOrigin::kInternal: return "internal";
    case ErrorOrigin::kClient: return "client";
    case ErrorOrigin::kLegacy: return "legacy";
    case ErrorOrigin::kCandidate: return "candidate";
    case ErrorOrigin::kDisk: return "disk";
    case ErrorOrigin::kConfig: return "config";
  }
  return "internal";
}

namespace {

ErrorCode code_of_errno(int saved_errno) {
  switch (saved_errno) {
    case ENOENT: return ErrorCode::kNotFound;
    case EEXIST: return ErrorCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS: return ErrorCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return ErrorCode::kExhausted;
    case ETIMEDOUT: return ErrorCode::kTimeout;
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EPIPE:
    case EAGAIN: return ErrorCode::kUnavailable;
    default: return ErrorCode::kIo;
  }
}

}  // namespace

Error error_from_errno(int saved_errno, ErrorOrigin origin, std::string_view message) {
  Error error;
  error.code = code_of_errno(saved_errno);
  error.origin = origin;
  error.system_errno = saved_errno;
  error.may_retry = error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kTimeout;
  error.message = std::string(message) + ": " + std::generic_category().message(saved_errno);
  return error;
}

Error make_error(ErrorCode code, ErrorOrigin origin, std::string message) {
  Error error;
  error.code = code;
  error.origin = origin;
  error.message = std::move(message);
  error.may_retry = code == ErrorCode::kUnavailable || code == ErrorCode::kTimeout;
  return error;
}

}  // namespace banyan
