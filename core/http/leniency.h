// SPDX-License-Identifier: Apache-2.0
//
// Named exceptions to the strict reading, for legacy clients and systems that cannot be changed.
// All are off unless [http] lenient names them. None lets a message be read in two ways: what is
// forwarded is written anew from the parsed head, a field that says where a message ends is never
// repaired, and llhttp reads the repaired head before it is accepted. A head that needed one says
// so, so that its use can be counted.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace banyan::http {

enum class Leniency : std::uint8_t {
  kEqualLengths,               // "Content-Length: 5, 5" or twins that are equal (RFC 9110 8.6)
  kFoldsInRequests,            // obs-fold becomes spaces (RFC 9112 5.2)
  kMissingHost,                // HTTP/1.1 without Host: the system's own name is sent
  kAbsoluteTargetOverHost,     // an absolute target that disagrees with Host wins (RFC 9112 3.2.2)
  kHighBytesInTarget,          // bytes over 0x7f, forwarded as they came
  kUnknownMethods,             // any token, forwarded; treated as a write
  kUnderscoreNames,            // X_Forwarded_For and its kin, which CGI reads as the real ones
  kFoldsInAnswers,             // obs-fold becomes spaces (RFC 9112 5.2)
  kBareLfInAnswers,            // lines of an answer's head may end in LF (RFC 9112 2.2)
  kSpaceBeforeColonInAnswers,  // removed (RFC 9112 5.1)
  kCodingOverLengthInAnswers,  // chunked wins, Content-Length goes, the connection is not reused
                               // (RFC 9112 6.3)
};
inline constexpr std::size_t kLeniencyCount = 11;

// In the order of the enumerators; config keys and metric labels.
inline constexpr std::array<std::string_view, kLeniencyCount> kLeniencyNames{
    "equal_lengths",
    "folds_in_requests",
    "missing_host",
    "absolute_target_over_host",
    "high_bytes_in_target",
    "unknown_methods",
    "underscore_names",
    "folds_in_answers",
    "bare_lf_in_answers",
    "space_before_colon_in_answers",
    "coding_over_length_in_answers"};

// A set of them.
class Leniencies {
 public:
  constexpr bool has(Leniency one) const { return (bits_ & bit(one)) != 0; }
  constexpr void add(Leniency one) { bits_ |= bit(one); }
  constexpr bool is_empty() const { return bits_ == 0; }
  constexpr bool operator==(const Leniencies&) const = default;

 private:
  static constexpr std::uint32_t bit(Leniency one) {
    return std::uint32_t{1} << static_cast<std::uint32_t>(one);
  }
  std::uint32_t bits_ = 0;
};

constexpr std::optional<Leniency> leniency_of(std::string_view name) {
  for (std::size_t i = 0; i < kLeniencyCount; ++i) {
    if (kLeniencyNames[i] == name) return static_cast<Leniency>(i);
  }
  return std::nullopt;
}

}  // namespace banyan::http
