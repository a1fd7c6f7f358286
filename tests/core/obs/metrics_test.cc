// SPDX-License-Identifier: Apache-2.0
#include "core/obs/metrics.h"

#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace banyan::obs {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsTest, CounterIsSharedByNameAndLabels) {
  Metrics metrics;
  metrics.counter("banyan_a_total", "A.", {{"k", "v"}}).add(2);
  metrics.counter("banyan_a_total", "A.", {{"k", "v"}}).add();
  metrics.counter("banyan_a_total", "A.", {{"k", "w"}}).add(7);
  EXPECT_EQ(metrics.scrape(),
            "# HELP banyan_a_total A.\n# TYPE banyan_a_total counter\n"
            "banyan_a_total{k=\"v\"} 3\nbanyan_a_total{k=\"w\"} 7\n");
}

TEST(MetricsTest, EscapesLabelValuesAndHelp) {
  Metrics metrics;
  metrics.counter("banyan_b_total", "one\ntwo \\ \"three\"", {{"route", "a\"b\\c\nd"}}).add();
  const std::string text = metrics.scrape();
  EXPECT_THAT(text, HasSubstr("# HELP banyan_b_total one\\ntwo \\\\ \"three\"\n"));
  EXPECT_THAT(text, HasSubstr("banyan_b_total{route=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

TEST(MetricsTest, HistogramBucketsAreCumulativeWithInclusiveBounds) {
  Metrics metrics;
  Histogram& histogram = metrics.histogram("banyan_h_seconds", "H.", {{"a", "b"}});
  histogram.observe_ns(500'000);         // exactly the first bound
  histogram.observe_ns(500'001);         // just past it
  histogram.observe_ns(60'000'000'000);  // past all bounds
  histogram.observe_ns(-5);              // a clock that went back counts as zero
  const std::string text = metrics.scrape();
  EXPECT_THAT(text, HasSubstr("banyan_h_seconds_bucket{a=\"b\",le=\"0.0005\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("banyan_h_seconds_bucket{a=\"b\",le=\"0.001\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("banyan_h_seconds_bucket{a=\"b\",le=\"10\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("banyan_h_seconds_bucket{a=\"b\",le=\"+Inf\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("banyan_h_seconds_count{a=\"b\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("banyan_h_seconds_sum{a=\"b\"} 60.001000001\n"));
}

TEST(MetricsTest, HistogramBoundsRise) {
  for (int i = 1; i < Histogram::kBuckets; ++i) {
    EXPECT_LT(Histogram::bounds_seconds()[i - 1], Histogram::bounds_seconds()[i]);
  }
}

TEST(MetricsTest, GaugeAndCollectedAreReadAtScrape) {
  Metrics metrics;
  double level = 1;
  metrics.gauge("banyan_level", "L.", {}, [&level] { return level; });
  metrics.collected("banyan_many", "M.", "gauge", [](const Metrics::Emit& emit) {
    emit({{"route", "x"}}, 1.5);
    emit({{"route", "y"}}, 0);
  });
  EXPECT_THAT(metrics.scrape(), HasSubstr("banyan_level 1\n"));
  level = 0.25;
  const std::string text = metrics.scrape();
  EXPECT_THAT(text, HasSubstr("banyan_level 0.25\n"));
  EXPECT_THAT(text, HasSubstr("banyan_many{route=\"x\"} 1.5\nbanyan_many{route=\"y\"} 0\n"));
}

TEST(MetricsTest, NumbersThatAreNotFiniteHaveTheirNames) {
  Metrics metrics;
  metrics.gauge("banyan_n", "N.", {{"k", "a"}}, [] { return 0.0 / 0.0; });
  metrics.gauge("banyan_n", "N.", {{"k", "b"}}, [] { return -1.0 / 0.0; });
  const std::string text = metrics.scrape();
  EXPECT_THAT(text, HasSubstr("banyan_n{k=\"a\"} NaN\n"));
  EXPECT_THAT(text, HasSubstr("banyan_n{k=\"b\"} -Inf\n"));
}

TEST(MetricsTest, LabelSetsPastTheBoundShareOne) {
  Metrics metrics;
  for (std::size_t i = 0; i < Metrics::kLabelSetsMax; ++i) {
    metrics.counter("banyan_c_total", "C.", {{"k", std::to_string(i)}}).add();
  }
  EXPECT_THAT(metrics.scrape(), Not(HasSubstr("_other")));
  metrics.counter("banyan_c_total", "C.", {{"k", "one more"}}).add();
  metrics.counter("banyan_c_total", "C.", {{"k", "and more"}}).add();
  metrics.counter("banyan_c_total", "C.", {{"k", "0"}}).add();  // known ones keep their own
  const std::string text = metrics.scrape();
  EXPECT_THAT(text, HasSubstr("banyan_c_total{k=\"_other\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("banyan_c_total{k=\"0\"} 2\n"));
  EXPECT_THAT(text, Not(HasSubstr("more")));
}

TEST(MetricsTest, CollectedSamplesPastTheBoundAreAddedUp) {
  Metrics metrics;
  metrics.collected("banyan_d", "D.", "gauge", [](const Metrics::Emit& emit) {
    for (std::size_t i = 0; i < Metrics::kLabelSetsMax + 3; ++i) {
      emit({{"k", std::to_string(i)}}, 2);
    }
  });
  EXPECT_THAT(metrics.scrape(), HasSubstr("banyan_d{k=\"_other\"} 6\n"));
}

TEST(MetricsTest, ThreadsCountTogether) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&metrics] {
      Counter& counter = metrics.counter("banyan_t_total", "T.");
      for (int k = 0; k < 10'000; ++k) counter.add();
    });
  }
  std::string last;
  for (int k = 0; k < 50; ++k) last = metrics.scrape();
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(metrics.scrape(), HasSubstr("banyan_t_total 40000\n"));
}

}  // namespace
}  // namespace banyan::obs
