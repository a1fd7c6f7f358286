// SPDX-License-Identifier: Apache-2.0
//
// What a person meets after a million exchanges that differ: `findings_scale [MISMATCHES [SEED]]`.
// Twelve causes over 240 endpoints (tests/support/planted_causes.h) are folded into
// findings.sqlite; printed are how many decisions explain 99 % of them, and how long what `findings
// list` asks for takes, beside plain SQLite reading the same rows in the same run.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "admin/json_shapes.h"
#include "comparator/findings.h"
#include "core/base/check.h"
#include "core/store/database.h"
#include "tests/support/planted_causes.h"

namespace banyan {
namespace {

constexpr std::size_t kListed = 1'000;  // what GET findings lists
constexpr std::size_t kStepsMax = 20;
constexpr int kRounds = 5;

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The median of a few.
double median_seconds(const std::function<void()>& work) {
  std::vector<double> times;
  for (int i = 0; i < kRounds; ++i) times.push_back(seconds_of(work));
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

template <typename T>
T must(Result<T> result, const char* what) {
  if (!result.ok()) {
    std::fprintf(stderr, "findings_scale: %s: %s\n", what, result.error().message.c_str());
    std::exit(1);
  }
  return std::move(result).value();
}

// Every column of the rows that the list is made of, by the same index or order.
void read_plainly(store::Database& database) {
  std::size_t bytes = 0;
  for (const std::string& sql :
       {"SELECT * FROM findings ORDER BY exchanges DESC, id LIMIT " + std::to_string(kListed),
        std::string("SELECT * FROM issue_sets")}) {
    auto rows = must(database.prepare(sql), "prepare");
    while (must(rows.step(), "step")) bytes += rows.text(0).size();
  }
  CHECK(bytes > 0);
}

std::string list_as_json(const comparator::FindingsStore& findings) {
  comparator::FindingFilter filter;
  filter.limit = kListed;
  return admin::findings_to_json(must(findings.issues(filter), "issues"),
                                 must(findings.list(filter), "list"),
                                 must(findings.explain(""), "explain"));
}

void run(std::uint64_t mismatches, std::uint64_t seed, const std::string& directory) {
  const std::string file = directory + "/findings.sqlite";
  const support::PlantedCauses causes(seed);
  support::PlantedLog log(causes);
  log.set_size(mismatches);
  auto findings =
      must(comparator::FindingsStore::open(file, SystemClock::instance()), "findings.sqlite");
  const double folded = seconds_of([&] {
    while (must(findings->catch_up(log, 5'000), "fold")) {
    }
  });
  const auto size = static_cast<double>(std::filesystem::file_size(file));
  const double fold_again = median_seconds([&] {
    log.set_size(++mismatches);
    must(findings->catch_up(log, 5'000), "fold");
  });
  comparator::FindingFilter all;
  all.limit = 100'000;
  const std::size_t count = must(findings->list(all), "list").size();
  const std::size_t issues = must(findings->issues(all), "issues").size();
  const auto explained = must(findings->explain(""), "explain");
  std::printf("seed %llu: %llu exchanges differ, 12 causes, %zu endpoints\n",
              static_cast<unsigned long long>(seed), static_cast<unsigned long long>(mismatches),
              causes.endpoints());
  std::printf("fold         %8.1f s, %.0f exchanges/s, %.0f MB; one more %.1f ms\n", folded,
              static_cast<double>(mismatches) / folded, size / 1e6, fold_again * 1e3);
  std::printf("findings     %8zu, of which issues of two or more %zu\n", count, issues);
  std::printf(
      "decisions    %8zu explain %.2f %% (bar: at most %zu for 99 %%)\n", explained.steps.size(),
      100.0 * static_cast<double>(explained.explained()) / static_cast<double>(explained.exchanges),
      kStepsMax);
  std::size_t bytes = 0;
  const double list = median_seconds([&] { bytes = list_as_json(*findings).size(); });
  auto database = must(store::Database::open(file, store::Database::Mode::kReadOnly), "open");
  const double floor = median_seconds([&] { read_plainly(*database); });
  std::printf("list         %8.0f ms, %zu KB of JSON (bar: under 1000 ms)\n", list * 1e3,
              bytes / 1024);
  std::printf("plain SQLite %8.0f ms for the same rows: the list takes %.1f x\n", floor * 1e3,
              list / floor);
  const double shown =
      median_seconds([&] { must(findings->get_issue(explained.steps[0].issue), "show"); });
  const double counted = median_seconds([&] { must(findings->readiness_counts(), "readiness"); });
  const double decided = seconds_of([&] {
    for (const auto& step : explained.steps) {
      must(findings->set_issue_state(step.issue, comparator::FindingState::kAccepted, "bench",
                                     "planted", 0),
           "decide");
    }
  });
  std::printf("show         %8.0f ms; readiness %.0f ms; a decision %.0f ms\n", shown * 1e3,
              counted * 1e3, decided * 1e3 / static_cast<double>(explained.steps.size()));
  const auto left = must(findings->explain(""), "explain");
  std::printf(
      "left         %8.2f %% of the exchanges show something undecided\n",
      100.0 * static_cast<double>(left.exchanges) / static_cast<double>(explained.exchanges));
  const double counted_again =
      median_seconds([&] { must(findings->readiness_counts(), "readiness"); });
  std::printf("readiness    %8.0f ms once they are accepted\n", counted_again * 1e3);
}

}  // namespace
}  // namespace banyan

int main(int argc, char** argv) {
  const std::uint64_t mismatches = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 20261129;
  std::string directory = (std::filesystem::temp_directory_path() / "banyan-scale-XXXXXX").string();
  if (mismatches == 0 || ::mkdtemp(directory.data()) == nullptr) {
    std::fprintf(stderr, "usage: findings_scale [MISMATCHES [SEED]]; needs a writable TMPDIR\n");
    return 1;
  }
  banyan::run(mismatches, seed, directory);
  std::filesystem::remove_all(directory);
  return 0;
}
