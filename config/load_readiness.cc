// SPDX-License-Identifier: Apache-2.0
//
// [readiness], and readiness of [[routes]].
#include <string>

#include "config/loaders.h"
#include "core/base/text.h"

namespace banyan::config {
namespace {

// Above it no bound is worth waiting for, below it nobody has the traffic.
constexpr double kRateMin = 1e-7;
constexpr double kRateMax = 0.5;
constexpr std::int64_t kTimeMaxNs = 366LL * 86'400 * 1'000'000'000;
constexpr std::int64_t kCellPairsMax = 1'000'000'000;
constexpr std::size_t kReasonBytesMax = 200;

}  // namespace

void load_readiness(TableReader& root, Config& config) {
  TableReader table = root.table("readiness");
  comparator::ReadinessOptions& readiness = config.readiness;
  table.read_number("mismatch_rate_max", readiness.mismatch_rate_max, kRateMin, kRateMax);
  table.read("gate", readiness.gate);
  table.read_duration("time_min", readiness.time_min_ns, {0, kTimeMaxNs});
  table.read_integer("cell_pairs_min", readiness.cell_pairs_min, {1, kCellPairsMax});
  table.read("every_cell", readiness.needs_every_cell);
  table.finish();
}

void load_route_readiness(TableReader& route, const std::string& name, Config& config) {
  TableReader table = route.table("readiness");
  if (!table.is_present()) return;
  comparator::RouteReadinessOptions one;
  one.route = name;
  table.read_number("mismatch_rate_max", one.mismatch_rate_max, kRateMin, kRateMax);
  if (table.read("set_aside", one.set_aside) &&
      (trim(one.set_aside).empty() || one.set_aside.size() > kReasonBytesMax)) {
    table.problems().error(*table.node().find("set_aside"),
                           table.name_of_key("set_aside") + " is a reason of 1 to 200 bytes",
                           "set_aside = \"answers are random by design\"");
  }
  table.finish();
  config.readiness.routes.push_back(std::move(one));
}

}  // namespace banyan::config
