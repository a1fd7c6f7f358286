// SPDX-License-Identifier: Apache-2.0
#include "comparator/meaning_hash.h"

#include <sys/random.h>

#include "core/base/unicode.h"

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

Digest128 text_hash(MeaningTag tag, std::string_view text, std::string& room) {
  if (is_surely_nfc(text)) return meaning_hash(tag, text);
  room.clear();
  append_nfc(room, text);
  return meaning_hash(tag, room);
}

}  // namespace banyan::comparator
