// SPDX-License-Identifier: Apache-2.0
//
// Takes every valid record out of a damaged segment file, in order, and says which bytes are none.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/file_system.h"
#include "recorder/format.h"
#include "recorder/log_keys.h"

namespace banyan::recorder {

struct SalvagedRecord {
  Offset offset;
  std::int64_t append_wall_ns = 0;
  std::string_view encoded;  // until the callback returns
};

struct Salvage {
  struct Range {
    Position begin, end;
  };
  std::vector<Range> damaged;
  std::vector<std::pair<Offset, Offset>> holes;  // [first, end), inside [base, limit)
  std::uint64_t records = 0;
  bool ends_whole = false;  // behind its last batch the file ends
};

// Of a segment that ends at `limit`; its successor, or the meta file, says so. Errors are those of
// the disk and of the callback. `key` is that of the segment, null where it is not encrypted.
Result<Salvage> salvage_segment(const std::shared_ptr<const File>& file,
                                const SegmentHeader& header,
                                const std::shared_ptr<const DataKey>& key, Offset limit,
                                const std::function<Status(const SalvagedRecord&)>& take);

// What can be said of a segment whose header is not valid: the batches behind it name its uid.
// nullopt where there is no valid batch near its beginning. `uuid` is that of the log. What was
// encrypted stays so: the data key was in the header.
Result<std::optional<SegmentHeader>> guess_header(const File& file, const std::string& uuid,
                                                  Offset base);

}  // namespace banyan::recorder
