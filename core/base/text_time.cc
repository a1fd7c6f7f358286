// SPDX-License-Identifier: Apache-2.0
//
// Points in time.
#include "core/base/text.h"

#include <cstdio>
#include <ctime>

namespace banyan {

std::string format_time(std::int64_t wall_ns) {
  std::int64_t seconds = wall_ns / 1'000'000'000;
  std::int64_t rest = wall_ns % 1'000'000'000;
  if (rest < 0) {
    rest += 1'000'000'000;
    --seconds;
  }
  const std::time_t time = seconds;
  std::tm tm{};
  gmtime_r(&time, &tm);
  char buffer[96];
  std::snprintf(buffer, sizeof buffer, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year + 1900,
                tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                static_cast<int>(rest / 1000));
  return buffer;
}

namespace {

constexpr std::int64_t kDayNs = 86'400'000'000'000;

// HH:MM or HH:MM:SS, in nanoseconds since midnight.
std::optional<std::int64_t> parse_time_of_day(std::string_view text) {
  if ((text.size() != 5 && text.size() != 8) || text[2] != ':') return std::nullopt;
  if (text.size() == 8 && text[5] != ':') return std::nullopt;
  const auto hour = parse_u64(text.substr(0, 2));
  const auto minute = parse_u64(text.substr(3, 2));
  const auto second = text.size() == 8 ? parse_u64(text.substr(6, 2)) : std::uint64_t{0};
  if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 59) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>((*hour * 60 + *minute) * 60 + *second) * 1'000'000'000;
}

}  // namespace

std::optional<std::int64_t> parse_time(std::string_view text, std::int64_t now_ns) {
  if (text == "now") return now_ns;
  if (!text.empty() && text[0] == '-') {
    const auto back = parse_duration_ns(text.substr(1));
    if (!back) return std::nullopt;
    return now_ns - *back;
  }
  if (const auto of_day = parse_time_of_day(text)) {
    const std::int64_t today = now_ns - now_ns % kDayNs + *of_day;
    return today <= now_ns ? today : today - kDayNs;
  }
  // YYYY-MM-DD[T ]HH:MM[:SS[.frac]](Z|±HH:MM)
  const auto number = [&](std::size_t at, std::size_t size) -> std::optional<int> {
    if (at + size > text.size()) return std::nullopt;
    const auto value = parse_u64(text.substr(at, size));
    if (!value) return std::nullopt;
    return static_cast<int>(*value);
  };
  const auto is = [&](std::size_t at, char c) { return at < text.size() && text[at] == c; };
  const auto year = number(0, 4), month = number(5, 2), day = number(8, 2);
  if (!year || !month || !day || !is(4, '-') || !is(7, '-')) return std::nullopt;
  std::tm tm{};
  tm.tm_year = *year - 1900;
  tm.tm_mon = *month - 1;
  tm.tm_mday = *day;
  std::size_t at = 10;
  std::int64_t fraction_ns = 0;
  std::int64_t zone_seconds = 0;
  if (at < text.size()) {
    if (!is(10, 'T') && !is(10, 't') && !is(10, ' ')) return std::nullopt;
    const auto hour = number(11, 2), minute = number(14, 2);
    if (!hour || !minute || !is(13, ':')) return std::nullopt;
    tm.tm_hour = *hour;
    tm.tm_min = *minute;
    at = 16;
    if (is(16, ':')) {
      const auto second = number(17, 2);
      if (!second) return std::nullopt;
      tm.tm_sec = *second;
      at = 19;
      if (is(19, '.')) {
        std::int64_t unit = 100'000'000;
        for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
          fraction_ns += unit * (text[at] - '0');
          unit /= 10;
        }
      }
    }
    if (at < text.size()) {
      if (is(at, 'Z') || is(at, 'z')) {
        ++at;
      } else if (is(at, '+') || is(at, '-')) {
        const auto hours = number(at + 1, 2), minutes = number(at + 4, 2);
        if (!hours || !minutes || !is(at + 3, ':')) return std::nullopt;
        zone_seconds = (*hours * 3600 + *minutes * 60) * (text[at] == '-' ? -1 : 1);
        at += 6;
      }
    }
    if (at != text.size()) return std::nullopt;
  }
  if (tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
      tm.tm_min > 59 || tm.tm_sec > 60) {
    return std::nullopt;
  }
  const std::int64_t seconds = timegm(&tm) - zone_seconds;
  if (seconds > 9'000'000'000 || seconds < -9'000'000'000) return std::nullopt;
  return seconds * 1'000'000'000 + fraction_ns;
}

}  // namespace banyan
