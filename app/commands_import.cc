// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "app/commands.h"
#include "app/exit_codes.h"
#include "app/import_file.h"
#include "app/import_subjects.h"
#include "app/offline_log.h"
#include "config/config.h"
#include "core/base/text.h"
#include "core/crypto/key_ring.h"
#include "core/json/json_writer.h"
#include "core/model/import_stream.h"
#include "interchange/exchange_appender.h"
#include "interchange/exchange_reader.h"
#include "recorder/meta.h"
#include "recorder/recorder.h"
#include "routing/routing_table.h"

namespace banyan::app {
namespace {

using interchange::Exchange;
using interchange::ExchangeReader;
using interchange::Format;

constexpr std::int64_t kImportFlushNs = 60'000'000'000;
// A lane takes what the largest exchange makes (two bodies, and what is sealed of them) on top of
// what waits between two flushes.
constexpr std::uint64_t kLaneBytes = 512ULL << 20;
constexpr std::uint64_t kFlushBytes = 16ULL << 20;
constexpr std::size_t kDetectBytes = 4096;
constexpr std::uint64_t kShownProblemsMax = 20;

Result<config::Config> load_config(const Globals& globals) {
  const std::string path = config_path_of(globals);
  config::Config config;
  if (!path.empty()) {
    config::LoadResult loaded = config::load_file(path, globals.overrides);
    for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
      std::fprintf(stderr, "%s\n", diagnostic.to_text().c_str());
    }
    if (!loaded.ok()) {
      return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                        path + " is not valid; nothing was imported, since it says what to redact");
    }
    config = std::move(loaded.config);
  }
  config.data_dir = target_of(globals).data_dir;
  return config;
}

// Secrets are sealed under the key of the server's present epoch: it destroys keys by its own
// epochs, and opens what any of the keys that are left has sealed.
Result<std::unique_ptr<crypto::KeyRing>> open_keys(const config::Config& config) {
  FileSystem& files = FileSystem::posix();
  Epoch epoch{1};
  const auto meta = recorder::load_stream_meta(files, main_stream_directory(config.data_dir));
  if (meta.ok()) {
    epoch = std::max(epoch, meta->epoch);
  } else if (meta.error().code != ErrorCode::kNotFound) {
    return meta.error();
  }
  const std::string directory = config.data_dir + "/keys";
  // Taking a rotated key into use is for the server's next start: it goes on with its own until
  // then.
  if (files.exists(directory)) {
    const auto keys = crypto::KeyRing::list(files, directory);
    if (!keys.ok()) return keys.error();
    const auto tokens = std::count_if(keys->begin(), keys->end(), [](const auto& key) {
      return key.kind == crypto::KeyRing::KeyFile::Kind::kToken;
    });
    if (tokens > 1) {
      return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kInternal,
                        "a new token key waits for the next start of `banyan serve`; start it, "
                        "then import");
    }
  }
  return crypto::KeyRing::open(files, directory, epoch, config.record_key);
}

// The configured routes, in order; one named "default" where there are none.
std::unique_ptr<routing::RoutingTable> table_of(const config::Config& config,
                                                const crypto::KeyRing& keys) {
  std::vector<routing::Route> routes;
  for (const routing::RouteOptions& options : config.routing.routes) {
    routes.push_back({options, options.dials});
  }
  if (routes.empty()) {
    routing::RouteOptions any;
    any.name = "default";
    routes.push_back({any, any.dials});
  }
  return std::make_unique<routing::RoutingTable>(std::move(routes), 0, "", keys);
}

