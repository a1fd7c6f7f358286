// SPDX-License-Identifier: Apache-2.0
#include "proxy/traffic_metrics.h"

namespace banyan::proxy {
namespace {

constexpr std::string_view kSystemNames[] = {"legacy", "candidate", "banyan", "none"};
constexpr std::string_view kMethodNames[] = {"GET",   "HEAD",   "POST",    "PUT",
                                             "PATCH", "DELETE", "OPTIONS", "other"};
constexpr std::string_view kClassNames[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

std::size_t method_index(std::string_view method) {
  constexpr std::size_t kOther = std::size(kMethodNames) - 1;
  for (std::size_t i = 0; i < kOther; ++i) {
    if (method == kMethodNames[i]) return i;
  }
  return kOther;
}

std::size_t class_index(int status) {
  return status >= 100 && status < 600 ? static_cast<std::size_t>(status / 100) : 0;
}

}  // namespace

void TrafficMetrics::count(const Ended& ended) {
  Route& route = this->route(ended.route);
  const auto by = static_cast<std::size_t>(ended.by);
  const std::size_t method = method_index(ended.method);
  const std::size_t status_class = class_index(ended.status);
  obs::Counter*& counter = route.requests[by][method][status_class];
  if (counter == nullptr) {
    counter = &metrics_.counter("banyan_requests_total", "Exchanges that ended, by who answered.",
                                {{"route", std::string(ended.route)},
                                 {"system", std::string(kSystemNames[by])},
                                 {"method", std::string(kMethodNames[method])},
                                 {"code", std::string(kClassNames[status_class])}});
  }
  counter->add();
  obs::Histogram*& duration = route.durations[by];
  if (duration == nullptr) {
    duration = &metrics_.histogram(
        "banyan_request_duration_seconds",
        "From the request's head to the last byte of the answer.",
        {{"route", std::string(ended.route)}, {"system", std::string(kSystemNames[by])}});
  }
  duration->observe_ns(ended.duration_ns);
}

void TrafficMetrics::count_refused(int status) {
  metrics_
      .counter("banyan_proxy_refused_total", "Requests refused before admission, by status.",
               {{"code", std::to_string(status)}})
      .add();
}

TrafficMetrics::Route& TrafficMetrics::route(std::string_view name) {
  const auto found = routes_.find(name);
  if (found != routes_.end()) return *found->second;
  return *routes_.emplace(std::string(name), std::make_unique<Route>()).first->second;
}

}  // namespace banyan::proxy
