// SPDX-License-Identifier: Apache-2.0
//
// What findings.cc (the fold) and findings_query.cc (reading and triage) share.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <unordered_map>

#include "comparator/findings.h"
#include "core/store/database.h"

namespace banyan::comparator {

struct FindingsStore::Impl {
  // Past it the hits of the oldest exchanges go; the counts of their findings stay.
  static constexpr std::int64_t kHitsMax = 1'000'000;
  static constexpr std::int64_t kEndpointsMax = 100;  // listed for one header finding
  static constexpr std::int64_t kSchemaVersion = 1;

  Impl(Clock& clock_in, std::unique_ptr<store::Database> database_in)
      : clock(clock_in), database(std::move(database_in)) {}

  Clock& clock;
  std::unique_ptr<store::Database> database;
  bool is_read_only = false;
  std::unique_ptr<model::RecordSource> source;  // behind what the database holds
  using LatencyKey = std::tuple<std::string, std::string, int, int>;  // route, endpoint, system, bucket
  std::map<LatencyKey, std::uint64_t> latency;  // of this transaction

  Status create_schema();
  Status fold(const model::VerdictRecord& verdict);
  Status forget(ExchangeId exchange);
  Status write_latency();
  Status write_cursor(const model::Cursor& cursor);
  Result<model::Cursor> read_cursor();
  Status trim_hits();
};

}  // namespace banyan::comparator
