// SPDX-License-Identifier: Apache-2.0
//
// Records to bytes and back (docs/formats/log.md, "Record payloads"). decode∘encode is identity.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/model/record.h"

namespace banyan::model {

// Append one record (type byte, version byte, payload; the container adds its length) to `out`.
void encode(const RequestRecord& record, std::string& out);
void encode(const ResponseRecord& record, std::string& out);
void encode(const OutcomeRecord& record, std::string& out);
void encode(const ShadowRecord& record, std::string& out);
void encode(const SkipRecord& record, std::string& out);
void encode(const VerdictRecord& record, std::string& out);
void encode(const ChunkRecord& record, std::string& out);
void encode(const RouteRecord& record, std::string& out);
void encode(const GapRecord& record, std::string& out);
void encode(const CheckpointRecord& record, std::string& out);
void encode(const AnyRecord& record, std::string& out);

// kDamaged for anything that is not exactly one well-formed record. The record views `bytes`.
Result<AnyRecord> decode(std::string_view bytes);

// Type and exchange without decoding the rest (every record with an exchange has it at a fixed
// place); for readers that skip. Null exchange where the type has none.
struct RecordPeek {
  RecordType type = RecordType::kCheckpoint;
  ExchangeId exchange;
  // What of the exchange this record holds, a bit per Side as in GapRecord (0: none of them).
  std::uint8_t sides = 0;
};
Result<RecordPeek> peek(std::string_view bytes);

}  // namespace banyan::model
