// SPDX-License-Identifier: Apache-2.0
//
// Means of numbers that only their logarithms can hold. Averages of evidence are evidence again.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>

namespace banyan::stats {

// ln of the mean of exp(log_i); terms of minus infinity count as 0.
template <typename Logs>
double log_mean_exp(const Logs& logs) {
  double most = -std::numeric_limits<double>::infinity();
  for (const double one : logs) most = one > most ? one : most;
  if (std::isinf(most)) return most;
  double sum = 0;
  for (const double one : logs) sum += std::exp(one - most);
  return most + std::log(sum / static_cast<double>(logs.size()));
}

}  // namespace banyan::stats
