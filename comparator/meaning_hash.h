// SPDX-License-Identifier: Apache-2.0
//
// Hashes of what a part of a body means, whatever its spelling: equal parts have equal ones. For
// the comparator's own sources. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/hash.h"

namespace banyan::comparator {

// What kind of thing a hash is of.
enum class MeaningTag : std::uint64_t {
  kLeaf = 1,
  kNumber,
  kString,
  kArray,
  kBag,
  kObject,
  kMember,
  kKey,
  kElement,
  kAttribute
};

// Chosen per process, so that nobody can prepare two different bodies with equal hashes.
std::uint64_t meaning_seed(MeaningTag tag);

inline Digest128 meaning_hash(MeaningTag tag, std::string_view bytes) {
  return xxh3_128(bytes, meaning_seed(tag));
}

// Of a text of people: its Unicode form does not count (core/base/unicode.h). `room` is for use
// while at it.
Digest128 text_hash(MeaningTag tag, std::string_view text, std::string& room);

template <std::size_t N>
Digest128 meaning_hash(MeaningTag tag, const std::uint64_t (&words)[N]) {
  return meaning_hash(tag, std::string_view(reinterpret_cast<const char*>(words), sizeof words));
}

// For tables by such a hash.
struct DigestHash {
  std::size_t operator()(const Digest128& digest) const { return digest.low; }
};

// A sum of hashes, so that order does not count.
class MeaningBag {
 public:
  void add(const Digest128& digest) {
    high_ += digest.high;
    low_ += digest.low;
    ++count_;
  }
  Digest128 digest(MeaningTag tag) const {
    const std::uint64_t words[3] = {high_, low_, count_};
    return meaning_hash(tag, words);
  }

 private:
  std::uint64_t high_ = 0, low_ = 0, count_ = 0;
};

}  // namespace banyan::comparator