class Import {
 public:
  static Result<std::unique_ptr<Import>> open(const config::Config& config,
                                              const ImportOptions& options, Format format) {
    std::unique_ptr<Import> made(new Import(options));
    auto keys = open_keys(config);
    if (!keys.ok()) return keys.error();
    made->keys_ = *std::move(keys);
    auto redactor = model::Redactor::create(config.redaction, *made->keys_);
    if (!redactor.ok()) return redactor.error();
    made->redactor_ = *std::move(redactor);
    made->routes_ = table_of(config, *made->keys_);
    if (config.proxy.subject.kind != proxy::SubjectOptions::Kind::kNone) {
      auto subjects = ImportSubjects::open(FileSystem::posix(), SystemClock::instance(),
                                           config.data_dir, *made->keys_, config.proxy.subject);
      if (!subjects.ok()) return subjects.error();
      made->subjects_ = *std::move(subjects);
    }
    recorder::RecorderOptions own = config.recorder;
    own.directory = config.data_dir + "/log";
    own.stream = model::kImportStream;
    own.lane_bytes_max = kLaneBytes;
    own.tail_bytes_max = 0;
    auto recorder =
        recorder::Recorder::open(FileSystem::posix(), SystemClock::instance(), std::move(own));
    if (!recorder.ok()) return recorder.error();
    made->recorder_ = *std::move(recorder);
    made->sink_ = made->recorder_->open_lane();
    if (made->subjects_ != nullptr) made->sink_ = made->subjects_->guard(std::move(made->sink_));
    made->lane_ = made->recorder_->next_lane_number();
    interchange::AppendOptions appending;
    appending.format = interchange::to_string(format);
    appending.digest_seed = made->keys_->digest_seed();
    appending.answered_by = parse_system(options.answered_by).value_or(System::kLegacy);
    if (made->subjects_ != nullptr) {
      appending.key_of = [self = made.get()](const Exchange& exchange, std::string_view session) {
        return self->subjects_->key_of(exchange, session);
      };
    }
    made->appender_.emplace(
        *made->sink_, *made->redactor_, appending, [self = made.get()] { return self->next_id(); },
        [self = made.get()](const Exchange& exchange) { return self->route_of(exchange); });
    return made;
  }

  // Ends at the first problem, or with --keep-going at one behind which nothing can be read.
  Status run(ExchangeReader& reader, const ImportFile& file) {
    Exchange exchange;
    for (;;) {
      if (was_interrupted()) {
        return make_error(ErrorCode::kCancelled, ErrorOrigin::kInternal,
                          "interrupted; what was read so far is in the log");
      }
      switch (reader.next(exchange)) {
        case ExchangeReader::Step::kEnd: return {};
        case ExchangeReader::Step::kBroken: return placed(reader.error());
        case ExchangeReader::Step::kBad:
          if (!options_.keeps_going) return placed(reader.error());
          if (++skipped_ <= kShownProblemsMax) {
            complain("skipped: " + placed(reader.error()).message);
          }
          break;
        case ExchangeReader::Step::kExchange:
          BANYAN_RETURN_IF_ERROR(appender_->append(exchange));
          BANYAN_RETURN_IF_ERROR(keep_room());
          show_progress(file);
          break;
      }
    }
  }

  // What was appended is durable behind this, also where the import ended early.
  Status close() {
    const Status flushed = recorder_->flush(kImportFlushNs);
    const Status keyed = subjects_ == nullptr ? Status() : subjects_->flush();
    sink_.reset();
    recorder_->stop();
    return flushed.ok() ? keyed : flushed;
  }

  std::uint64_t imported() const { return appender_->exchanges(); }
  std::uint64_t skipped() const { return skipped_; }
  interchange::Tally losses() const {
    interchange::Tally losses = appender_->losses();
    if (subjects_ != nullptr) {
      losses.count("their subject's data is left out, since no key could be had for it",
                   subjects_->left_out());
    }
    return losses;
  }

 private:
  explicit Import(const ImportOptions& options) : options_(options) {}

  ExchangeId next_id() {
    return ExchangeId::make(recorder_->node(), recorder_->epoch(), lane_, ++counter_);
  }

  interchange::RouteFacts route_of(const Exchange& exchange) const {
    const http::HeaderList fields = interchange::views_of(exchange.fields);
    routing::RequestFacts facts;
    facts.method = exchange.method;
    facts.host = interchange::value_of(exchange.fields, "Host");
    facts.target = exchange.target;
    facts.fields = &fields;
    const routing::RouteDecision decision = routes_->decide(facts);
    return {options_.route.empty() ? std::string(decision.route_name) : options_.route,
            decision.is_write};
  }

