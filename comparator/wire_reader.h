// SPDX-License-Identifier: Apache-2.0
//
// Reads the messages of one place on both sides alike, with the types of their fields as far as
// these are known (wire_value.h). Only for wire_*.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/body_diff.h"
#include "comparator/message_types.h"
#include "comparator/wire_fields.h"
#include "core/base/error.h"
#include "core/json/value.h"

namespace banyan::comparator {

using WireMessages = std::vector<std::string_view>;

// Of messages that come in pieces, copied level by level to be read.
inline constexpr std::size_t kWireMergedBytesMax = 64 << 20;

class WireReader {
 public:
  struct Values {
    std::vector<json::Value> legacy;
    std::vector<json::Value> candidate;
  };

  // `types` may be null. With `tells_defaults` fields that cannot tell their default from none are
  // there in any case.
  WireReader(const MessageTypes* types, bool tells_defaults)
      : types_(types), tells_defaults_(tells_defaults) {}

  // One value for each message. `type` may be null.
  Result<Values> read(const WireMessages& legacy, const WireMessages& candidate, std::size_t depth,
                      const MessageType* type);

 private:
  struct Occurrence {
    std::size_t message = 0;
    WireField field;
  };
  using Occurrences = std::vector<Occurrence>;
  struct Place {
    Occurrences legacy;
    Occurrences candidate;
  };
  using Split = std::vector<std::vector<WireField>>;

  Status take(std::size_t count);
  Result<Split> split(const WireMessages& messages);
  // Fields that no type names.
  Status fill(std::uint64_t number, const Place& place, std::size_t depth, Values& out);
  Result<Values> values_of(const Place& place, std::size_t depth);
  // Fields of a type (wire_typed.cc); what does not fit it is left in `place`.
  Status fill_typed(const MessageField& field, Place& place, std::size_t depth, Values& out);
  Status fill_scalars(const MessageField& field, const Place& place, Values& out);
  Status add_items(const MessageField& field, const WireField& from, bool is_text,
                   json::Value& message);
  Status fill_messages(const MessageField& field, const Place& place, std::size_t depth,
                       Values& out);
  static std::size_t defaults_of(const MessageType& type);
  static void fill_defaults(const MessageType& type, std::vector<json::Value>& messages);
  Result<Values> read_any(const WireMessages& legacy, const WireMessages& candidate,
                          std::size_t depth);
  Result<WireMessages> merged(const MessageField& field, const Occurrences& from,
                              std::vector<std::size_t>& owners);

  const MessageTypes* const types_;
  const bool tells_defaults_;
  std::size_t left_ = 2 * kJsonNodesMax;  // of both sides
  std::size_t merged_bytes_ = 0;
  std::deque<std::string> storage_;  // messages that came in pieces
};

// A number in JSON's spelling; of floating point the shortest that reads back.
json::Value wire_number(const WireField& field, bool is_float);

}  // namespace banyan::comparator
