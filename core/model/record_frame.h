// SPDX-License-Identifier: Apache-2.0
//
// How a record stands in its bytes: type, version, payload, and behind it what ties the record to a
// subject (docs/formats/log.md, "Subjects"). For the codec and for what seals and opens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/model/record.h"

namespace banyan::model {

// Of nobody: what is written where there is no subject, and all there was before there were any.
inline constexpr std::uint8_t kPlainVersion = 1;
// Of a subject, as the log holds it: the personal members are empty in the payload. Behind it: key
// id, nonce, the encrypted personal part with its tag, and the length of that (u32).
inline constexpr std::uint8_t kSealedVersion = 2;
// Of a subject, as it is in memory: everything in the payload, and the key id behind it. Never in
// the log.
inline constexpr std::uint8_t kOpenVersion = 3;

inline constexpr std::size_t kSubjectBytes = 16;
inline constexpr std::size_t kSealNonceBytes = 12;

struct RecordFrame {
  std::string_view payload;
  std::string_view subject;    // id of the subject's key; "" where there is no subject
  std::string_view nonce;      // of kSealedVersion
  std::string_view encrypted;  // likewise; "" where the personal part was left out
  bool is_sealed = false;
};

// Only these can be a subject's.
constexpr bool may_have_subject(RecordType type) {
  return type == RecordType::kRequest || type == RecordType::kResponse ||
         type == RecordType::kShadow || type == RecordType::kVerdict || type == RecordType::kChunk;
}

// False where the version is none of these, or the bytes are too few for it.
inline bool unframe(std::string_view bytes, RecordFrame& frame) {
  frame = RecordFrame();
  if (bytes.size() < 2) return false;
  const auto version = static_cast<std::uint8_t>(bytes[1]);
  std::string_view rest = bytes.substr(2);
  const auto take_end = [&rest](std::size_t size) {
    const std::string_view taken = rest.substr(rest.size() - size);
    rest.remove_suffix(size);
    return taken;
  };
  if (version != kPlainVersion && !may_have_subject(static_cast<RecordType>(bytes[0]))) {
    return false;
  }
  if (version == kSealedVersion) {
    if (rest.size() < kSubjectBytes + kSealNonceBytes + 4) return false;
    std::uint32_t length = 0;
    const std::string_view digits = take_end(4);
    for (std::size_t i = 4; i-- > 0;) length = length << 8 | static_cast<std::uint8_t>(digits[i]);
    if (length > rest.size() - kSubjectBytes - kSealNonceBytes) return false;
    frame.encrypted = take_end(length);
    frame.nonce = take_end(kSealNonceBytes);
    frame.is_sealed = true;
  } else if (version == kOpenVersion) {
    if (rest.size() < kSubjectBytes) return false;
  } else if (version != kPlainVersion) {
    return false;
  }
  if (version != kPlainVersion) frame.subject = take_end(kSubjectBytes);
  frame.payload = rest;
  return true;
}

}  // namespace banyan::model
