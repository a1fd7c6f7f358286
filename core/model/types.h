// SPDX-License-Identifier: Apache-2.0
//
// The words of docs/glossary.md as types. Every enumeration has to_string() with the spelling that
// config, JSON and metrics use, and parse_…() back; the numbers are part of the log's format.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace banyan {

enum class System : std::uint8_t { kLegacy = 0, kCandidate = 1 };
constexpr System other(System system) {
  return system == System::kLegacy ? System::kCandidate : System::kLegacy;
}

// When a client's bytes may move on relative to the disk; cumulative.
enum class Durability : std::uint8_t { kNone = 0, kInterval = 1, kResponse = 2, kRequest = 3 };
enum class OnFailure : std::uint8_t { kFailOpen = 0, kFailClosed = 1 };
// How much of an exchange the log keeps.
enum class RecordMode : std::uint8_t { kFull = 0, kHead = 1, kOff = 2 };

// What becomes of the copy, as decided at admission.
enum class MirrorDecision : std::uint8_t {
  kOff = 0,       // the route does not mirror (or there is no route)
  kSelected = 1,  // a copy is due
  kSkipped = 2,   // decided at once: see SkipReason (sampled, write, upgrade)
};

enum class SkipReason : std::uint8_t {
  // skipped
  kNone = 0,
  kSampled = 1,
  kWrite = 2,
  kStale = 3,
  kPrimaryRefused = 4,
  kPrimaryFailed = 5,
  kPrimaryUnknown = 6,
  kNotForwarded = 7,
  kClientAborted = 8,
  kUpgrade = 9,
  kBodyTooLarge = 10,
  kRouteOff = 11,
  // dropped
  kQueueFull = 32,
  kRetention = 33,
  kGap = 34,
  kErased = 35,
};
// True for queue_full, retention, gap and erased.
bool is_drop(SkipReason reason);

enum class Verdict : std::uint8_t { kEqual = 0, kTolerated = 1, kDifferent = 2, kIncomparable = 3 };

enum class DifferenceKind : std::uint8_t {
  kMissing = 0,
  kExtra = 1,
  kType = 2,
  kValue = 3,
  kOrder = 4,
  kLength = 5,
  kEncoding = 6,
  kNoAnswer = 7,
  kUnparseable = 8,
  kStatus = 9,
};

// How an exchange without a whole RESPONSE ended.
enum class OutcomeKind : std::uint8_t {
  kBanyan = 0,   // the final status is ours
  kAborted = 1,  // the client left before the last byte
  kUnknown = 2,  // open when Banyan died
};

// How much of the request reached the primary.
enum class Forwarded : std::uint8_t { kNothing = 0, kPart = 1, kWhole = 2 };

// How a RESPONSE reached the client.
enum class Delivery : std::uint8_t {
  kWhole = 0,
  kTruncated = 1,   // the primary cut its body
  kClientLeft = 2,  // the client was gone before the last byte; the answer itself is whole
};

std::string_view to_string(System value);
std::string_view to_string(Durability value);
std::string_view to_string(OnFailure value);
std::string_view to_string(RecordMode value);
std::string_view to_string(MirrorDecision value);
std::string_view to_string(SkipReason value);
std::string_view to_string(Verdict value);
std::string_view to_string(DifferenceKind value);
std::string_view to_string(OutcomeKind value);
std::string_view to_string(Forwarded value);
std::string_view to_string(Delivery value);
std::optional<System> parse_system(std::string_view text);
std::optional<Durability> parse_durability(std::string_view text);
std::optional<OnFailure> parse_on_failure(std::string_view text);
std::optional<RecordMode> parse_record_mode(std::string_view text);
std::optional<SkipReason> parse_skip_reason(std::string_view text);
std::optional<Verdict> parse_verdict(std::string_view text);
std::optional<DifferenceKind> parse_difference_kind(std::string_view text);

}  // namespace banyan
