// SPDX-License-Identifier: Apache-2.0
//
// The contract's JSON shapes, shared by the API and the offline verbs of the command line.
// Everything recorded goes through JsonWriter and is escaped there.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/findings.h"
#include "core/json/json_writer.h"
#include "core/model/record.h"
#include "core/model/record_io.h"
#include "ledger/ledger.h"
#include "replay/runs.h"
#include "routing/routing_control.h"

namespace banyan::admin {

double seconds(std::int64_t nanoseconds);
double percent_of_share(std::uint32_t share);  // 2500 → 25
std::string_view to_string(comparator::FindingState state);
std::optional<comparator::FindingState> parse_finding_state(std::string_view text);
std::string_view to_string(replay::RunKind kind);
std::string_view to_string(replay::RunOnly only);
std::optional<replay::RunOnly> parse_run_only(std::string_view text);
std::string_view to_string(replay::RunState state);

void write_strings(json::JsonWriter& json, std::string_view name,
                   const std::vector<std::string>& values);

// Each writes one object.
void write_dials(json::JsonWriter& json, std::string_view name, const model::Dials& dials);
void write_route(json::JsonWriter& json, const routing::RouteStatus& route,
                 const ledger::Account& account, std::string_view readiness = {});
// `special`: what its requests have, where somebody asks for one finding; null in a list.
void write_finding(json::JsonWriter& json, const comparator::Finding& finding,
                   const comparator::FindingsStore::SpecialReport* special = nullptr);
// `details`: its findings, where somebody asks for one issue; null in a list.
void write_issue(json::JsonWriter& json, const comparator::Issue& issue,
                 const std::vector<comparator::Finding>* details = nullptr);
void write_issues(json::JsonWriter& json, const std::vector<comparator::Issue>& issues);
void write_run(json::JsonWriter& json, const replay::RunStatus& run);
void write_difference(json::JsonWriter& json, const model::Difference& difference);
// One line of `log cat --json`; a hole reads {"offset","type":"HOLE","until","cause"}.
void write_record(json::JsonWriter& json, const model::SourcedRecord& sourced,
                  const model::AnyRecord* record);

// The whole answers of GET routes|findings|replays and of the commands' --json.
std::string routes_to_json(const std::vector<routing::RouteStatus>& routes,
                           const ledger::LedgerSnapshot& ledger,
                           const std::map<std::string, std::string>* readiness);
// The word of a route; "" where nobody judged it yet.
std::string_view readiness_of(const std::map<std::string, std::string>* readiness,
                              const std::string& route);
// With "explained": which few to decide first.
std::string findings_to_json(const std::vector<comparator::Issue>& issues,
                             const std::vector<comparator::Finding>& findings,
                             const comparator::Explanation& explanation);
std::string runs_to_json(const std::vector<replay::RunStatus>& runs);
std::string record_to_json(const model::SourcedRecord& sourced, const model::AnyRecord* record);

}  // namespace banyan::admin
