// SPDX-License-Identifier: Apache-2.0
#include "core/model/record.h"

namespace banyan::model {

std::string_view http_version_name(std::uint8_t number) {
  switch (number) {
    case 0: return "HTTP/1.0";
    case 1: return "HTTP/1.1";
    case 20: return "HTTP/2.0";
    default: return "unknown";
  }
}

std::string_view to_string(RecordType type) {
  switch (type) {
    case RecordType::kRequest: return "REQUEST";
    case RecordType::kResponse: return "RESPONSE";
    case RecordType::kOutcome: return "OUTCOME";
    case RecordType::kShadow: return "SHADOW";
    case RecordType::kSkip: return "SKIP";
    case RecordType::kVerdict: return "VERDICT";
    case RecordType::kChunk: return "CHUNK";
    case RecordType::kRoute: return "ROUTE";
    case RecordType::kGap: return "GAP";
    case RecordType::kCheckpoint: return "CHECKPOINT";
  }
  return "UNKNOWN";
}

}  // namespace banyan::model