  Error placed(const Error& error) const {
    Error out = error;
    const std::string name = options_.file == "-" ? "standard input" : options_.file;
    if (!error.message.starts_with(name) && error.origin != ErrorOrigin::kDisk) {
      out.message = name + ": " + error.message;
    }
    return out;
  }

  // Waits for the disk before the lane is full: nothing of an import may be dropped.
  Status keep_room() {
    if (appender_->bytes() - flushed_ < kFlushBytes) return {};
    flushed_ = appender_->bytes();
    return recorder_->flush(kImportFlushNs);
  }

  void show_progress(const ImportFile& file) const {
    if (isatty(STDERR_FILENO) == 0 || imported() % 256 != 0) return;
    const std::string of = file.size() == 0 ? "" : " of " + format_size(file.size());
    std::fprintf(stderr, "\r\033[Kimport: %llu exchanges, %s%s",
                 static_cast<unsigned long long>(imported()),
                 format_size(file.bytes_read()).c_str(), of.c_str());
  }

  const ImportOptions options_;
  std::unique_ptr<crypto::KeyRing> keys_;
  std::unique_ptr<model::Redactor> redactor_;
  std::unique_ptr<routing::RoutingTable> routes_;
  std::unique_ptr<ImportSubjects> subjects_;  // null: no data is anybody's
  std::unique_ptr<recorder::Recorder> recorder_;
  std::unique_ptr<model::RecordSink> sink_;
  std::optional<interchange::ExchangeAppender> appender_;
  std::uint16_t lane_ = 0;
  std::uint64_t counter_ = 0;
  std::uint64_t flushed_ = 0;
  std::uint64_t skipped_ = 0;
};

void tell(const Globals& globals, const ImportOptions& options, Format format, const Import& done,
          const interchange::Tally& losses) {
  const std::string name(interchange::to_string(format));
  std::fprintf(stderr, "banyan: imported %llu exchanges from %s (%s) into stream import",
               static_cast<unsigned long long>(done.imported()),
               escape_for_terminal(options.file).c_str(), name.c_str());
  if (done.skipped() > 0) {
    std::fprintf(stderr, "; skipped %llu that are malformed",
                 static_cast<unsigned long long>(done.skipped()));
  }
  std::fprintf(stderr, "\n");
  print_losses(losses);
  if (!globals.is_json) return;
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/log-import/1").member("file", options.file);
  json.member("format", name).member("exchanges", done.imported());
  json.member("skipped", done.skipped());
  write_losses(json, losses);
  json.end_object();
  print_json_line(out);
}

Result<Format> format_of(const ImportOptions& options, interchange::BufferedInput& input) {
  if (!options.as.empty()) return *interchange::parse_format(options.as);
  auto beginning = input.look_ahead(kDetectBytes);
  if (!beginning.ok()) return beginning.error();
  const auto format = interchange::detect_format(*beginning);
  if (format) return *format;
  return make_error(
      ErrorCode::kInvalidArgument, ErrorOrigin::kClient,
      options.file + " looks like none of har, ndjson, gor and capture; say which with --as");
}

}  // namespace

int log_import(const Globals& globals, const ImportOptions& options) {
  catch_interrupts();
  auto config = load_config(globals);
  if (!config.ok()) return fail_with(config.error());
  auto file = ImportFile::open(options.file);
  if (!file.ok()) {
    complain(file.error().message);
    return file.error().code == ErrorCode::kNotFound ? kUsage : exit_code_of(file.error());
  }
  interchange::BufferedInput input(**file);
  const auto format = format_of(options, input);
  if (!format.ok()) return fail_with(format.error());
  auto made = Import::open(*config, options, *format);
  if (!made.ok()) return fail_with(made.error());
  const auto reader = interchange::make_reader(*format, input);
  const Status read = (*made)->run(*reader, **file);
  if (isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\033[K");
  const Status closed = (*made)->close();
  interchange::Tally losses = reader->losses();
  losses.add((*made)->losses());
  if (!read.ok()) complain(read.error().message);
  tell(globals, options, *format, **made, losses);
  if (!closed.ok()) return fail_with(closed.error());
  return read.ok() ? kDone : exit_code_of(read.error());
}

}  // namespace banyan::app
