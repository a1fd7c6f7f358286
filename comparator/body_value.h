// SPDX-License-Identifier: Apache-2.0
//
// Bodies that are made of named or numbered parts, as one JSON value each, so that one engine and
// one form of paths serves them all. For the comparator's own sources.
//
//   form        {"name": "value"}; a name that comes again: an array of its values
//   multipart   {"name": {"content": …, "type": "…", "file_name": "…"}} (type and file_name where
//               the part has them), a name that comes again: an array; parts without a name (of
//               multipart/mixed): an array of all parts. Content: JSON where the part is declared
//               as that and parses; else text, or what stands for bytes that are none
//   JSON lines  an array of the lines' values
//   events      an array of {"event": "…", "id": "…", "data": …}: what an event has, data as JSON
//               where it is an object or array
#pragma once

#include <string_view>

#include "core/base/error.h"
#include "core/json/value.h"

namespace banyan::comparator {

enum class BodyForm { kOther, kForm, kMultipart, kLines, kEvents };

// By "application/x-ndjson" and the like, in lower case.
BodyForm form_of(std::string_view media_type);

// `form` is not kOther. kInvalidArgument where the body is not of that form, kExhausted past
// kJsonNodesMax values.
Result<json::Value> read_value(BodyForm form, std::string_view body, std::string_view content_type);

}  // namespace banyan::comparator
