// SPDX-License-Identifier: Apache-2.0
//
// Questions to the log that read it: pages, the history of routing, one exchange. They block on the
// disk and are bounded in time and bytes: store thread (or an offline command) only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/model/record_io.h"

namespace banyan::admin {

struct LogQuery {
  std::string from;  // an offset, a cursor "main:12", a time, "-15m"; "" = the log's begin
  std::string to;    // a time; "" = the end
  std::string filter;
  std::size_t limit = 100;  // records, at most kPageRecordsMax
};
inline constexpr std::size_t kPageRecordsMax = 1000;
inline constexpr std::size_t kPageBytesMax = 4 << 20;

// {"schema","records":[…],"next","at_end"}: go on with from=next. A page may be empty before the
// end where the patience ended first.
Result<std::string> log_page_json(model::LogAccess& log, const Clock& clock, const LogQuery& query,
                                  std::int64_t patience_ns);

// {"schema","history":[…],"complete"}: changes of the dials, newest first, at most `limit`.
Result<std::string> route_history_json(model::LogAccess& log, const Clock& clock,
                                       std::string_view route, std::size_t limit,
                                       std::int64_t patience_ns);

// The contract's exchange object. `hint`: where its REQUEST lies, if known; else the indexes of the
// log are asked. kNotFound after all of it was read, kTimeout when the patience
// ended before.
Result<std::string> exchange_json(model::LogAccess& log, ExchangeId exchange,
                                  const std::optional<model::Cursor::Place>& hint,
                                  bool with_records, std::int64_t patience_ns);

// A place in the log from what people type; see LogQuery::from.
Result<model::Cursor> parse_place(model::LogAccess& log, const Clock& clock, std::string_view text);

}  // namespace banyan::admin
