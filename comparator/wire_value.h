// SPDX-License-Identifier: Apache-2.0
//
// Two bodies of Protocol Buffers as JSON values. Where their message is known (message_types.h),
// members have the names of fields, numbers of enums theirs, maps are objects, packed and single
// values are one array, and the default of a field that cannot tell it from none is there in any
// case. What no type names, or does not fit it, goes by its number, {"f1": …}: what a field holds
// is not said on the wire, so it is chosen by all of its occurrences on both sides, and both are
// read alike: length-delimited ones as text, as messages, or else as bytes in hex; 32 and 64 bit
// ones as floating point where that gives sensible numbers, else as unsigned integers like varints.
// A field that comes twice in any message is an array. The order of fields does not count. For the
// comparator's own sources.
#pragma once

#include <cstddef>
#include <string_view>

#include "comparator/message_types.h"
#include "core/base/error.h"
#include "core/json/value.h"

namespace banyan::comparator {

inline constexpr std::size_t kWireDepthMax = 64;

enum class WireForm {
  kNone,
  kMessage,  // one message
  kGrpc      // messages with a prefix of five bytes each: an array
};
// By "application/grpc" and the like, in lower case.
WireForm wire_form_of(std::string_view media_type);

struct WireBody {
  std::string_view bytes;
  std::string_view coding;  // "grpc-encoding", of messages that say they are compressed
};
// Null where nothing is known.
struct WireTypes {
  const MessageTypes* all = nullptr;
  const MessageType* message = nullptr;  // of the bodies
};
struct WirePair {
  json::Value legacy;
  json::Value candidate;
};
// kInvalidArgument where a side is not of that form, and which; kExhausted past kJsonNodesMax
// values or where a message, decompressed, has more than `bytes_max`.
Result<WirePair> read_wire(WireForm form, const WireBody& legacy, const WireBody& candidate,
                           std::size_t bytes_max, const WireTypes& types);
// Whether this side alone can be read.
Status check_wire(WireForm form, const WireBody& body, std::size_t bytes_max);

}  // namespace banyan::comparator
