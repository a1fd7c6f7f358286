// SPDX-License-Identifier: Apache-2.0
#include "core/model/types.h"

namespace banyan {
namespace {

template <typename Enum>
struct Name {
  Enum value;
  std::string_view text;
};

constexpr Name<System> kSystems[] = {{System::kLegacy, "legacy"},
                                     {System::kCandidate, "candidate"}};

constexpr Name<Durability> kDurabilities[] = {{Durability::kNone, "none"},
                                              {Durability::kInterval, "interval"},
                                              {Durability::kResponse, "response"},
                                              {Durability::kRequest, "request"}};

constexpr Name<OnFailure> kOnFailures[] = {{OnFailure::kFailOpen, "fail_open"},
                                           {OnFailure::kFailClosed, "fail_closed"}};

constexpr Name<RecordMode> kRecordModes[] = {
    {RecordMode::kFull, "full"}, {RecordMode::kHead, "head"}, {RecordMode::kOff, "off"}};

constexpr Name<MirrorDecision> kMirrorDecisions[] = {{MirrorDecision::kOff, "off"},
                                                     {MirrorDecision::kSelected, "selected"},
                                                     {MirrorDecision::kSkipped, "skipped"}};

constexpr Name<SkipReason> kSkipReasons[] = {{SkipReason::kNone, "none"},
                                             {SkipReason::kSampled, "sampled"},
                                             {SkipReason::kWrite, "write"},
                                             {SkipReason::kStale, "stale"},
                                             {SkipReason::kPrimaryRefused, "primary_refused"},
                                             {SkipReason::kPrimaryFailed, "primary_failed"},
                                             {SkipReason::kPrimaryUnknown, "primary_unknown"},
                                             {SkipReason::kNotForwarded, "not_forwarded"},
                                             {SkipReason::kClientAborted, "client_aborted"},
                                             {SkipReason::kUpgrade, "upgrade"},
                                             {SkipReason::kBodyTooLarge, "body_too_large"},
                                             {SkipReason::kRouteOff, "route_off"},
                                             {SkipReason::kQueueFull, "queue_full"},
                                             {SkipReason::kRetention, "retention"},
                                             {SkipReason::kGap, "gap"},
                                             {SkipReason::kErased, "erased"}};

constexpr Name<Verdict> kVerdicts[] = {{Verdict::kEqual, "equal"},
                                       {Verdict::kTolerated, "tolerated"},
                                       {Verdict::kDifferent, "different"},
                                       {Verdict::kIncomparable, "incomparable"}};

constexpr Name<DifferenceKind> kDifferenceKinds[] = {{DifferenceKind::kMissing, "missing"},
                                                     {DifferenceKind::kExtra, "extra"},
                                                     {DifferenceKind::kType, "type"},
                                                     {DifferenceKind::kValue, "value"},
                                                     {DifferenceKind::kOrder, "order"},
                                                     {DifferenceKind::kLength, "length"},
                                                     {DifferenceKind::kEncoding, "encoding"},
                                                     {DifferenceKind::kNoAnswer, "no_answer"},
                                                     {DifferenceKind::kUnparseable, "unparseable"},
                                                     {DifferenceKind::kStatus, "status"}};

constexpr Name<OutcomeKind> kOutcomeKinds[] = {{OutcomeKind::kBanyan, "banyan"},
                                               {OutcomeKind::kAborted, "aborted"},
                                               {OutcomeKind::kUnknown, "unknown"}};

constexpr Name<Forwarded> kForwardeds[] = {
    {Forwarded::kNothing, "nothing"}, {Forwarded::kPart, "part"}, {Forwarded::kWhole, "whole"}};

constexpr Name<Delivery> kDeliveries[] = {{Delivery::kWhole, "whole"},
                                          {Delivery::kTruncated, "truncated"},
                                          {Delivery::kClientLeft, "client_left"}};

template <typename Enum, std::size_t kCount>
std::string_view text_of(const Name<Enum> (&names)[kCount], Enum value) {
  for (const auto& name : names) {
    if (name.value == value) return name.text;
  }
  return "unknown";  // Decoders refuse such values; a cast elsewhere would be a bug of ours.
}

template <typename Enum, std::size_t kCount>
std::optional<Enum> value_of(const Name<Enum> (&names)[kCount], std::string_view text) {
  for (const auto& name : names) {
    if (name.text == text) return name.value;
  }
  return std::nullopt;
}

}  // namespace

bool is_drop(SkipReason reason) { return reason >= SkipReason::kQueueFull; }

std::string_view to_string(System value) { return text_of(kSystems, value); }
std::string_view to_string(Durability value) { return text_of(kDurabilities, value); }
std::string_view to_string(OnFailure value) { return text_of(kOnFailures, value); }
std::string_view to_string(RecordMode value) { return text_of(kRecordModes, value); }
std::string_view to_string(MirrorDecision value) { return text_of(kMirrorDecisions, value); }
std::string_view to_string(SkipReason value) { return text_of(kSkipReasons, value); }
std::string_view to_string(Verdict value) { return text_of(kVerdicts, value); }
std::string_view to_string(DifferenceKind value) { return text_of(kDifferenceKinds, value); }
std::string_view to_string(OutcomeKind value) { return text_of(kOutcomeKinds, value); }
std::string_view to_string(Forwarded value) { return text_of(kForwardeds, value); }
std::string_view to_string(Delivery value) { return text_of(kDeliveries, value); }

std::optional<System> parse_system(std::string_view text) { return value_of(kSystems, text); }
std::optional<Durability> parse_durability(std::string_view text) {
  return value_of(kDurabilities, text);
}
std::optional<OnFailure> parse_on_failure(std::string_view text) {
  return value_of(kOnFailures, text);
}
std::optional<RecordMode> parse_record_mode(std::string_view text) {
  return value_of(kRecordModes, text);
}
std::optional<SkipReason> parse_skip_reason(std::string_view text) {
  return value_of(kSkipReasons, text);
}
std::optional<Verdict> parse_verdict(std::string_view text) { return value_of(kVerdicts, text); }
std::optional<DifferenceKind> parse_difference_kind(std::string_view text) {
  return value_of(kDifferenceKinds, text);
}

}  // namespace banyan
