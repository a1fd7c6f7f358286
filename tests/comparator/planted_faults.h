// SPDX-License-Identifier: Apache-2.0
//
// A made-up service whose answers are noisy by a measured share and whose candidate has one of 24
// planted faults in a share of its requests, judged through the real comparison and the real
// statistics, and beside them by Diffy's rule on the same answers. Seeded; for a test and for
// bench/planted_faults.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace banyan::comparator {

struct PlantedRun {
  std::size_t fault = 0;  // index in planted_faults()
  double rate = 0;        // share of requests that show it; the same ones each time asked
  double noise = 0;       // chance of each noisy place of each answer to be something else
  // Of requests that legacy's twin is asked too; below 1: that legacy itself is asked again. What
  // legacy is asked, by requests, is that and `confirm_share`, for confirming.
  double control_share = 1;
  double confirm_share = 0.02;
  std::size_t requests = 20'000;
  std::uint64_t seed = 1;
};

struct PlantedResult {
  bool is_found = false;           // the fault's place is called a regression
  bool is_shown = false;           // … or suspect or undecided: a person sees it
  std::size_t false_places = 0;    // other places called regressions
  bool is_found_by_diffy = false;  // relative > 20 %, absolute > 0.03 %
  std::size_t false_by_diffy = 0;
  std::size_t differing = 0;  // requests
};

std::span<const std::string_view> planted_faults();
PlantedResult judge_planted(const PlantedRun& run);

}  // namespace banyan::comparator
