// SPDX-License-Identifier: Apache-2.0
//
// Finds 24 kinds of planted faults under noise, beside Diffy's rule on the same answers
// (docs/benchmarks.md). Not a matter of speed: it counts what is found, and what is said wrongly.
//
//   planted_faults [--requests N] [--healthy RUNS] [--seed N] [--single] [--only FAULT]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "tests/comparator/planted_faults.h"

namespace {

using banyan::comparator::judge_planted;
using banyan::comparator::planted_faults;
using banyan::comparator::PlantedRun;

constexpr double kRates[] = {0.001, 0.01, 0.1, 1.0};
constexpr double kNoises[] = {0.0, 0.02, 0.1, 0.3};

struct Score {
  int found = 0, shown = 0, wrong = 0, by_diffy = 0, wrong_by_diffy = 0;

  static double share(int right, int wrong) {
    return right + wrong == 0 ? 1 : static_cast<double>(right) / (right + wrong);
  }
};

}  // namespace

int main(int argc, char** argv) {
  PlantedRun base;
  std::size_t healthy_runs = 1000;
  std::string_view only;
  for (int i = 1; i < argc; ++i) {
    const auto value = [&]() -> std::uint64_t {
      if (++i < argc) return std::strtoull(argv[i], nullptr, 10);
      std::fprintf(stderr, "planted_faults: %s wants a number\n", argv[i - 1]);
      std::exit(2);
    };
    if (std::strcmp(argv[i], "--requests") == 0) {
      base.requests = value();
    } else if (std::strcmp(argv[i], "--healthy") == 0) {
      healthy_runs = value();
    } else if (std::strcmp(argv[i], "--seed") == 0) {
      base.seed = value();
    } else if (std::strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
      only = argv[++i];  // "none": healthy runs alone
    } else if (std::strcmp(argv[i], "--single") == 0) {
      base.control_share = 0.02;  // legacy itself, asked again for one in fifty
    } else {
      std::fprintf(stderr,
                   "usage: planted_faults [--requests N] [--healthy RUNS] [--seed N] [--single] "
                   "[--only FAULT]\n");
      return 2;
    }
  }
  std::printf("%zu requests a run, seed %llu, %s\n", base.requests,
              static_cast<unsigned long long>(base.seed),
              base.control_share < 1 ? "one legacy" : "with a twin");
  std::printf("%-16s %28s   %s\n", "", "found at 0.1, 1, 10, 100 %",
              "recall and precision at 1 % and more");
  std::printf("%-16s %13s %13s   %15s %15s\n", "fault", "Banyan", "Diffy", "Banyan", "Diffy");
  int missed = 0;
  Score all;
  std::size_t faults = 0;
  for (std::size_t fault = 0; fault < planted_faults().size(); ++fault) {
    if (!only.empty() && planted_faults()[fault] != only) continue;
    ++faults;
    std::string ours;
    std::string theirs;
    Score score;
    for (const double rate : kRates) {
      int found = 0;
      int by_diffy = 0;
      for (const double noise : kNoises) {
        PlantedRun run = base;
        run.fault = fault;
        run.rate = rate;
        run.noise = noise;
        const auto result = judge_planted(run);
        found += result.is_found ? 1 : 0;
        by_diffy += result.is_found_by_diffy ? 1 : 0;
        if (rate < 0.01) continue;
        score.found += result.is_found ? 1 : 0;
        score.wrong += static_cast<int>(result.false_places);
        score.by_diffy += result.is_found_by_diffy ? 1 : 0;
        score.wrong_by_diffy += static_cast<int>(result.false_by_diffy);
        if (!result.is_found) {
          ++missed;
          std::printf("  missed: %s at %g %% under noise of %g %%%s\n",
                      std::string(planted_faults()[fault]).c_str(), rate * 100, noise * 100,
                      result.is_shown ? " (shown, undecided)" : "");
        }
      }
      ours += " " + std::to_string(found) + "/4";
      theirs += " " + std::to_string(by_diffy) + "/4";
    }
    std::printf("%-16s %s %s   %6.2f %6.2f   %6.2f %6.2f\n",
                std::string(planted_faults()[fault]).c_str(), ours.c_str(), theirs.c_str(),
                score.found / 12.0, Score::share(score.found, score.wrong), score.by_diffy / 12.0,
                Score::share(score.by_diffy, score.wrong_by_diffy));
    std::fflush(stdout);
    all.found += score.found;
    all.wrong += score.wrong;
    all.by_diffy += score.by_diffy;
    all.wrong_by_diffy += score.wrong_by_diffy;
  }
  const double runs = 12.0 * static_cast<double>(std::max<std::size_t>(faults, 1));
  std::printf("all: recall %.3f, precision %.3f; Diffy: recall %.3f, precision %.3f\n",
              all.found / runs, Score::share(all.found, all.wrong), all.by_diffy / runs,
              Score::share(all.by_diffy, all.wrong_by_diffy));
  std::size_t healthy = 0;
  std::size_t alarmed = 0;
  std::size_t alarmed_by_diffy = 0;
  for (std::size_t i = 0; i < healthy_runs; ++i) {
    PlantedRun run = base;
    run.requests = base.requests / 10;
    run.noise = kNoises[1 + i % 3];
    run.seed = base.seed + 1 + i;
    const auto result = judge_planted(run);
    ++healthy;
    alarmed += result.false_places > 0 ? 1 : 0;
    alarmed_by_diffy += result.false_by_diffy > 0 ? 1 : 0;
  }
  std::printf("healthy runs of %zu requests: %zu of %zu with a false regression; Diffy: %zu\n",
              base.requests / 10, alarmed, healthy, alarmed_by_diffy);
  return missed == 0 ? 0 : 1;
}
