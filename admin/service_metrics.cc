// SPDX-License-Identifier: Apache-2.0
#include "admin/service_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

#include "comparator/comparator.h"
#include "comparator/findings.h"
#include "core/base/mutex.h"
#include "core/obs/log.h"
#include "core/obs/metrics.h"
#include "ledger/ledger.h"
#include "recorder/recorder.h"
#include "replay/mirror.h"
#include "routing/routing_control.h"

namespace banyan::admin {
namespace {

using obs::Metrics;

double number(std::uint64_t value) { return static_cast<double>(value); }
double seconds(std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }

// procfs never waits for a disk.
double resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long total = 0, resident = 0;
  const int read = std::fscanf(file, "%lu %lu", &total, &resident);
  std::fclose(file);
  return read == 2 ? static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE))
                   : 0;
}

double open_descriptors() {
  DIR* directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) return 0;
  int count = 0;
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count - 3;  // ".", ".." and the directory itself
}

double cpu_seconds() {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

}  // namespace

struct ServiceMetrics::Shared {
  Mutex mutex;
  bool is_open GUARDED_BY(mutex) = true;
};

namespace {

// Registers families whose reading is skipped once the services are gone.
class Registrar {
 public:
  using Read = std::function<void(const Metrics::Emit&)>;
  using Guard = std::function<void(const std::function<void()>&)>;
  Registrar(Metrics& metrics, Guard guard) : metrics_(metrics), guard_(std::move(guard)) {}

  void many(std::string_view name, std::string_view type, std::string_view help, Read read) {
    metrics_.collected(name, help, type,
                       [guard = guard_, read = std::move(read)](const Metrics::Emit& emit) {
                         guard([&] { read(emit); });
                       });
  }
  void one(std::string_view name, std::string_view type, std::string_view help,
           std::function<double()> read) {
    many(name, type, help,
         [read = std::move(read)](const Metrics::Emit& emit) { emit({}, read()); });
  }

