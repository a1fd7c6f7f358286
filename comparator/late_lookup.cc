// SPDX-License-Identifier: Apache-2.0
#include "comparator/late_lookup.h"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <variant>

#include "comparator/recent_writes.h"
#include "core/model/record_codec.h"

namespace banyan::comparator {
namespace {

constexpr unsigned bit(model::Side side) { return 1U << static_cast<unsigned>(side); }

bool is_complete(const LateCopy& copy) {
  return copy.exchange.has_request && copy.exchange.closing != ExchangeCase::Closing::kOpen &&
         !copy.shadow.encoded.empty();
}

// What one record adds to the copies of its exchange.
void fill(std::vector<LateCopy*>& copies, const model::SourcedRecord& sourced) {
  for (LateCopy* copy : copies) {
    ExchangeCase& exchange = copy->exchange;
    if (sourced.type == model::RecordType::kRequest && !exchange.has_request) {
      model::RequestRecord request;
      if (model::decode_head(sourced.encoded, request).ok()) {
        note_request(exchange, request, sourced);
      }
    } else if (sourced.type == model::RecordType::kResponse &&
               exchange.closing != ExchangeCase::Closing::kResponse) {
      exchange.closing = ExchangeCase::Closing::kResponse;
      exchange.response = std::string(sourced.encoded);
    } else if (sourced.type == model::RecordType::kOutcome &&
               exchange.closing != ExchangeCase::Closing::kResponse) {
      exchange.closing = ExchangeCase::Closing::kOutcome;
    } else if (sourced.type == model::RecordType::kShadow && copy->shadow.encoded.empty() &&
               copy->shadow.place.offset == sourced.offset &&
               copy->shadow.place.stream == sourced.stream) {
      copy->shadow.encoded = std::string(sourced.encoded);
    }
  }
}

}  // namespace

void note_request(ExchangeCase& exchange, model::RequestRecord& record,
                  const model::SourcedRecord& sourced) {
  exchange.exchange = record.exchange;
  exchange.has_request = true;
  exchange.method = record.method;
  exchange.target = record.target;
  exchange.subject = record.of.key;
  exchange.is_erased = record.of.is_erased;
  exchange.route = record.route;
  exchange.started = record.started;
  exchange.session = RecentWrites::session_of(record.session);
  exchange.request_place.stream = sourced.stream;
  exchange.request_place.offset = sourced.offset;
  if (may_name_operation(record.method, record.target) &&
      model::decode_as(sourced.encoded, record).ok()) {
    read_operation(record, exchange.operation);
  } else {
    exchange.operation.clear();
  }
}

void note_gap(ExchangeCase& exchange, std::uint8_t sides) {
  if ((sides & bit(model::Side::kPrimary)) != 0 &&
      exchange.closing == ExchangeCase::Closing::kOpen) {
    exchange.closing = ExchangeCase::Closing::kLost;
  }
}

void LateLookup::add(LateCopy copy) {
  bytes_ += copy.shadow.encoded.size() + copy.exchange.response.size();
  copies_.push_back(std::move(copy));
}

bool LateLookup::is_urgent() const {
  return std::any_of(copies_.begin(), copies_.end(),
                     [](const LateCopy& copy) { return !copy.shadow.run.is_witness(); });
}

Result<std::vector<LateCopy>> LateLookup::resolve(ChunkStarts& chunk_starts) {
  BANYAN_RETURN_IF_ERROR(pass(hint_, chunk_starts));
  bool is_missing_requests = false;
  for (const LateCopy& copy : copies_) is_missing_requests |= !copy.exchange.has_request;
  // Somebody asked for older history than last time.
  if (is_missing_requests && !hint_.places.empty()) {
    hint_ = model::Cursor{};
    BANYAN_RETURN_IF_ERROR(pass(hint_, chunk_starts));
  }
  model::Cursor first;
  for (const LateCopy& copy : copies_) {
    const Place& place = copy.exchange.request_place;
    if (!copy.exchange.has_request) continue;
    bool is_named = false;
    for (const auto& known : first.places) is_named |= known.stream == place.stream;
    if (!is_named || place.offset < first.next_of(place.stream)) {
      first.set(place.stream, place.offset);
    }
  }
  if (!first.places.empty()) hint_ = first;
  bytes_ = 0;
  return std::exchange(copies_, {});
}

Status LateLookup::pass(const model::Cursor& from, ChunkStarts& chunk_starts) {
  std::unordered_map<ExchangeId, std::vector<LateCopy*>> wanted;
  std::size_t missing = 0;
  for (LateCopy& copy : copies_) {
    if (is_complete(copy)) continue;
    wanted[copy.exchange.exchange].push_back(&copy);
    ++missing;
  }
  if (missing == 0) return {};
  auto source = log_.open_source(from, model::Fence::kWritten);
  if (!source.ok()) return source.error();
  model::SourcedRecord sourced;
  while (missing > 0) {
    auto more = (*source)->next(sourced);
    if (!more.ok()) return more.error();
    if (!*more) return {};
    if (sourced.kind == model::SourcedRecord::Kind::kHole) continue;
    if (sourced.type == model::RecordType::kGap) {
      const auto record = model::decode(sourced.encoded);
      if (!record.ok()) continue;
      for (const auto& part : std::get<model::GapRecord>(*record).parts) {
        const auto found = wanted.find(part.exchange);
        if (found == wanted.end()) continue;
        for (LateCopy* copy : found->second) note_gap(copy->exchange, part.sides);
      }
      continue;
    }
    const auto found = wanted.find(sourced.exchange);
    if (found == wanted.end()) continue;
    if (sourced.type == model::RecordType::kChunk) {
      chunk_starts.note(sourced);
      continue;
    }
    fill(found->second, sourced);
    bool is_done = true;
    for (const LateCopy* copy : found->second) is_done &= is_complete(*copy);
    if (is_done) {
      missing -= found->second.size();
      wanted.erase(found);
    }
  }
  return {};
}

}  // namespace banyan::comparator
