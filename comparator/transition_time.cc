// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "comparator/chars.h"
#include "comparator/transition_parts.h"

namespace banyan::comparator {
namespace {

using Form = SpelledTime::Form;

constexpr std::int64_t kDay = 86'400;
constexpr std::int64_t kQuarterHour = 900;      // Every offset in use is a multiple of it,
constexpr std::int64_t kShiftMax = 26 * 3'600;  // from -12:00 to +14:00.

// `count` digits at `at`; -1 where they are not all digits.
int number_at(std::string_view text, std::size_t at, std::size_t count) {
  if (text.size() < at + count) return -1;
  int out = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (!is_digit(text[i])) return -1;
    out = out * 10 + (text[i] - '0');
  }
  return out;
}

bool has(std::string_view text, std::size_t at, char c) {
  return at < text.size() && text[at] == c;
}

// Days since 1970 in the proleptic Gregorian calendar, years counted from March.
std::int64_t days_of(int year, int month, int day) {
  const std::int64_t y = month <= 2 ? year - 1 : year;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const std::int64_t of_era = y - era * 400;
  const std::int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719'468;
}

bool is_date(int year, int month, int day) {
  return year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

// Seconds of "HH:MM:SS" at `at`, -1 where there is none.
int clock_at(std::string_view text, std::size_t at) {
  const int hour = number_at(text, at, 2);
  const int minute = number_at(text, at + 3, 2);
  const int second = number_at(text, at + 6, 2);
  const bool is_clock = has(text, at + 2, ':') && has(text, at + 5, ':') && hour >= 0 &&
                        hour <= 23 && minute >= 0 && minute <= 59 && second >= 0 && second <= 60;
  return is_clock ? hour * 3600 + minute * 60 + second : -1;
}

// "Z", "+02:00" or "+0200", as minutes east.
std::optional<int> offset_of(std::string_view zone) {
  if (zone.empty() || zone == "Z" || zone == "z") return 0;
  if (zone[0] != '+' && zone[0] != '-') return std::nullopt;
  const bool has_colon = has(zone, 3, ':');
  if (zone.size() != (has_colon ? 6U : 5U)) return std::nullopt;
  const int hours = number_at(zone, 1, 2);
  const int minutes = number_at(zone, has_colon ? 4 : 3, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
  return (zone[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
}

// "2026-11-29", then nothing or 'T' (or a space), a clock, a fraction and a zone.
std::optional<SpelledTime> read_iso(std::string_view text) {
  const int year = number_at(text, 0, 4);
  const int month = number_at(text, 5, 2);
  const int day = number_at(text, 8, 2);
  if (!has(text, 4, '-') || !has(text, 7, '-') || !is_date(year, month, day)) return std::nullopt;
  SpelledTime out;
  out.seconds = days_of(year, month, day) * kDay;
  if (text.size() == 10) {
    out.form = Form::kDate;
    return out;
  }
  if (text[10] != 'T' && text[10] != 't' && text[10] != ' ') return std::nullopt;
  const int clock = clock_at(text, 11);
  if (clock < 0) return std::nullopt;
  std::size_t at = 19;
  if (has(text, at, '.')) {
    std::uint32_t unit = 1'000'000'000;
    for (++at; at < text.size() && is_digit(text[at]); ++at) {
      unit /= 10;
      out.nanoseconds += unit * static_cast<std::uint32_t>(text[at] - '0');
      ++out.fraction_digits;
    }
    if (out.fraction_digits == 0) return std::nullopt;
  }
  out.zone = text.substr(at);
  const auto offset = offset_of(out.zone);
  if (!offset) return std::nullopt;
  out.seconds += clock - *offset * 60;
  return out;
}

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::optional<SpelledTime> read_imf(std::string_view text) {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT") {
    return std::nullopt;
  }
  const std::size_t month = kMonths.find(text.substr(8, 3));
  const int day = number_at(text, 5, 2);
  const int year = number_at(text, 12, 4);
  const int clock = clock_at(text, 17);
  if (month == std::string_view::npos || month % 3 != 0 || clock < 0) return std::nullopt;
  const int number = static_cast<int>(month / 3) + 1;
  if (!is_date(year, number, day)) return std::nullopt;
  SpelledTime out;
  out.form = Form::kImfFixdate;
  out.seconds = days_of(year, number, day) * kDay + clock;
  out.zone = "GMT";
  return out;
}

std::optional<SpelledTime> read_epoch(std::string_view text) {
  if (text.size() < 9 || text.size() > 20) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c) || value > (UINT64_MAX - 9) / 10) return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  struct Unit {
    std::uint64_t per_second;
    int digits;
  };
  constexpr std::array<Unit, 4> kUnits = {{{1, 0}, {1'000, 3}, {1'000'000, 6}, {1'000'000'000, 9}}};
  for (const auto& [per_second, digits] : kUnits) {
    const std::uint64_t seconds = value / per_second;
    if (seconds < 100'000'000 || seconds >= 100'000'000'000) continue;
    SpelledTime out;
    out.form = Form::kEpoch;
    out.seconds = static_cast<std::int64_t>(seconds);
    out.nanoseconds = static_cast<std::uint32_t>(value % per_second * (1'000'000'000 / per_second));
    out.fraction_digits = digits;
    out.zone = "Z";
    return out;
  }
  return std::nullopt;
}

std::string_view form_name(Form form) {
  switch (form) {
    case Form::kRfc3339: return "RFC 3339";
    case Form::kImfFixdate: return "IMF-fixdate";
    case Form::kEpoch: return "epoch";
    case Form::kDate: return "date";
  }
  return "";
}

// The finer one, cut or rounded to the digits of the other.
bool is_same_but_for_precision(const SpelledTime& a, const SpelledTime& b) {
  if (a.fraction_digits == b.fraction_digits) return false;
  const int digits = a.fraction_digits < b.fraction_digits ? a.fraction_digits : b.fraction_digits;
  std::int64_t unit = 1'000'000'000;
  for (int i = 0; i < digits && unit > 1; ++i) unit /= 10;
  const std::int64_t seconds = a.seconds - b.seconds;
  if (seconds < -1 || seconds > 1) return false;
  const std::int64_t gap = seconds * 1'000'000'000 + static_cast<std::int64_t>(a.nanoseconds) -
                           static_cast<std::int64_t>(b.nanoseconds);
  return gap > -unit && gap < unit;
}

}  // namespace

std::optional<SpelledTime> read_time(std::string_view text) {
  if (text.size() < 9 || text.size() > 40) return std::nullopt;
  if (auto iso = read_iso(text)) return iso;
  if (auto imf = read_imf(text)) return imf;
  return read_epoch(text);
}

std::string transition_of_times(const SpelledTime& legacy, const SpelledTime& candidate) {
  const std::int64_t gap = legacy.seconds - candidate.seconds;
  const bool is_same = gap == 0 && legacy.nanoseconds == candidate.nanoseconds;
  if (legacy.form != candidate.form) {
    const bool is_day = legacy.form == Form::kDate || candidate.form == Form::kDate;
    // A date says no more than the day.
    const bool is_near = is_day ? gap > -kDay && gap < kDay
                                : is_same || is_same_but_for_precision(legacy, candidate);
    if (!is_near) return {};
    return std::string(form_name(legacy.form)) + "→" + std::string(form_name(candidate.form));
  }
  if (legacy.form == Form::kDate) return gap == kDay || gap == -kDay ? "off by one day" : "";
  if (legacy.form == Form::kEpoch) return {};  // two numbers
  if (is_same) {
    if (legacy.zone != candidate.zone) return "time zone form";
    return legacy.fraction_digits != candidate.fraction_digits ? "time precision" : "time form";
  }
  if (is_same_but_for_precision(legacy, candidate)) return "time precision";
  const bool is_shift = gap % kQuarterHour == 0 && gap >= -kShiftMax && gap <= kShiftMax;
  if (is_shift && legacy.nanoseconds == candidate.nanoseconds) return "time zone shift";
  return {};
}

}  // namespace banyan::comparator
