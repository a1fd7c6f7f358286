// SPDX-License-Identifier: Apache-2.0
#include "app/erasure.h"

#include <unordered_set>
#include <utility>

#include "core/base/hash.h"
#include "core/model/record_codec.h"
#include "core/model/subject_log.h"
#include "core/obs/log.h"

namespace banyan::app {

Result<Erasure::Traces> Erasure::look(const std::vector<std::string>& ids) {
  const std::unordered_set<std::string> wanted(ids.begin(), ids.end());
  model::SubjectLog opened(log_, keys_, true);
  auto source = opened.open_source(opened.begin(), model::Fence::kWritten);
  if (!source.ok()) return source.error();
  (*source)->want(
      model::RecordKinds::of({model::RecordType::kRequest, model::RecordType::kVerdict}));
  const auto is_theirs = [&](std::string_view key) {
    return !key.empty() && wanted.count(std::string(key)) > 0;
  };
  Traces traces;
  std::unordered_set<std::string> endpoints;
  std::unordered_set<std::uint64_t> of_others;  // hashes: there may be many
  model::RequestRecord request;
  model::VerdictRecord verdict;
  model::SourcedRecord sourced;
  for (;;) {
    const auto more = (*source)->next(sourced);
    if (!more.ok()) return more.error();
    if (!*more) break;
    if (sourced.kind == model::SourcedRecord::Kind::kHole) continue;
    if (sourced.type == model::RecordType::kRequest) {
      if (model::decode_head(sourced.encoded, request).ok() && is_theirs(request.of.key)) {
        traces.exchanges.push_back(request.exchange);
      }
    } else if (sourced.type == model::RecordType::kVerdict) {
      if (!model::decode_head(sourced.encoded, verdict).ok()) continue;
      if (is_theirs(verdict.of.key)) {
        endpoints.emplace(verdict.endpoint);
      } else {
        of_others.insert(xxh3_64(verdict.endpoint));
      }
    }
  }
  for (const std::string& endpoint : endpoints) {
    if (!endpoint.empty() && of_others.count(xxh3_64(endpoint)) == 0) {
      traces.endpoints.push_back(endpoint);
    }
  }
  return traces;
}

Result<admin::ErasureReport> Erasure::erase(const admin::ErasureRequest& request) {
  if (!request.session.empty() && !has_sessions_) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient,
                      "sessions are no subjects here: [record] subject is not \"session\"");
  }
  const auto ids = keys_.ids_of(request.session.empty() ? request.subject : request.session);
  if (!request.is_dry_run) {
    BANYAN_RETURN_IF_ERROR(keys_.doom(ids, request.by));
    return finish();
  }
  const auto traces = look(ids);
  if (!traces.ok()) return traces.error();
  admin::ErasureReport report;
  report.is_dry_run = true;
  report.keys = ids.size();
  report.exchanges = traces->exchanges.size();
  return report;
}

Result<admin::ErasureReport> Erasure::finish() {
  admin::ErasureReport report;
  const auto ids = keys_.doomed();
  if (ids.empty()) {
    BANYAN_RETURN_IF_ERROR(keys_.destroy_doomed());  // Perhaps its end has not been written down.
    return report;
  }
  const auto traces = look(ids);
  if (!traces.ok()) return traces.error();
  if (findings_ != nullptr) {
    const auto touched = findings_->erase(traces->exchanges, traces->endpoints);
    if (!touched.ok()) return touched.error();
    report.findings = *touched;
  }
  BANYAN_RETURN_IF_ERROR(keys_.destroy_doomed());
  report.keys = ids.size();
  report.exchanges = traces->exchanges.size();
  obs::log_warning("app", "erased the data of a subject: " + std::to_string(report.keys) +
                              " keys destroyed, of " + std::to_string(report.exchanges) +
                              " exchanges in the log");
  return report;
}

}  // namespace banyan::app
