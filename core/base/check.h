// SPDX-License-Identifier: Apache-2.0
//
// CHECK(condition): for our own bugs only, on in release builds too, never reachable from outside
// input. Prints file, line and condition (no data) to stderr and aborts.
#pragma once

namespace banyan {

[[noreturn, gnu::cold]] void check_failed(const char* file, int line, const char* condition);

}  // namespace banyan

#define CHECK(condition)                                      \
  do {                                                        \
    if (!(condition)) [[unlikely]] {                          \
      ::banyan::check_failed(__FILE__, __LINE__, #condition); \
    }                                                         \
  } while (false)
