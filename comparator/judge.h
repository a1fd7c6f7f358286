// SPDX-License-Identifier: Apache-2.0
//
// One joined exchange to one verdict: decodes both answers, fetches bodies from the log where they
// are needed, and asks compare_answers(). Inside the comparator only. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "comparator/compare.h"
#include "comparator/endpoint_name.h"
#include "core/model/record_io.h"

namespace banyan::comparator {

// A record's place, kept beyond the source's view of it.
struct Place {
  std::string stream;
  Offset offset;
};

// What is known of one exchange without its copies.
struct ExchangeCase {
  enum class Closing : std::uint8_t {
    kOpen,
    kResponse,  // `response` holds the encoded RESPONSE
    kOutcome,   // no system answered
    kLost,      // a GAP says that its closing record is gone
  };
  ExchangeId exchange;
  bool has_request = false;
  std::string method, target, route;
  Operation operation;
  Instant started;
  Place request_place;
  Closing closing = Closing::kOpen;
  std::string response;
  std::uint64_t session = 0;  // RecentWrites::session_of()
  std::string subject;        // key id of whose data it is
  bool is_erased = false;     // what the REQUEST held of it is gone

  // As new, but the strings keep their room.
  void clear();
};

// Where bodies in chunks begin; bounded, the oldest are forgotten (then the REQUEST's place
// serves).
class ChunkStarts {
 public:
  static constexpr std::size_t kMax = 65'536;
  void note(const model::SourcedRecord& sourced);
  std::optional<Place> take(ExchangeId exchange, model::Side side, RunId run);

 private:
  struct Key {
    ExchangeId exchange;
    std::uint64_t run_and_side = 0;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const {
      return std::hash<ExchangeId>()(key.exchange) ^ (key.run_and_side * 0x9E3779B97F4A7C15ULL);
    }
  };
  std::unordered_map<Key, Place, KeyHash> starts_;
};

// A VERDICT's facts.
struct Draft {
  Comparison comparison;
  std::string endpoint;
  std::uint32_t request_shape = 0;
  std::string route;
  std::uint16_t legacy_status = 0, candidate_status = 0;
  std::int64_t legacy_duration_ns = -1, candidate_duration_ns = -1;
  // Wall time of both answers, from the first one's beginning; 0 where there are not two.
  std::int64_t began_ns = 0, ended_ns = 0, answered_ns = 0;
  model::Race race;
  // Views into this draft and the exchange, which must outlive it. Takes the differences along.
  model::VerdictRecord to_record(const ExchangeCase& exchange, RunId run,
                                 std::uint64_t rules_version, Instant at);
};

class Judge {
 public:
  Judge(model::LogAccess& log, const CompiledRules& rules, std::uint64_t body_bytes_max)
      : log_(log), rules_(&rules), body_bytes_max_(body_bytes_max) {}

  // What time it is for rules that expire.
  void set_time(std::int64_t wall_ns) { wall_ns_ = wall_ns; }
  // Also answers that are equal to the byte are lifted, for answers().
  void lift_always() { lifts_always_ = true; }
  // Of the last judge(); nothing where it did not come to compare them. Valid until the next one.
  struct Answers {
    const LiftedAnswer* legacy = nullptr;
    const LiftedAnswer* candidate = nullptr;
  };
  const Answers& answers() const { return answers_; }
  // Must live until the next set_rules(), or as long as this.
  void set_rules(const CompiledRules& rules) { rules_ = &rules; }

  ChunkStarts& chunk_starts() { return chunk_starts_; }
  // `shadow` is one encoded SHADOW; kOpen closings are for the caller to wait for. The draft is
  // valid until the next call.
  Draft& judge(const ExchangeCase& exchange, std::string_view response, std::string_view shadow,
               std::string_view shadow_stream);

 private:
  Draft& incomparable(std::string_view reason);
  void fill_bodies(const ExchangeCase& exchange, std::string_view shadow_stream);
  bool fetch(const Place& from, ExchangeId exchange, model::Side side, RunId run,
             const model::Body& body, std::string& out);

  model::LogAccess& log_;
  const CompiledRules* rules_;
  const std::uint64_t body_bytes_max_;
  ChunkStarts chunk_starts_;
  std::int64_t wall_ns_ = 0;
  bool lifts_always_ = false;
  Answers answers_;
  // Of the exchange at hand; kept for their room.
  Draft draft_;
  model::ResponseRecord response_;
  model::ShadowRecord shadow_;
  LiftedAnswer lifted_primary_, lifted_shadow_;
  std::string primary_body_, shadow_body_;
};

}  // namespace banyan::comparator