 private:
  Metrics& metrics_;
  Guard guard_;
};

void add_process(Registrar& add, const AdminFacts& facts) {
  add.many("banyan_build_info", "gauge", "Version of this process; always 1.",
           [version = facts.version](const Metrics::Emit& emit) {
             emit({{"version", version}}, 1);
           });
  add.one("banyan_start_time_seconds", "gauge", "When this process started, in Unix time.",
          [at = facts.started_wall_ns] { return seconds(at); });
  add.one("banyan_process_resident_bytes", "gauge", "Resident memory.", resident_bytes);
  add.one("banyan_process_open_fds", "gauge", "Open file descriptors.", open_descriptors);
  add.one("banyan_process_cpu_seconds_total", "counter", "CPU time, user and system.", cpu_seconds);
  add.one("banyan_log_lines_lost_total", "counter",
          "Lines of the operator's log that a full stderr cost.",
          [] { return number(obs::log_lines_lost()); });
}

void add_recorder(Registrar& add, const recorder::Recorder& recorder) {
  using Stats = recorder::RecorderStats;
  const auto stat = [&add, &recorder](std::string_view name, std::string_view type,
                                      std::string_view help, double (*read)(const Stats&)) {
    add.one(name, type, help, [&recorder, read] { return read(recorder.stats()); });
  };
  stat("banyan_log_records_total", "counter", "Records appended to the log.",
       [](const Stats& s) { return number(s.records_appended); });
  stat("banyan_log_appended_bytes_total", "counter", "Bytes appended to the log.",
       [](const Stats& s) { return number(s.bytes_appended); });
  stat("banyan_log_batches_total", "counter", "Batches written.",
       [](const Stats& s) { return number(s.batches); });
  stat("banyan_log_syncs_total", "counter", "Syncs of the log.",
       [](const Stats& s) { return number(s.syncs); });
  stat("banyan_log_last_sync_seconds", "gauge", "How long the last sync took.",
       [](const Stats& s) { return seconds(s.last_sync_ns); });
  stat("banyan_log_max_sync_seconds", "gauge", "How long the longest sync took.",
       [](const Stats& s) { return seconds(s.max_sync_ns); });
  stat("banyan_log_durable_lag_records", "gauge", "Records written and not yet durable.",
       [](const Stats& s) {
         return s.written_offset > s.durable_offset ? number(s.written_offset - s.durable_offset)
                                                    : 0;
       });
  stat("banyan_log_segments", "gauge", "Segments of the log.",
       [](const Stats& s) { return number(s.segments); });
  stat("banyan_log_size_bytes", "gauge", "Bytes of the log on disk.",
       [](const Stats& s) { return number(s.log_bytes); });
  stat("banyan_log_segments_removed_total", "counter", "Segments that retention removed.",
       [](const Stats& s) { return number(s.segments_removed); });
  stat("banyan_log_segments_sealed_total", "counter", "Segments that got their indexes.",
       [](const Stats& s) { return number(s.segments_sealed); });
  stat("banyan_log_segments_unsealed", "gauge",
       "Closed segments that wait for their indexes, or stay without.",
       [](const Stats& s) { return number(s.segments_unsealed); });
  stat("banyan_log_records_refused_total", "counter",
       "Records that could not be kept; all of them are in GAP records.",
       [](const Stats& s) { return number(s.records_refused); });
  stat("banyan_log_write_failures_total", "counter", "Failed writes of the log.",
       [](const Stats& s) { return number(s.write_failures); });
  stat("banyan_log_sync_failures_total", "counter", "Failed syncs of the log.",
       [](const Stats& s) { return number(s.sync_failures); });
  stat("banyan_log_direct_io", "gauge", "1 where large writes of the log go around the page cache.",
       [](const Stats& s) { return s.is_direct ? 1.0 : 0.0; });
  stat("banyan_log_tail_bytes", "gauge", "Memory of the newest records, for readers.",
       [](const Stats& s) { return number(s.tail_bytes); });
  stat("banyan_log_tail_hits_total", "counter", "Steps of readers that needed no file.",
       [](const Stats& s) { return number(s.tail_hits); });
  stat("banyan_log_tail_misses_total", "counter",
       "Steps of readers that had fallen behind it and read a file.",
       [](const Stats& s) { return number(s.tail_misses); });
  stat("banyan_log_reader_rest_seconds_total", "counter",
       "How long readers of files made way for a log that was written in a rush.",
       [](const Stats& s) { return seconds(s.readers_rested_ns); });
  stat("banyan_log_failed", "gauge", "1 while the log cannot take records.",
       [](const Stats& s) { return s.has_failed ? 1.0 : 0.0; });
}

void add_mirror(Registrar& add, const replay::Mirror& mirror) {
  using Stats = replay::MirrorStats;
  const auto stat = [&add, &mirror](std::string_view name, std::string_view type,
                                    std::string_view help, double (*read)(const Stats&)) {
    add.one(name, type, help, [&mirror, read] { return read(mirror.stats()); });
  };
  stat("banyan_mirror_pending", "gauge", "Copies known and not yet ended.",
       [](const Stats& s) { return number(s.pending); });
  stat("banyan_mirror_pending_writes", "gauge", "Of them, writes.",
       [](const Stats& s) { return number(s.pending_writes); });
  stat("banyan_mirror_in_flight", "gauge", "Copies that a system works on now.",
       [](const Stats& s) { return number(s.in_flight); });
  stat("banyan_mirror_copies_total", "counter", "Copies that ended with an answer or without.",
       [](const Stats& s) { return number(s.mirrored); });
  stat("banyan_mirror_no_answer_total", "counter", "Of them, those without an answer.",
       [](const Stats& s) { return number(s.no_answer); });
  stat("banyan_mirror_equal_bodies_total", "counter",
       "Of them, those whose body is the primary's and is not stored again.",
       [](const Stats& s) { return number(s.equal_bodies); });
  stat("banyan_mirror_equal_body_bytes_total", "counter", "Bytes of these bodies.",
       [](const Stats& s) { return number(s.equal_body_bytes); });
  stat("banyan_mirror_lag_seconds", "gauge", "Age of the oldest copy not yet ended.",
       [](const Stats& s) { return seconds(s.lag_ns); });
  stat("banyan_mirror_lag_records", "gauge", "Records of the log the mirror has not read.",
       [](const Stats& s) { return number(s.lag_records); });
  stat("banyan_mirror_paused", "gauge", "1 while a person paused the mirror.",
       [](const Stats& s) { return s.is_paused ? 1.0 : 0.0; });
  const auto reasons = [](const std::map<std::string, std::uint64_t>& counts,
                          const Metrics::Emit& emit) {
    for (const auto& [reason, count] : counts) emit({{"reason", reason}}, number(count));
  };
  add.many(
      "banyan_mirror_skipped_total", "counter", "Exchanges not copied on purpose, by reason.",
      [&mirror, reasons](const Metrics::Emit& emit) { reasons(mirror.stats().skipped, emit); });
  add.many(
      "banyan_mirror_dropped_total", "counter", "Exchanges whose copy was lost, by reason.",
      [&mirror, reasons](const Metrics::Emit& emit) { reasons(mirror.stats().dropped, emit); });
  add.many("banyan_witness_exchanges_total", "counter",
           "Exchanges asked for again to learn how stable answers are, by reason.",
           [&mirror](const Metrics::Emit& emit) {
             const replay::WitnessStats w = mirror.stats().witnesses;
             emit({{"reason", "confirmation"}}, number(w.confirmations));
             emit({{"reason", "control"}}, number(w.controls));
           });
  add.many("banyan_witness_questions_total", "counter", "Witnesses sent, by system.",
           [&mirror](const Metrics::Emit& emit) {
             const replay::WitnessStats w = mirror.stats().witnesses;
             emit({{"system", "legacy"}}, number(w.asked_legacy));
             emit({{"system", "candidate"}}, number(w.asked_candidate));
             emit({{"system", "legacy_twin"}}, number(w.asked_twin));
           });
  stat("banyan_witness_waiting", "gauge", "Exchanges that wait for their witnesses.",
       [](const Stats& s) { return number(s.witnesses.waiting); });
  add.many("banyan_witness_passed_over_total", "counter",
           "Exchanges chosen for witnesses and not asked for (in full), by reason.",
           [&mirror, reasons](const Metrics::Emit& emit) {
             reasons(mirror.stats().witnesses.passed_over, emit);
           });
}

void add_comparator(Registrar& add, const comparator::Comparator& comparator) {
  add.many("banyan_compare_results_total", "counter", "Verdicts of this process, by verdict.",
           [&comparator](const Metrics::Emit& emit) {
             const comparator::ComparatorStats stats = comparator.stats();
             emit({{"verdict", "equal"}}, number(stats.equal));
             emit({{"verdict", "tolerated"}}, number(stats.tolerated));
             emit({{"verdict", "different"}}, number(stats.different));
             emit({{"verdict", "incomparable"}}, number(stats.incomparable));
           });
  add.one("banyan_compare_joins_open", "gauge", "Exchanges that wait for their other answer.",
          [&comparator] { return number(comparator.stats().joins_open); });
  add.one("banyan_compare_raced_total", "counter",
          "Compared safe requests that a write overlapped.",
          [&comparator] { return number(comparator.stats().raced); });
  add.one("banyan_compare_writes_pushed_out_total", "counter",
          "Writes forgotten for want of room: what raced with them is not called so.",
          [&comparator] { return number(comparator.stats().writes_pushed_out); });
  add.one("banyan_compare_lag_records", "gauge", "Records of the log not yet looked at.",
          [&comparator] { return number(comparator.stats().lag_records); });
}

void add_findings(Registrar& add, const comparator::FindingsStore& findings) {
  add.one("banyan_endpoint_nodes", "gauge", "Places and words of paths told apart for endpoints.",
          [&findings] { return number(findings.endpoint_stats().nodes); });
  add.one("banyan_endpoint_collapsed_total", "counter", "Places of paths whose words became {}.",
          [&findings] { return number(findings.endpoint_stats().collapsed); });
  add.one("banyan_witness_verdicts_total", "counter",
          "Compared answers of witnesses that were counted.",
          [&findings] { return number(findings.witness_counts().folded); });
  add.one("banyan_witness_unpaired_total", "counter",
          "Of them, answers that could be paired with nothing.",
          [&findings] { return number(findings.witness_counts().unpaired); });
  add.many("banyan_findings_left_out_total", "counter",
           "What findings had no room for, by what it is of (a row past its bound each time).",
           [&findings](const Metrics::Emit& emit) {
             const comparator::FindingsLeftOut out = findings.left_out();
             emit({{"of", "places"}}, number(out.places));
             emit({{"of", "races"}}, number(out.races));
             emit({{"of", "shapes"}}, number(out.shapes));
             emit({{"of", "standings"}}, number(out.standings));
             emit({{"of", "readiness"}}, number(out.readiness));
             emit({{"of", "samples"}}, number(out.samples));
           });
  add.one("banyan_endpoint_overflow_total", "counter",
          "Endpoints that got {} or * because there was no room to tell them apart.",
          [&findings] { return number(findings.endpoint_stats().overflow); });
}

void add_ledger(Registrar& add, const ledger::Ledger& ledger) {
  using Per = std::function<void(const std::string&, const ledger::Account&, const Metrics::Emit&)>;
  const auto routes = [&add, &ledger](std::string_view name, std::string_view type,
                                      std::string_view help, Per per) {
    add.many(name, type, help, [&ledger, per = std::move(per)](const Metrics::Emit& emit) {
      for (const auto& [route, account] : ledger.snapshot().routes) per(route, account, emit);
    });
  };
  routes("banyan_ledger_admitted_total", "counter", "Exchanges admitted, by route.",
         [](const std::string& route, const ledger::Account& a, const Metrics::Emit& emit) {
           emit({{"route", route}}, number(a.admitted));
         });
  routes("banyan_ledger_open", "gauge", "Exchanges admitted and not yet ended, by route.",
         [](const std::string& route, const ledger::Account& a, const Metrics::Emit& emit) {
           emit({{"route", route}}, number(a.open));
         });
  routes("banyan_ledger_answered_total", "counter", "Exchanges ended, by route and who answered.",
         [](const std::string& route, const ledger::Account& a, const Metrics::Emit& emit) {
           emit({{"route", route}, {"by", "legacy"}}, number(a.answered.legacy));
           emit({{"route", route}, {"by", "candidate"}}, number(a.answered.candidate));
           emit({{"route", route}, {"by", "banyan"}}, number(a.answered.banyan));
           emit({{"route", route}, {"by", "aborted"}}, number(a.answered.aborted));
           emit({{"route", route}, {"by", "unknown"}}, number(a.answered.unknown));
         });
  routes("banyan_ledger_mirror_total", "counter", "Exchanges ended, by route and fate of the copy.",
         [](const std::string& route, const ledger::Account& a, const Metrics::Emit& emit) {
           std::uint64_t skipped = 0, dropped = 0;
           for (const auto& [reason, count] : a.mirror.skipped) skipped += count;
           for (const auto& [reason, count] : a.mirror.dropped) dropped += count;
           emit({{"route", route}, {"state", "off"}}, number(a.mirror.off));
           emit({{"route", route}, {"state", "mirrored"}}, number(a.mirror.mirrored));
           emit({{"route", route}, {"state", "skipped"}}, number(skipped));
           emit({{"route", route}, {"state", "dropped"}}, number(dropped));
         });
  routes("banyan_ledger_mirror_pending", "gauge", "Copies still due, by route.",
         [](const std::string& route, const ledger::Account& a, const Metrics::Emit& emit) {
           emit({{"route", route}}, number(a.mirror.pending));
         });
  routes("banyan_ledger_compared", "gauge", "Exchanges by route and newest verdict.",
         [](const std::string& route, const ledger::Account& a, const Metrics::Emit& emit) {
           emit({{"route", route}, {"verdict", "equal"}}, number(a.compared.equal));
           emit({{"route", route}, {"verdict", "tolerated"}}, number(a.compared.tolerated));
           emit({{"route", route}, {"verdict", "different"}}, number(a.compared.different));
           emit({{"route", route}, {"verdict", "incomparable"}}, number(a.compared.incomparable));
           emit({{"route", route}, {"verdict", "pending"}}, number(a.compared.pending));
         });
  add.one("banyan_ledger_gaps_total", "counter", "Gaps in the log.",
          [&ledger] { return number(ledger.snapshot().total.gaps); });
  add.one("banyan_ledger_balanced", "gauge", "1 while every identity of the ledger holds.",
          [&ledger] { return ledger.snapshot().is_balanced() ? 1.0 : 0.0; });
  add.many("banyan_ledger_refused_total", "counter",
           "Requests refused before admission, by status.", [&ledger](const Metrics::Emit& emit) {
             for (const auto& [status, count] : ledger.snapshot().refused) {
               emit({{"status", std::to_string(status)}}, number(count));
             }
           });
}

void add_routing(Registrar& add, const routing::RoutingControl& routing) {
  add.many("banyan_route_candidate_ratio", "gauge",
           "Share of sessions the candidate answers, 0 to 1.",
           [&routing](const Metrics::Emit& emit) {
             for (const auto& route : routing.list()) {
               emit({{"route", route.name}}, route.dials.candidate_share / 10000.0);
             }
           });
  add.many("banyan_route_mirror_ratio", "gauge", "Share of sessions that are mirrored, 0 to 1.",
           [&routing](const Metrics::Emit& emit) {
             for (const auto& route : routing.list()) {
               emit({{"route", route.name}}, route.dials.mirror_share / 10000.0);
             }
           });
  add.many("banyan_route_rolled_back", "gauge", "1 while a rollback of the route is latched.",
           [&routing](const Metrics::Emit& emit) {
             for (const auto& route : routing.list()) {
               emit({{"route", route.name}}, route.is_rolled_back ? 1 : 0);
             }
           });
  add.one("banyan_route_unpersisted", "gauge", "1 while a change is in force but not on disk.",
          [&routing] { return routing.has_unpersisted_change() ? 1.0 : 0.0; });
  add.one("banyan_route_epoch", "gauge", "Number of the routing in force.",
          [&routing] { return number(routing.epoch()); });
}

void add_store(Registrar& add, const StoreFacts& facts, const StoreWorker& worker) {
  add.many("banyan_findings", "gauge", "Findings, by state.", [&facts](const Metrics::Emit& emit) {
    emit({{"state", "open"}}, number(facts.findings_open.load()));
    emit({{"state", "accepted"}}, number(facts.findings_accepted.load()));
    emit({{"state", "bug"}}, number(facts.findings_bug.load()));
  });
  add.one("banyan_findings_failures_total", "counter", "Failures to keep the findings up to date.",
          [&facts] { return number(facts.findings_failures.load()); });
  add.one("banyan_admin_store_waiting", "gauge", "Requests that wait for the store thread.",
          [&worker] { return number(worker.depth()); });
  add.one("banyan_admin_store_refused_total", "counter",
          "Requests refused because the store thread did not keep up.",
          [&worker] { return number(worker.refused()); });
}

}  // namespace

ServiceMetrics::ServiceMetrics(const AdminServices& services, const AdminFacts& facts,
                               const StoreFacts& store_facts, const StoreWorker& worker)
    : shared_(std::make_shared<Shared>()) {
  Registrar add(services.metrics, [shared = shared_](const std::function<void()>& read) {
    MutexLock lock(shared->mutex);
    if (shared->is_open) read();
  });
  add_process(add, facts);
  add_recorder(add, services.recorder);
  if (services.mirror != nullptr) add_mirror(add, *services.mirror);
  if (services.comparator != nullptr) add_comparator(add, *services.comparator);
  add_findings(add, services.findings);
  add_ledger(add, services.ledger);
  add_routing(add, services.routing);
  add_store(add, store_facts, worker);
}

void ServiceMetrics::close() {
  MutexLock lock(shared_->mutex);
  shared_->is_open = false;
}

}  // namespace banyan::admin
