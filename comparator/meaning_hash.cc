// SPDX-License-Identifier: Apache-2.0
#include "comparator/meaning_hash.h"

#include <sys/random.h>

namespace banyan::comparator {
namespace {

std::uint64_t process_seed() {
  static const std::uint64_t seed = [] {
    std::uint64_t value = 0;
    if (getrandom(&value, sizeof value, 0) != static_cast<ssize_t>(sizeof value)) {
      value = reinterpret_cast<std::uintptr_t>(&value);
    }
    return value;
  }();
  return seed;
}

}  // namespace

std::uint64_t meaning_seed(MeaningTag tag) {
  return process_seed() + static_cast<std::uint64_t>(tag);
}

}  // namespace banyan::comparator
