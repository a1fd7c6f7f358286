// SPDX-License-Identifier: Apache-2.0
//
// Readiness in the report: the gate's reasons, rows for people, JSON for programs.
#include <algorithm>
#include <cmath>

#include "admin/report_formats.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"

namespace banyan::admin {
namespace {

using comparator::EndpointReadiness;
using comparator::Readiness;
using comparator::ReadinessState;
using comparator::RouteReadiness;
using comparator::UncoveredCell;

constexpr std::size_t kEndpointsShown = 20;  // of a route, to people
constexpr std::size_t kCellsShown = 3;       // of an endpoint, to people
constexpr std::size_t kNameShown = 120;      // bytes

std::string percent(double share) {
  return print(share >= 0.01 ? "%.1f %%" : "%.3g %%", share * 100);
}

std::string class_text(int status_class) {
  return status_class == 0 ? std::string("no answer") : std::to_string(status_class) + "xx";
}

std::string shape_text(std::uint32_t shape) {
  if (shape == 0) return "";
  if (shape == comparator::kOtherShapes) return "other";
  return hex_of_u64(shape).substr(8);
}

std::string cell_text(const UncoveredCell& cell) {
  std::string out = class_text(cell.status_class);
  if (cell.shape != 0) out += ", shape " + shape_text(cell.shape);
  out += ": " + std::to_string(cell.pairs);
  if (!cell.exemplar.empty() && cell.shape != 0) out += " (" + cell.exemplar + ")";
  return out;
}

std::string uncovered_text(const std::vector<UncoveredCell>& cells) {
  std::string out;
  for (std::size_t i = 0; i < std::min(cells.size(), kCellsShown); ++i) {
    out += (out.empty() ? "" : "; ") + cell_text(cells[i]);
  }
  if (cells.size() > kCellsShown) {
    out += "; and " + std::to_string(cells.size() - kCellsShown) + " more";
  }
  return out;
}

ReadinessRow row_of(const std::string& name, const ReadinessState& state) {
  ReadinessRow row;
  row.name = name;
  row.word = to_string(state.readiness);
  row.pairs = state.pairs;
  row.mismatches = state.mismatches;
  row.rate_below = state.pairs == 0 ? "-" : percent(state.mismatch_rate_bound);
  row.missing = state.missing;
  return row;
}

// The endpoint that a person should look at first.
const EndpointReadiness* weakest(const RouteReadiness& route) {
  const auto is_worse = [](const EndpointReadiness& a, const EndpointReadiness& b) {
    const bool a_differs = a.state.readiness == Readiness::kDifferent;
    const bool b_differs = b.state.readiness == Readiness::kDifferent;
    return a_differs != b_differs ? a_differs : a.state.pairs < b.state.pairs;
  };
  const auto found = std::min_element(route.endpoints.begin(), route.endpoints.end(), is_worse);
  return found == route.endpoints.end() ? nullptr : &*found;
}

void write_state(json::JsonWriter& json, const ReadinessState& state) {
  json.member("readiness", to_string(state.readiness)).member("pairs", state.pairs);
  json.member("equal", state.equal).member("tolerated", state.tolerated);
  json.member("different", state.different).member("accepted", state.accepted);
  json.member("incomparable", state.incomparable).member("mismatches", state.mismatches);
  json.member("mismatch_rate_max", state.mismatch_rate_max);
  json.member("mismatch_rate_bound", state.mismatch_rate_bound);
  json.member("log_evidence", state.log_evidence).key("pairs_needed");
  if (state.pairs_needed >= stats::BoundEvidence::kTrialsMax) {
    json.null();
  } else {
    json.number(state.pairs_needed);
  }
  json.key("time_needed");
  if (state.time_needed_ns < 0) {
    json.null();
  } else {
    json.number(static_cast<double>(state.time_needed_ns) / 1e9);
  }
  json.member("time_covered", static_cast<double>(state.time_covered_ns) / 1e9);
  json.member("time_missing", static_cast<double>(state.time_missing_ns) / 1e9);
  json.member("hours_covered", state.hours_covered).key("status_classes").begin_array();
  for (const int one : state.status_classes) json.string(class_text(one));
  json.end_array().member("request_shapes", state.shapes).key("findings").begin_array();
  for (const std::string& id : state.findings) json.string(id);
  json.end_array().member("missing", state.missing);
}

void write_uncovered(json::JsonWriter& json, const std::vector<UncoveredCell>& cells) {
  json.key("uncovered").begin_array();
  for (const UncoveredCell& cell : cells) {
    json.begin_object().member("status", class_text(cell.status_class));
    json.member("shape", shape_text(cell.shape)).member("pairs", cell.pairs);
    json.member("exemplar", cell.exemplar).end_object();
  }
  json.end_array();
}

}  // namespace

std::string unready_reason(const RouteReadiness& route) {
  if (route.state.readiness == Readiness::kReady || !route.set_aside.empty()) return {};
  std::string reason = "route " + route.route + " is not ready (" +
                       std::string(to_string(route.state.readiness)) + "): " + route.state.missing;
  if (const EndpointReadiness* endpoint = weakest(route)) {
    reason += "; look at " + escape_for_terminal(endpoint->endpoint, kNameShown) + " (" +
              std::string(to_string(endpoint->state.readiness)) + ", " +
              std::to_string(endpoint->state.pairs) + " pairs)";
  }
  return reason;
}

std::vector<ReadinessRow> readiness_rows(const ReportData& data) {
  std::vector<ReadinessRow> rows;
  for (const RouteReadiness& route : data.readiness) {
    ReadinessRow row = row_of(route.route, route.state);
    row.is_route = true;
    if (!route.set_aside.empty()) row.missing = "set aside: " + route.set_aside;
    if (route.endpoints.size() > kEndpointsShown) {
      row.uncovered = std::to_string(route.endpoints.size() - kEndpointsShown) +
                      " more endpoints in the JSON report";
    }
    rows.push_back(std::move(row));
    std::vector<const EndpointReadiness*> endpoints;
    for (const EndpointReadiness& one : route.endpoints) endpoints.push_back(&one);
    std::stable_sort(endpoints.begin(), endpoints.end(), [](const auto* a, const auto* b) {
      const bool a_differs = a->state.readiness == Readiness::kDifferent;
      const bool b_differs = b->state.readiness == Readiness::kDifferent;
      return a_differs != b_differs ? a_differs : a->state.pairs > b->state.pairs;
    });
    for (std::size_t i = 0; i < std::min(endpoints.size(), kEndpointsShown); ++i) {
      ReadinessRow one = row_of(endpoints[i]->endpoint, endpoints[i]->state);
      one.uncovered = uncovered_text(endpoints[i]->uncovered);
      rows.push_back(std::move(one));
    }
  }
  return rows;
}

void write_readiness(json::JsonWriter& json, const ReportData& data) {
  json.key("readiness").begin_array();
  for (const RouteReadiness& route : data.readiness) {
    json.begin_object().member("route", route.route).member("set_aside", route.set_aside);
    write_state(json, route.state);
    json.key("endpoints").begin_array();
    for (const EndpointReadiness& endpoint : route.endpoints) {
      json.begin_object().member("endpoint", endpoint.endpoint);
      write_state(json, endpoint.state);
      write_uncovered(json, endpoint.uncovered);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
}

}  // namespace banyan::admin
