// SPDX-License-Identifier: Apache-2.0
#include "comparator/difference_sink.h"

#include <utility>

#include "comparator/token_keys.h"

namespace banyan::comparator {

std::string cut_shown(std::string_view text, std::size_t bytes_max) {
  constexpr std::string_view kEllipsis = "…";
  if (text.size() <= bytes_max) return std::string(text);
  const bool has_ellipsis = bytes_max > kEllipsis.size();
  std::size_t end = has_ellipsis ? bytes_max - kEllipsis.size() : bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  std::string out(text.substr(0, end));
  if (has_ellipsis) out += kEllipsis;
  return out;
}

bool DifferenceSink::omits(std::string_view rule) {
  if (has_room()) return false;
  ++omitted_;
  has_uncovered_ = has_uncovered_ || rule.empty();
  has_uncovered_omitted_ = has_uncovered_omitted_ || rule.empty();
  return true;
}

void DifferenceSink::add(model::Difference difference) {
  if (difference.rule.empty() && differ_only_by_key(difference.legacy, difference.candidate)) {
    has_other_key_ = true;
    return;
  }
  if (omits(difference.rule)) return;
  if (difference.rule.empty()) has_uncovered_ = true;
  difference.legacy = cut_shown(difference.legacy, options_.shown_bytes_max);
  difference.candidate = cut_shown(difference.candidate, options_.shown_bytes_max);
  differences_.push_back(std::move(difference));
}

std::vector<model::Difference> DifferenceSink::take() {
  if (omitted_ > 0) {
    model::Difference rest;
    rest.path = "body";
    rest.at = "body";
    rest.legacy = std::to_string(omitted_) + " more differences";
    rest.transition = "not listed";
    if (!has_uncovered_omitted_) rest.rule = "several rules";
    differences_.push_back(std::move(rest));
  }
  return std::move(differences_);
}

}  // namespace banyan::comparator
