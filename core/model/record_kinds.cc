// SPDX-License-Identifier: Apache-2.0
//
// What is wanted of very many records: read from the first bytes, in the places that layout_head()
// of record_codec.cc gives them.
#include "core/model/record_archive.h"
#include "core/model/record_codec.h"

namespace banyan::model {
namespace {

// Type, version and exchange.
constexpr std::size_t kBeforeStarted = 2 + 2 * sizeof(std::uint64_t);

// From the route of a REQUEST up to its session.
void read_session(Unpacker& unpacker, std::string_view& session) {
  std::uint64_t epoch = 0;
  System primary = System::kLegacy;
  unpacker.skip_text();  // route
  unpacker.number(epoch);
  unpacker.choice(primary, System::kCandidate);
  unpacker.skip_text();  // decision
  unpacker.text(session);
}

void read_instant(Unpacker& unpacker, Instant& instant) {
  unpacker.time(instant.wall_ns);
  unpacker.time(instant.mono_ns);
}

// From the route of a RESPONSE up to its end.
void read_ended(Unpacker& unpacker, Instant& ended) {
  bool is_write = false;
  Delivery delivery = Delivery::kWhole;
  System system = System::kLegacy;
  std::uint64_t number = 0;
  unpacker.skip_text();  // route
  unpacker.flag(is_write);
  unpacker.choice(delivery, Delivery::kClientLeft);
  unpacker.choice(system, System::kCandidate);
  unpacker.number(number);        // status
  unpacker.number(number);        // version of HTTP
  read_instant(unpacker, ended);  // the first byte
  read_instant(unpacker, ended);
}

}  // namespace

RecordKinds kind_of(RecordType type, std::string_view bytes) {
  if (type != RecordType::kRequest) return RecordKinds(RecordKinds::bit(type));
  constexpr std::size_t kBeforeRoute = kBeforeStarted + 2 * sizeof(std::uint64_t);
  if (bytes.size() < kBeforeRoute) return RecordKinds::all();
  Unpacker unpacker(bytes.substr(kBeforeRoute));
  std::string_view session;
  MirrorDecision mirror = MirrorDecision::kOff;
  SkipReason skip = SkipReason::kNone;
  bool is_write = false;
  read_session(unpacker, session);
  unpacker.choice(mirror, MirrorDecision::kSkipped);
  if (!unpacker.is_ok()) return RecordKinds::all();
  if (mirror == MirrorDecision::kSelected) return RecordKinds::selected_requests();
  unpacker.reason(skip);
  unpacker.flag(is_write);
  if (!unpacker.is_ok()) return RecordKinds::all();
  if (is_write) return RecordKinds::uncopied_writes();
  return RecordKinds(RecordKinds::bit(type));
}

bool note_of(RecordType type, std::string_view bytes, RecordNote& note) {
  const bool is_request = type == RecordType::kRequest;
  if (!is_request && type != RecordType::kResponse) return false;
  if (bytes.size() < kBeforeStarted) return false;
  Unpacker unpacker(bytes.substr(kBeforeStarted));
  Instant started;
  read_instant(unpacker, started);
  note.started_wall_ns = started.wall_ns;
  if (is_request) {
    read_session(unpacker, note.session);
  } else {
    Instant ended;
    read_ended(unpacker, ended);
    // Whatever a damaged record holds.
    note.lasted_ns = static_cast<std::int64_t>(static_cast<std::uint64_t>(ended.mono_ns) -
                                               static_cast<std::uint64_t>(started.mono_ns));
  }
  return unpacker.is_ok();
}

}  // namespace banyan::model
