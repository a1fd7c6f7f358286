// SPDX-License-Identifier: Apache-2.0
#include "interchange/traffic_stream.h"

#include "interchange/proto_reader.h"

namespace banyan::interchange {
namespace {

using Kind = TrafficObservation::Kind;

// Far more than one part holds (about a megabyte of traffic).
constexpr std::size_t kObservationsMax = 100'000;

Error no_message(std::string_view what) {
  return make_error(ErrorCode::kDamaged, ErrorOrigin::kClient,
                    "it is no TrafficStream message: " + std::string(what));
}

// google.protobuf.Timestamp
bool parse_timestamp(std::string_view bytes, std::int64_t& out) {
  constexpr std::uint64_t kSecondsMax = 4'000'000'000;
  ProtoReader reader(bytes);
  ProtoField field;
  std::uint64_t seconds = 0;
  std::uint64_t nanos = 0;
  while (reader.next(field)) {
    if (field.number == 1) seconds = field.value;
    if (field.number == 2) nanos = field.value;
  }
  if (!reader.ok() || seconds > kSecondsMax || nanos > 999'999'999) return false;
  out = static_cast<std::int64_t>(seconds * 1'000'000'000 + nanos);
  return true;
}

// The bytes of a read or write; in pieces that were cut for size they have another number.
bool parse_data(std::string_view bytes, std::string_view& out) {
  ProtoReader reader(bytes);
  ProtoField field;
  while (reader.next(field)) {
    if (field.is_bytes && (field.number == 1 || field.number == 2)) out = field.bytes;
  }
  return reader.ok();
}

bool parse_observation(std::string_view bytes, TrafficObservation& out) {
  ProtoReader reader(bytes);
  ProtoField field;
  bool is_good = true;
  while (reader.next(field) && is_good) {
    if (!field.is_bytes) continue;
    switch (field.number) {
      case 1: is_good = parse_timestamp(field.bytes, out.at_ns); break;
      case 4:
      case 5:
        out.kind = Kind::kRead;
        is_good = parse_data(field.bytes, out.data);
        break;
      case 8:
      case 9:
        out.kind = Kind::kWrite;
        is_good = parse_data(field.bytes, out.data);
        break;
      case 10:
      case 11:
      case 12: out.kind = Kind::kEnd; break;
      case 16: out.kind = Kind::kRequestDropped; break;
      default: break;
    }
  }
  return is_good && reader.ok();
}

}  // namespace

Status parse_traffic_stream(std::string_view bytes, TrafficStream& out) {
  out = TrafficStream();
  bool has_number = false;
  ProtoReader reader(bytes);
  ProtoField field;
  while (reader.next(field)) {
    switch (field.number) {
      case 1: out.connection_id = field.bytes; break;
      case 5: out.node_id = field.bytes; break;
      case 2: {
        if (out.observations.size() >= kObservationsMax) return no_message("too many observations");
        TrafficObservation observation;
        if (!field.is_bytes || !parse_observation(field.bytes, observation)) {
          return no_message("an observation is damaged");
        }
        out.observations.push_back(observation);
        break;
      }
      case 3:
      case 4:
        out.number = field.value;
        out.is_last = field.number == 4;
        has_number = true;
        break;
      default: break;
    }
  }
  if (!reader.ok()) return no_message("the message is cut or damaged");
  if (out.connection_id.empty()) return no_message("it has no connection");
  if (!has_number) return no_message("it has no number");
  return {};
}

}  // namespace banyan::interchange
