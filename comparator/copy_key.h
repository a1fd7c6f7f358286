// SPDX-License-Identifier: Apache-2.0
//
// One copy of one exchange: what a SHADOW and its VERDICT are joined by. Inside the comparator
// only.
#pragma once

#include <cstdint>
#include <functional>

#include "core/base/ids.h"

namespace banyan::comparator {

struct CopyKey {
  ExchangeId exchange;
  std::uint64_t run = 0;
  bool operator==(const CopyKey&) const = default;
};
struct CopyKeyHash {
  std::size_t operator()(const CopyKey& key) const {
    return std::hash<ExchangeId>()(key.exchange) ^ (key.run * 0x9E3779B97F4A7C15ULL);
  }
};

}  // namespace banyan::comparator
