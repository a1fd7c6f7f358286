// SPDX-License-Identifier: Apache-2.0
//
// One line of OpenSearch Migrations' capture: a part of what went over one connection. Views point
// into the decoded line. Any thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace banyan::interchange {

struct TrafficObservation {
  enum class Kind : std::uint8_t {
    kOther,           // says nothing of the bytes
    kRead,            // `data` came from the client
    kWrite,           // `data` went to the client
    kEnd,             // closed, disconnected, or failed
    kRequestDropped,  // what was read of this request is all there will be
  };
  Kind kind = Kind::kOther;
  std::int64_t at_ns = 0;
  std::string_view data;
};

struct TrafficStream {
  std::string_view node_id;
  std::string_view connection_id;
  std::uint64_t number = 0;  // of this part in its connection, from 0
  bool is_last = false;
  std::vector<TrafficObservation> observations;
};

// kDamaged for what is no such message.
Status parse_traffic_stream(std::string_view bytes, TrafficStream& out);

}  // namespace banyan::interchange
