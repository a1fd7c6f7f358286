// SPDX-License-Identifier: Apache-2.0
//
// What HAR and ECS have no place for, as one JSON object that both carry: `_banyan` of a HAR entry,
// `banyan` of an NDJSON line. With it a file of ours reads back exactly. Any thread.
//
//   {"schema":"banyan/exchange/1","exchange","started_ns","route","decision","session","primary",
//    "mirror","skip","write","target","request":{"version","trailers","body":{"held","length",
//    "redacted"}},"response":{"system","delivery","version","first_byte_ns","ended_ns","trailers",
//    "body"},"outcome":{…},"shadow":{…},"verdict"}
#pragma once

#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/json/json_writer.h"
#include "core/json/value.h"
#include "interchange/exchange.h"

namespace banyan::interchange {

inline constexpr std::string_view kFactsSchema = "banyan/exchange/1";

// [{"name","value"}]; a value that is no UTF-8 has "_value_base64" beside, and that one counts.
void write_fields(json::JsonWriter& json, std::string_view key, const Fields& fields);
// `where` names the place in messages.
Status read_fields(const json::Value* list, const std::string& where, Fields& out);

// "name": text, or "name_base64" where it is no UTF-8.
void write_bytes(json::JsonWriter& json, std::string_view name, std::string_view bytes);
// False where there is neither; an error where the base64 is none.
Result<bool> read_bytes(const json::Value& object, std::string_view name, std::string& out);

struct FactsStyle {
  // The fields of request and response too, and such bodies as are no UTF-8 (HAR has places for
  // both).
  bool has_messages = false;
};
void write_facts(json::JsonWriter& json, const Exchange& exchange, const FactsStyle& style);

// Everything but bodies and fields that the format has a place for; those that the facts hold
// themselves are read too, and whether it was so. Bodies keep what `out` has of them.
Status read_facts(const json::Value& facts, Exchange& out);

}  // namespace banyan::interchange
