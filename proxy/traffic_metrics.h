// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/obs/metrics.h"

namespace banyan::proxy {

// Who ended an exchange, as label `system` of banyan_requests_total.
enum class AnsweredBy { kLegacy, kCandidate, kBanyan, kNobody };

// The counters of one worker's exchanges, with pointers kept per label set, so that counting one
// exchange is a look-up of its route and two relaxed adds. Loop-confined; the counters are shared.
class TrafficMetrics {
 public:
  explicit TrafficMetrics(obs::Metrics& metrics) : metrics_(metrics) {}

  struct Ended {
    std::string_view route;
    std::string_view method;
    AnsweredBy by = AnsweredBy::kNobody;
    int status = 0;  // 0: the client got none
    std::int64_t duration_ns = 0;
  };
  void count(const Ended& ended);
  // Before admission.
  void count_refused(int status);

 private:
  static constexpr std::size_t kSystems = 4;
  static constexpr std::size_t kMethods = 8;
  static constexpr std::size_t kClasses = 6;  // none, 1xx … 5xx
  struct Route {
    obs::Counter* requests[kSystems][kMethods][kClasses] = {};
    obs::Histogram* durations[kSystems] = {};
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  Route& route(std::string_view name);

  obs::Metrics& metrics_;
  std::unordered_map<std::string, std::unique_ptr<Route>, Hash, std::equal_to<>> routes_;
};

}  // namespace banyan::proxy
