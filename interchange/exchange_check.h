// SPDX-License-Identifier: Apache-2.0
//
// What a file says is not trusted: an exchange enters the log only if it could have come over the
// wire. Any thread.
#pragma once

#include "core/base/error.h"
#include "interchange/exchange.h"

namespace banyan::interchange {

struct ExchangeLimits {
  static constexpr std::size_t kMethodBytesMax = 64;
  static constexpr std::size_t kTargetBytesMax = 64 * 1024;
  static constexpr std::size_t kFieldsMax = 1000;
  static constexpr std::size_t kHeadBytesMax = 512 * 1024;   // of one message
  static constexpr std::size_t kBodyBytesMax = 64ULL << 20;  // of one message
  static constexpr std::size_t kTextBytesMax = 1024;         // route, session, cause …
  // Of one item of a file: a JSON object or a payload, with bodies in base64.
  static constexpr std::size_t kItemBytesMax = 256ULL << 20;
};

// kDamaged: a file that is not what its format says. Readers put the place in front.
Error malformed(std::string message);

// kDamaged says what is wrong and where in the exchange it stands.
Status check_exchange(const Exchange& exchange);

}  // namespace banyan::interchange
