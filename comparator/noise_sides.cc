// SPDX-License-Identifier: Apache-2.0
#include "comparator/noise_sides.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <utility>
#include <vector>

#include "comparator/order_shape.h"
#include "comparator/transition_parts.h"
#include "comparator/value_rules.h"
#include "core/stats/log_mean.h"
#include "core/stats/split_evidence.h"

namespace banyan::comparator {
namespace {

using stats::SplitEvidence;

constexpr std::string_view kCut = "…";  // as cut_shown() leaves it
constexpr std::string_view kArrow = "→";
constexpr std::string_view kScale = "scale ";
constexpr int kScaleMax = 4;          // of digits behind the point; more are one
constexpr double kTimeEvidence = 20;  // that time alone does not do it; 95 %

constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kMirrors{
    {{"html-escaped", "html-unescaped"},
     {"percent-encoded", "percent-decoded"},
     {"UTF-8 encoded twice", "UTF-8 encoded once"},
     {"base64", "base64 decoded"},
     {"filled", "emptied"},
     {"trimmed", "padded"},
     {"truncated", "extended"},
     {"rounded", "more digits"},
     {"rows missing", "rows extra"},
     {"×", "÷"}}};

// "16-31": sizes from one power of two to the next.
std::string octave_of(std::size_t size) {
  std::size_t low = 1;
  while (low * 2 <= size) low *= 2;
  if (size == 0) return "0";
  return low < 4 ? "1-3" : std::to_string(low) + "-" + std::to_string(low * 2 - 1);
}

// Magnitudes by a factor of a thousand: seconds are not milliseconds.
std::string number_shape(std::string_view text, const SpelledNumber& number) {
  constexpr std::size_t kGroup = 3, kGroupsMax = 6;
  const auto whole = static_cast<std::int64_t>(number.value.digits.size()) + number.value.exponent;
  const auto digits = static_cast<std::size_t>(std::max<std::int64_t>(whole, 1));
  const std::size_t group = std::min((digits - 1) / kGroup, kGroupsMax);
  std::string out(text.starts_with('-') ? "negative " : "");
  out += number.has_exponent ? "number with exponent" : number.is_integer() ? "integer" : "decimal";
  out += " of " + std::to_string(group * kGroup + 1) +
         (group == kGroupsMax ? " digits and more"
                              : "-" + std::to_string((group + 1) * kGroup) + " digits");
  if (number.is_integer() || number.has_exponent) return out;
  return out + ", " + std::to_string(std::min(number.scale, kScaleMax)) +
         (number.scale > kScaleMax ? " places and more" : " places");
}

// Which sorts of characters there are: letters, capitals, digits, and others.
std::string alphabet_of(std::string_view text) {
  std::array<bool, 4> has{};
  for (const char c : text) {
    const bool is_digit = c >= '0' && c <= '9';
    has[c >= 'a' && c <= 'z' ? 0 : c >= 'A' && c <= 'Z' ? 1 : is_digit ? 2 : 3] = true;
  }
  std::string out;
  for (std::size_t i = 0; i < has.size(); ++i) {
    if (has[i]) out += "aA0."[i];
  }
  return out;
}

SplitEvidence evidence_of(std::uint64_t test, std::uint64_t control, double share) {
  SplitEvidence evidence(1.0);
  evidence.add(SplitEvidence::Arm::kTest, share, test);
  evidence.add(SplitEvidence::Arm::kControl, share, control);
  return evidence;
}

}  // namespace

double log_of_sides(const SideCounts& counts, std::uint64_t watched, std::uint64_t asked_again) {
  if (asked_again == 0 || watched == 0) return 0;
  const double share = static_cast<double>(watched) / static_cast<double>(watched + asked_again);
  const double sides = evidence_of(counts.candidate, counts.legacy, kEvenShare).log_evidence();
  // Where legacy never showed it: the chance that it would not have, at the candidate's rate.
  const double time = counts.again == 0
                          ? -static_cast<double>(counts.candidate) * std::log(share)
                          : evidence_of(counts.candidate, counts.again, share).log_evidence();
  return time >= std::log(kTimeEvidence) ? sides : std::min(sides, time);
}

std::string shape_of(std::string_view shown) {
  const bool is_cut = shown.ends_with(kCut);
  if (shown.starts_with('"')) {
    shown.remove_prefix(1);
    if (!is_cut && shown.ends_with('"')) shown.remove_suffix(1);
  } else if (shown.starts_with('{') || shown.starts_with('[')) {
    const std::string order = order_shape(shown);
    return shown.starts_with('{') ? "object" : order.empty() ? "array" : "array, " + order;
  }
  if (is_cut) return "long text (" + alphabet_of(shown.substr(0, shown.size() - kCut.size())) + ")";
  if (const auto number = read_number(shown)) return number_shape(shown, *number);
  const std::string format = format_of({LeafType::kString, shown});
  if (format != "word" && format != "text") return format;
  std::string out = format + " of " + octave_of(shown.size());
  return format == "word" ? out + " (" + alphabet_of(shown) + ")" : out;
}

std::string mirrored_transition(std::string_view transition) {
  if (const std::size_t at = transition.find(kArrow); at != std::string_view::npos) {
    std::string_view from = transition.substr(0, at);
    const std::string_view to = transition.substr(at + kArrow.size());
    const bool is_scale = from.starts_with(kScale);
    if (is_scale) from.remove_prefix(kScale.size());
    return std::string(is_scale ? kScale : "") + std::string(to) + std::string(kArrow) +
           std::string(from);
  }
  for (const auto& [there, back] : kMirrors) {
    const bool is_factor = there == "×";
    for (const auto& [one, other] : {std::pair(there, back), std::pair(back, there)}) {
      if (transition == one) return std::string(other);
      if (is_factor && transition.starts_with(one)) {
        return std::string(other) + std::string(transition.substr(one.size()));
      }
    }
  }
  return {};
}

bool mirror_change(std::string& kind, std::string& transition) {
  const bool is_missing = kind == "missing";
  if (kind == "no_answer" || kind == "unparseable" || kind == "encoding") return false;
  std::string turned = mirrored_transition(transition);
  if (is_missing || kind == "extra") {
    kind = is_missing ? "extra" : "missing";
    if (!turned.empty()) transition = std::move(turned);
    return true;
  }
  if (turned.empty()) return false;
  transition = std::move(turned);
  return true;
}

void ShapeSides::add(std::string_view legacy_shown, std::string_view candidate_shown) {
  legacy.insert(shape_of(legacy_shown));
  candidate.insert(shape_of(candidate_shown));
}

void ShapeSides::drop_common() {
  for (auto one = legacy.begin(); one != legacy.end();) {
    one = candidate.erase(*one) > 0 ? legacy.erase(one) : std::next(one);
  }
}

SideCounts& ShapeTally::at(const std::string& shape) {
  const auto found = shapes_.find(shape);
  if (found != shapes_.end()) return found->second;
  return shapes_[shapes_.size() < kShapesMax ? shape : std::string(kOthers)];
}

void ShapeTally::add(const ShapeSides& sides) {
  for (const std::string& shape : sides.candidate) ++at(shape).candidate;
  for (const std::string& shape : sides.legacy) ++at(shape).legacy;
}

void ShapeTally::add_again(const std::string& shape) { ++at(shape).again; }

void ShapeTally::add(const std::string& shape, const SideCounts& counts) {
  SideCounts& sum = at(shape);
  sum.candidate += counts.candidate;
  sum.legacy += counts.legacy;
  sum.again += counts.again;
}

ShapeEvidence judge_shapes(const std::map<std::string, SideCounts>& shapes, std::uint64_t watched,
                           std::uint64_t asked_again) {
  ShapeEvidence out;
  std::vector<double> logs;
  double most = 0;
  for (const auto& [shape, counts] : shapes) {
    // What is left over is many things at once.
    if (shape == ShapeTally::kOthers) continue;
    logs.push_back(log_of_sides(counts, watched, asked_again));
    if (logs.back() <= most) continue;
    most = logs.back();
    out.shape = shape;
    out.counts = counts;
  }
  if (!logs.empty()) out.log_evidence = stats::log_mean_exp(logs);
  return out;
}

}  // namespace banyan::comparator
