// SPDX-License-Identifier: Apache-2.0
//
// What an erased subject leaves in findings.sqlite: nothing.
#include <set>
#include <utility>

#include "comparator/findings_impl.h"

namespace banyan::comparator {
namespace {

Status add_findings_of(store::Database& database, std::string_view exchange,
                       std::set<std::string>& found) {
  auto rows = database.prepare("SELECT finding FROM hits WHERE exchange = ?1");
  if (!rows.ok()) return rows.error();
  rows->bind(1, exchange);
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) return {};
    found.emplace(rows->text(0));
  }
}

// Whose example it is that a finding shows nobody noted: it goes, and the next occurrence gives
// another. A finding that nobody shows any more goes whole, with its triage.
Status strip_finding(store::Database& database, const std::string& finding) {
  for (const char* sql :
       {"UPDATE findings SET example_at = '', example_legacy = '', example_candidate = '' "
        "WHERE id = ?1",
        "DELETE FROM finding_endpoints WHERE finding = ?1 AND "
        "(SELECT exchanges FROM findings WHERE id = ?1) <= 0",
        "DELETE FROM findings WHERE id = ?1 AND exchanges <= 0"}) {
    BANYAN_RETURN_IF_ERROR(run_with(database, sql, {finding}));
  }
  return {};
}

}  // namespace

Result<std::uint64_t> FindingsStore::erase(const std::vector<ExchangeId>& exchanges,
                                           const std::vector<std::string>& endpoints) {
  Impl& impl = *impl_;
  store::Database& database = *impl.database;
  BANYAN_RETURN_IF_ERROR(database.execute("PRAGMA secure_delete=ON"));
  // What waits in memory names endpoints too; where that is lost the log gives it again.
  impl.source = nullptr;
  impl.latency.clear();
  impl.readiness.clear();
  impl.samples.clear();
  impl.noise.clear();
  impl.is_ahead = false;
  std::set<std::string> findings;
  auto transaction = store::Transaction::begin(database);
  if (!transaction.ok()) return transaction.error();
  for (const ExchangeId exchange : exchanges) {
    const std::string id = exchange.to_string();
    BANYAN_RETURN_IF_ERROR(add_findings_of(database, id, findings));
    BANYAN_RETURN_IF_ERROR(impl.erase_differing(exchange));
    BANYAN_RETURN_IF_ERROR(impl.forget(exchange));
    BANYAN_RETURN_IF_ERROR(run_with(database, "DELETE FROM places WHERE exchange = ?1", {id}));
    BANYAN_RETURN_IF_ERROR(
        run_with(database, "DELETE FROM request_samples WHERE exchange = ?1", {id}));
    BANYAN_RETURN_IF_ERROR(run_with(
        database,
        "UPDATE noise_races SET exchange = '', write = '' WHERE exchange = ?1 OR write = ?1",
        {id}));
  }
  for (const std::string& finding : findings) {
    BANYAN_RETURN_IF_ERROR(strip_finding(database, finding));
  }
  for (const std::string& endpoint : endpoints) {
    for (const char* sql :
         {"DELETE FROM finding_endpoints WHERE endpoint = ?1",
          "DELETE FROM findings WHERE endpoint = ?1", "DELETE FROM latency WHERE endpoint = ?1",
          "DELETE FROM readiness WHERE endpoint = ?1", "DELETE FROM differing WHERE endpoint = ?1",
          "DELETE FROM request_samples WHERE endpoint = ?1"}) {
      BANYAN_RETURN_IF_ERROR(run_with(database, sql, {endpoint}));
    }
  }
  BANYAN_RETURN_IF_ERROR(impl.erase_noise(endpoints));
  if (!endpoints.empty()) BANYAN_RETURN_IF_ERROR(impl.forget_endpoints(endpoints));
  BANYAN_RETURN_IF_ERROR(transaction->commit());
  // Free space inside pages, and what stands in the journal.
  BANYAN_RETURN_IF_ERROR(database.execute("VACUUM"));
  BANYAN_RETURN_IF_ERROR(database.execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  return static_cast<std::uint64_t>(findings.size());
}

}  // namespace banyan::comparator
