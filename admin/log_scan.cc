// SPDX-License-Identifier: Apache-2.0
#include "admin/log_scan.h"

namespace banyan::admin {
namespace {

constexpr std::int64_t kFirstWindowNs = 60'000'000'000;
constexpr std::int64_t kWindowGrowth = 4;
constexpr int kWindowsMax = 16;  // 60 s × 4^15 is two thousand years

bool is_behind(const model::Cursor& position, const model::Cursor& end) {
  for (const model::Cursor::Place& place : end.places) {
    if (position.next_of(place.stream) < place.next) return true;
  }
  return false;
}

}  // namespace

Result<ScanEnd> scan_forwards(model::LogAccess& log, const model::Cursor& from,
                              const model::Cursor& to, const Patience& patience,
                              const std::function<bool(const model::SourcedRecord&)>& on_record) {
  const model::Cursor end = to.places.empty() ? log.end() : to;
  auto source = log.open_source(from, model::Fence::kWritten);
  if (!source.ok()) return source.error();
  model::SourcedRecord sourced;
  for (std::uint64_t count = 0;; ++count) {
    if (!is_behind((*source)->position(), end)) return ScanEnd::kWholeLog;
    // A look at the clock for each record would cost more than skipping it.
    if (count % 256 == 255 && patience.is_over()) return ScanEnd::kOutOfTime;
    const auto more = (*source)->next(sourced);
    if (!more.ok()) return more.error();
    if (!*more) return ScanEnd::kWholeLog;
    if (sourced.offset >= end.next_of(sourced.stream)) continue;
    if (!on_record(sourced)) return ScanEnd::kStopped;
  }
}

Result<ScanEnd> scan_backwards(model::LogAccess& log, const Clock& clock, const Patience& patience,
                               const std::function<void(const model::SourcedRecord&)>& on_record,
                               const std::function<bool()>& on_window_end) {
  const std::int64_t now = clock.wall_ns();
  model::Cursor upper = log.end();
  std::int64_t width = kFirstWindowNs;
  for (int window = 0; window < kWindowsMax; ++window, width *= kWindowGrowth) {
    const bool is_last = window + 1 == kWindowsMax || width > now;
    model::Cursor lower = log.begin();
    if (!is_last) {
      auto found = log.find_time(now - width);
      if (!found.ok()) return found.error();
      lower = *std::move(found);
    }
    if (is_behind(lower, upper)) {
      const auto end = scan_forwards(log, lower, upper, patience,
                                     [&on_record](const model::SourcedRecord& sourced) {
                                       on_record(sourced);
                                       return true;
                                     });
      if (!end.ok() || *end == ScanEnd::kOutOfTime) return end;
    }
    if (!on_window_end()) return ScanEnd::kStopped;
    if (is_last || !is_behind(log.begin(), lower)) return ScanEnd::kWholeLog;
    upper = std::move(lower);
  }
  return ScanEnd::kWholeLog;
}

}  // namespace banyan::admin
