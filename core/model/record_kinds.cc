// SPDX-License-Identifier: Apache-2.0
#include "core/model/record_archive.h"
#include "core/model/record_codec.h"

namespace banyan::model {

RecordKinds kind_of(RecordType type, std::string_view bytes) {
  if (type != RecordType::kRequest) return RecordKinds(RecordKinds::bit(type));
  // Up to its decision, as layout_head() has it.
  constexpr std::size_t kBeforeRoute = 2 + 4 * sizeof(std::uint64_t);
  if (bytes.size() < kBeforeRoute) return RecordKinds::all();
  Unpacker unpacker(bytes.substr(kBeforeRoute));
  std::uint64_t epoch = 0;
  System primary = System::kLegacy;
  MirrorDecision mirror = MirrorDecision::kOff;
  SkipReason skip = SkipReason::kNone;
  bool is_write = false;
  unpacker.skip_text();  // route
  unpacker.number(epoch);
  unpacker.choice(primary, System::kCandidate);
  unpacker.skip_text();  // decision
  unpacker.skip_text();  // session
  unpacker.choice(mirror, MirrorDecision::kSkipped);
  if (!unpacker.is_ok()) return RecordKinds::all();
  if (mirror == MirrorDecision::kSelected) return RecordKinds::selected_requests();
  unpacker.reason(skip);
  unpacker.flag(is_write);
  if (!unpacker.is_ok()) return RecordKinds::all();
  if (is_write) return RecordKinds::uncopied_writes();
  return RecordKinds(RecordKinds::bit(type));
}

}  // namespace banyan::model
