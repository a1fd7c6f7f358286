// SPDX-License-Identifier: Apache-2.0
//
// Puts whole exchanges together from the records of the log, which lie strewn: REQUEST, CHUNKs and
// RESPONSE or OUTCOME, and where asked for the live copy's SHADOW and its VERDICT, in any order and
// from any stream. Each is handed out when nothing of it is still to come, so they come in the
// order in which they ended.
//
// Memory is bounded: past a bound the exchange that waits longest goes. It is handed out without
// what was still to come where it has ended, and given up (counted) where it has not. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <unordered_map>

#include "core/base/error.h"
#include "core/model/record_io.h"
#include "interchange/exchange.h"

namespace banyan::interchange {

struct JoinOptions {
  static constexpr std::size_t kExchangesMax = 10'000;
  static constexpr std::uint64_t kBytesMax = 512ULL << 20;
  static constexpr std::uint64_t kBodyBytesMax = 64ULL << 20;

  std::size_t exchanges_max = kExchangesMax;     // that wait for something
  std::uint64_t bytes_max = kBytesMax;           // of their bodies, in sum
  std::uint64_t body_bytes_max = kBodyBytesMax;  // of one body; a longer one is left out
  bool takes_shadows = true;
};

struct JoinCounts {
  std::uint64_t given_up = 0;         // their end had not come when a bound was reached
  std::uint64_t without_shadow = 0;   // handed out at a bound before the copy's end had come
  std::uint64_t bodies_left_out = 0;  // over body_bytes_max
  std::uint64_t unended = 0;          // their end is not in the log
  std::uint64_t holes = 0;            // in the log
  std::uint64_t erased = 0;           // their subject's data is gone: left out
};

class ExchangeJoiner {
 public:
  // Which exchanges are wanted, by their REQUEST.
  using Takes = std::function<bool(const model::SourcedRecord&, const model::RequestRecord&)>;
  // An error ends the reading.
  using OnExchange = std::function<Status(Exchange&)>;

  ExchangeJoiner(const JoinOptions& options, Takes takes, OnExchange on_exchange);

  // kDamaged for a record that does not decode.
  Status add(const model::SourcedRecord& sourced);
  // No further record comes: hands out what waits.
  Status finish();
  bool is_idle() const { return waiting_.empty(); }
  const JoinCounts& counts() const { return counts_; }

 private:
  // The CHUNKs of one side, so far.
  struct Pieces {
    std::string bytes;
    std::uint32_t next = 0;
    bool is_broken = false;  // one is missing
    bool is_left_out = false;
  };
  struct Waiting {
    Exchange exchange;
    std::array<Pieces, 3> pieces;  // by model::Side
    bool awaits_request_body = false;
    bool awaits_shadow = false;
    bool awaits_verdict = false;
    bool is_erased = false;
    std::uint64_t bytes = 0;
  };
  using Place = std::list<Waiting>::iterator;

  Status on_request(const model::SourcedRecord& sourced);
  Status on_part(Place place, const model::AnyRecord& record);
  void on_chunk(Waiting& waiting, const model::ChunkRecord& chunk);
  void on_response(Waiting& waiting, const model::ResponseRecord& response);
  void on_outcome(Waiting& waiting, const model::OutcomeRecord& outcome);
  void on_shadow(Waiting& waiting, const model::ShadowRecord& shadow);
  StoredBody body_of(Waiting& waiting, const model::Body& body, model::Side side);
  StoredAnswer answer_of(Waiting& waiting, const model::Answer& answer, model::Side side);
  void hold(Waiting& waiting, std::uint64_t bytes);
  static bool has_ended(const Waiting& waiting);
  static bool is_whole(const Waiting& waiting);
  Status hand_out(Place place);
  Status keep_bounds();
  Status let_go_of_oldest();

  const JoinOptions options_;
  const Takes takes_;
  const OnExchange on_exchange_;
  std::list<Waiting> waiting_;  // the oldest first
  std::unordered_map<ExchangeId, Place> places_;
  std::uint64_t bytes_ = 0;
  JoinCounts counts_;
};

}  // namespace banyan::interchange
