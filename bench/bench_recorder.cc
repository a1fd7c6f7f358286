// SPDX-License-Identifier: Apache-2.0
//
// What one record costs, in process CPU time: appended and sequenced, read back, redacted.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>

#include "core/crypto/key_ring.h"
#include "core/model/record_codec.h"
#include "core/model/redaction.h"
#include "recorder/recorder.h"

namespace banyan {
namespace {

std::string make_directory() {
  std::string pattern = std::filesystem::temp_directory_path() / "banyan_bench_XXXXXX";
  return mkdtemp(pattern.data()) == nullptr ? std::string() : pattern;
}

http::HeaderList fields_of_a_browser() {
  return {{"Host", "shop.example"},
          {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) bench"},
          {"Accept", "application/json"},
          {"Accept-Language", "en-GB,en;q=0.8"},
          {"X-Request-Id", "3f2a7c1e-0000-4000-8000-000000000000"},
          {"X-Forwarded-For", "127.0.0.1"}};
}

model::ResponseRecord response(const std::string& body) {
  model::ResponseRecord record;
  record.exchange = ExchangeId::make(1, Epoch{1}, 1, 1);
  record.route = "orders";
  record.answer.status = 200;
  record.answer.fields = fields_of_a_browser();
  record.answer.body.kind = model::Body::Kind::kInline;
  record.answer.body.bytes = body;
  return record;
}

void encode_record(benchmark::State& state) {
  const std::string body(1024, 'x');
  const auto record = response(body);
  std::string out;
  for (auto _ : state) {
    out.clear();
    model::encode(record, out);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(encode_record);

void append_and_sequence(benchmark::State& state) {
  const std::string directory = make_directory();
  recorder::RecorderOptions options;
  options.directory = directory + "/log";
  options.retention_bytes = 1ULL << 30;
  options.min_free_ratio = 0;
  options.lane_bytes_max = 64ULL << 20;
  auto opened = recorder::Recorder::open(FileSystem::posix(), SystemClock::instance(), options);
  if (!opened.ok()) {
    state.SkipWithError(opened.error().message.c_str());
    return;
  }
  auto lane = (*opened)->open_lane();
  std::string encoded;
  model::encode(response(std::string(1024, 'x')), encoded);
  std::int64_t refused = 0;
  for (auto _ : state) {
    if (lane->append(encoded).is_refused()) ++refused;
  }
  (void)(*opened)->flush(10'000'000'000);
  state.counters["refused"] = static_cast<double>(refused);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(encoded.size()));
  lane = nullptr;
  *opened = nullptr;
  std::filesystem::remove_all(directory);
}
BENCHMARK(append_and_sequence)->MeasureProcessCPUTime()->Iterations(200'000);

void read_back(benchmark::State& state) {
  const std::string directory = make_directory();
  recorder::RecorderOptions options;
  options.directory = directory + "/log";
  options.min_free_ratio = 0;
  options.lane_bytes_max = 512ULL << 20;
  auto opened = recorder::Recorder::open(FileSystem::posix(), SystemClock::instance(), options);
  if (!opened.ok()) {
    state.SkipWithError(opened.error().message.c_str());
    return;
  }
  auto lane = (*opened)->open_lane();
  std::string encoded;
  model::encode(response(std::string(1024, 'x')), encoded);
  for (int i = 0; i < 100'000; ++i) (void)lane->append(encoded);
  (void)(*opened)->flush(60'000'000'000);
  auto source = *(*opened)->access().open_source({}, model::Fence::kWritten);
  model::SourcedRecord record;
  for (auto _ : state) {
    auto more = source->next(record);
    if (!more.ok() || !*more) {
      state.PauseTiming();
      source = *(*opened)->access().open_source({}, model::Fence::kWritten);
      state.ResumeTiming();
    }
    benchmark::DoNotOptimize(record.encoded.data());
  }
  source = nullptr;
  lane = nullptr;
  *opened = nullptr;
  std::filesystem::remove_all(directory);
}
BENCHMARK(read_back)->Iterations(90'000);

struct Keys {
  std::string directory = make_directory();
  std::unique_ptr<crypto::KeyRing> ring =
      *crypto::KeyRing::open(FileSystem::posix(), directory, Epoch{1}, "");
  ~Keys() { std::filesystem::remove_all(directory); }
};

void token(benchmark::State& state) {
  const Keys keys;
  for (auto _ : state) benchmark::DoNotOptimize(keys.ring->token("session", "0123456789abcdef"));
}
BENCHMARK(token);

void redact(benchmark::State& state) {
  const Keys keys;
  const auto redactor = *model::Redactor::create({}, *keys.ring);
  auto fields = fields_of_a_browser();
  if (state.range(0) != 0) fields.push_back({"Authorization", "Bearer 0123456789abcdef"});
  const auto exchange = ExchangeId::make(1, Epoch{1}, 1, 1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(redactor->redact(exchange, "/orders/1", fields, "", ""));
  }
}
BENCHMARK(redact)->ArgName("secrets")->Arg(0)->Arg(1);

}  // namespace
}  // namespace banyan
