// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "admin/json_shapes.h"
#include "app/commands.h"
#include "app/exit_codes.h"
#include "app/log_bound.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"
#include "core/model/record_io.h"
#include "core/model/witness.h"
#include "recorder/recorder.h"
#include "replay/run_filter.h"

namespace banyan::app {
namespace {

// Exchanges a filter has chosen and whose other records are still to come; past it the filter takes
// only what it can decide from one record, and says so.
constexpr std::size_t kChosenMax = 4'000'000;

std::string log_directory(const Globals& globals) { return target_of(globals).data_dir + "/log"; }

// Which records a filter shows: it is decided at REQUEST, and its other records follow.
class RecordFilter {
 public:
  static Result<RecordFilter> create(const std::string& text) {
    RecordFilter filter;
    std::string rest;
    for (const std::string_view word : split(text, ' ')) {
      if (word.substr(0, 5) == "type:") {
        filter.types_.insert(to_lower(word.substr(5)));
      } else if (!word.empty()) {
        rest += (rest.empty() ? "" : " ") + std::string(word);
      }
    }
    filter.takes_all_ = rest.empty();
    filter.has_status_ = rest.find("status:") != std::string::npos;
    auto parsed = replay::RunFilter::parse(rest, SystemClock::instance().wall_ns());
    if (!parsed.ok()) return parsed.error();
    filter.exchanges_ = *std::move(parsed);
    return filter;
  }

  bool takes(const model::SourcedRecord& sourced, const model::AnyRecord& record) {
    return takes_exchange(sourced, record) && takes_type(sourced.type);
  }

 private:
  bool takes_type(model::RecordType type) const {
    return types_.empty() || types_.count(to_lower(model::to_string(type))) > 0;
  }

  bool takes_exchange(const model::SourcedRecord& sourced, const model::AnyRecord& record) {
    if (takes_all_) return true;
    if (const auto* request = std::get_if<model::RequestRecord>(&record)) {
      const replay::FilterFacts facts{request->exchange,        request->route,
                                      request->method,          request->target,
                                      request->started.wall_ns, request->is_write};
      if (!exchanges_->takes_request(facts)) return false;
      if (chosen_.size() < kChosenMax) chosen_.insert(request->exchange);
      return !has_status_;
    }
    if (chosen_.count(sourced.exchange) == 0) return false;
    if (const auto* response = std::get_if<model::ResponseRecord>(&record)) {
      return exchanges_->takes_status(response->answer.status);
    }
    return !has_status_;
  }

  std::unordered_set<std::string> types_;
  std::optional<replay::RunFilter> exchanges_;
  bool takes_all_ = true;
  bool has_status_ = false;
  std::unordered_set<ExchangeId> chosen_;
};

std::string run_of(RunId run) {
  if (run.is_live()) return "";
  if (!run.is_witness()) return "run " + std::to_string(run.value) + ", ";
  return std::string(model::to_string(run.reason())) + " " + std::to_string(run.number() + 1) +
         "/" + std::to_string(run.of()) + " of " + std::string(model::to_string(run.whom())) + ", ";
}

std::string summary_of(const model::AnyRecord& record) {
  const auto answer = [](const model::Answer& told) {
    return std::string(to_string(told.system)) + " " + std::to_string(told.status) + ", " +
           std::to_string(told.body.length) + " bytes";
  };
  if (const auto* r = std::get_if<model::RequestRecord>(&record)) {
    return escape_for_terminal(r->method, 32) + " " + escape_for_terminal(r->target, 200) + " → " +
           std::string(to_string(r->primary)) + ", mirror " + std::string(to_string(r->mirror)) +
           (r->skip == SkipReason::kNone ? "" : " " + std::string(to_string(r->skip)));
  }
  if (const auto* r = std::get_if<model::ResponseRecord>(&record)) {
    return answer(r->answer) + ", " + std::string(to_string(r->delivery));
  }
  if (const auto* r = std::get_if<model::OutcomeRecord>(&record)) {
    return std::string(to_string(r->kind)) + " " + std::to_string(r->status) + " " +
           escape_for_terminal(r->cause, 80);
  }
  if (const auto* r = std::get_if<model::ShadowRecord>(&record)) {
    const std::string run = run_of(r->run);
    if (r->answer.status == 0) return run + "no answer: " + escape_for_terminal(r->cause, 80);
    return run + answer(r->answer);
  }
  if (const auto* r = std::get_if<model::SkipRecord>(&record))
    return std::string(to_string(r->reason));
  if (const auto* r = std::get_if<model::VerdictRecord>(&record)) {
    return run_of(r->run) + std::string(to_string(r->verdict)) + ", generation " +
           std::to_string(r->generation) + ", " + std::to_string(r->differences.size()) +
           " differences";
  }
  if (const auto* r = std::get_if<model::ChunkRecord>(&record)) {
    return "piece " + std::to_string(r->sequence) + ", " + std::to_string(r->bytes.size()) +
           " bytes";
  }
  if (const auto* r = std::get_if<model::RouteRecord>(&record)) {
    return escape_for_terminal(r->action, 32) + " by " + escape_for_terminal(r->by, 80) + ": " +
           escape_for_terminal(r->reason, 200);
  }
  if (const auto* r = std::get_if<model::GapRecord>(&record)) {
    return std::to_string(r->records_lost) + " records lost: " + escape_for_terminal(r->cause, 80);
  }
  const auto& checkpoint = std::get<model::CheckpointRecord>(record);
  return "epoch " + std::to_string(checkpoint.epoch.value) + ", routing epoch " +
         std::to_string(checkpoint.routing_epoch);
}

void print_record(const model::SourcedRecord& sourced, const model::AnyRecord* record,
                  bool is_json) {
  if (is_json) {
    print_json_line(admin::record_to_json(sourced, record));
    return;
  }
  if (record == nullptr) {
    std::printf("%llu–%llu  HOLE  %s\n", static_cast<unsigned long long>(sourced.offset.value),
                static_cast<unsigned long long>(sourced.hole_end.value),
                escape_for_terminal(sourced.hole_cause, 80).c_str());
    return;
  }
  std::printf("%llu  %s  %-10s  %s  %s\n", static_cast<unsigned long long>(sourced.offset.value),
              format_time(sourced.append_wall_ns).c_str(),
              std::string(model::to_string(sourced.type)).c_str(),
              sourced.exchange.is_null() ? "-" : sourced.exchange.to_string().c_str(),
              (model::subject_of(*record).is_erased ? summary_of(*record) + " (erased)"
                                                    : summary_of(*record))
                  .c_str());
}

// Reads to the end, or for ever. Stops quietly when the reader of our output has gone.
int print_range(model::RecordSource& source, const LogBound& to, RecordFilter& filter, bool follows,
                bool is_json) {
  model::SourcedRecord sourced;
  while (!was_interrupted()) {
    auto more = source.next(sourced);
    if (!more.ok()) return fail_with(more.error());
    if (!*more) {
      if (!follows) return kDone;
      std::fflush(stdout);
      source.wait(std::chrono::milliseconds(200));
      continue;
    }
    if (to.wall_ns && sourced.append_wall_ns >= *to.wall_ns) return kDone;
    if (to.offset && sourced.stream == "main" && sourced.offset >= *to.offset) return kDone;
    if (sourced.kind == model::SourcedRecord::Kind::kHole) {
      print_record(sourced, nullptr, is_json);
    } else {
      auto record = model::decode(sourced.encoded);
      if (!record.ok()) return fail_with(record.error());
      if (filter.takes(sourced, *record)) print_record(sourced, &*record, is_json);
    }
    if (std::ferror(stdout) != 0) return kDone;
  }
  return kDone;
}

// The key that --exchange or --session names; nullopt where neither does.
Result<std::optional<model::LogKey>> key_of(const LogRangeOptions& options) {
  const auto wrong = [](const char* text) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kInternal, text);
  };
  if (!options.exchange.empty() && !options.session.empty()) {
    return wrong("--exchange and --session exclude each other");
  }
  if (!options.session.empty()) {
    return std::optional(model::LogKey::of_session(options.session));
  }
  if (options.exchange.empty()) return std::optional<model::LogKey>();
  const auto exchange = ExchangeId::parse(options.exchange);
  if (!exchange) return wrong("--exchange: an exchange id is 32 hex digits");
  return std::optional(model::LogKey::of_exchange(*exchange));
}

bool has_key(const model::LogKey& key, const model::SourcedRecord& sourced,
             const model::AnyRecord& record) {
  if (key.kind == model::LogKey::Kind::kExchange) return sourced.exchange == key.exchange;
  const auto* request = std::get_if<model::RequestRecord>(&record);
  return request != nullptr && request->session == key.session;
}

// Reads only where the indexes say that the key may be.
int print_key(model::LogAccess& log, const model::LogKey& key, RecordFilter& filter, bool is_json) {
  const auto spans = log.find_key(key);
  if (!spans.ok()) return fail_with(spans.error());
  Status damage;
  std::uint64_t printed = 0;
  const auto read = model::read_spans(log, *spans, [&](const model::SourcedRecord& sourced) {
    if (sourced.kind == model::SourcedRecord::Kind::kHole) {
      print_record(sourced, nullptr, is_json);
      return true;
    }
    const auto record = model::decode(sourced.encoded);
    if (!record.ok()) {
      damage = record.error();
      return false;
    }
    if (has_key(key, sourced, *record) && filter.takes(sourced, *record)) {
      print_record(sourced, &*record, is_json);
      ++printed;
    }
    return !was_interrupted() && std::ferror(stdout) == 0;
  });
  for (const Status& status : {read, damage}) {
    if (!status.ok()) return fail_with(status.error());
  }
  if (printed == 0) complain("the log holds no such record (retention may have removed it)");
  return printed > 0 ? kDone : kNegativeResult;
}

}  // namespace

int log_cat(const Globals& globals, const LogRangeOptions& options) {
  catch_interrupts();
  const auto from = parse_bound(options.from, "--from");
  const auto to = parse_bound(options.to, "--to");
  auto filter = RecordFilter::create(options.filter);
  const auto key = key_of(options);
  for (const Status& status : {from.status(), to.status(), filter.status(), key.status()}) {
    if (!status.ok()) {
      complain(status.error().message);
      return kUsage;
    }
  }
  auto log = open_log_of(globals);
  if (!log.ok()) return fail_with(log.error());
  if (*key) return print_key(**log, **key, *filter, globals.is_json);
  model::Cursor start = options.follows ? (*log)->end() : (*log)->begin();
  if (from->wall_ns) {
    auto found = (*log)->find_time(*from->wall_ns);
    if (!found.ok()) return fail_with(found.error());
    start = *std::move(found);
  } else if (from->offset) {
    start.set("main", *from->offset);
  }
  auto source = (*log)->open_source(start, model::Fence::kWritten);
  if (!source.ok()) return fail_with(source.error());
  return print_range(**source, *to, *filter, options.follows, globals.is_json);
}

namespace {

Result<recorder::VerifyReport::Head> parse_anchor(const std::string& text) {
  const std::vector<std::string_view> parts = split(text, ':');
  recorder::VerifyReport::Head head;
  if (parts.size() == 3) {
    const auto end = parse_u64(parts[1]);
    const auto chain = bytes_of_hex(parts[2]);
    if (end && chain && chain->size() == 32) {
      return recorder::VerifyReport::Head{std::string(parts[0]), Offset{*end}, *chain};
    }
  }
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kInternal,
                    "--anchor: give a head as verify prints it, STREAM:OFFSET:HEX");
}

std::string shown_head(const recorder::VerifyReport::Head& head) {
  return head.stream + ":" + std::to_string(head.end.value) + ":" + hex_of_bytes(head.chain);
}

void print_chain(const recorder::VerifyReport& report) {
  for (const auto& head : report.heads) {
    std::printf("chain head %s%s\n", shown_head(head).c_str(),
                report.chained_batches == 0 ? " (not checked: its key was not given)" : "");
  }
  if (!report.heads.empty() && report.unchained_segments > 0) {
    std::printf("%llu segments are not chained: from before audit was on, or mended\n",
                static_cast<unsigned long long>(report.unchained_segments));
  }
  if (report.unread_batches > 0) {
    std::printf(
        "%llu encrypted batches were checked by their checksums only; give their keys by -c\n",
        static_cast<unsigned long long>(report.unread_batches));
  }
  if (report.broken_footers > 0) {
    std::printf("%llu broken footers, which the next start writes anew\n",
                static_cast<unsigned long long>(report.broken_footers));
  }
}

}  // namespace

int log_verify(const Globals& globals, const std::string& anchor) {
  const bool is_terminal = isatty(STDERR_FILENO) != 0;
  const Target target = target_of(globals);
  recorder::VerifyOptions options;
  options.keys = target.log_keys;
  if (!anchor.empty()) {
    auto head = parse_anchor(anchor);
    if (!head.ok()) {
      complain(head.error().message);
      return kUsage;
    }
    options.anchor = *std::move(head);
  }
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    if (!is_terminal) return;
    std::fprintf(stderr, "\r\033[Kverify %s of %s", format_size(done).c_str(),
                 format_size(total).c_str());
  };
  auto verified = recorder::verify_log(FileSystem::posix(), target.data_dir + "/log", options);
  if (is_terminal) std::fprintf(stderr, "\r\033[K");
  if (!verified.ok()) return fail_with(verified.error());
  const recorder::VerifyReport& report = *verified;
  if (globals.is_json) {
    std::string out;
    json::JsonWriter json(out);
    json.begin_object().member("schema", "banyan/log-verify/1");
    json.member("segments", report.segments).member("batches", report.batches);
    json.member("records", report.records).member("bytes", report.bytes);
    json.member("torn_tail_bytes", report.torn_tail_bytes);
    json.member("broken_footers", report.broken_footers);
    json.member("chained_batches", report.chained_batches);
    json.member("unchained_segments", report.unchained_segments);
    json.member("unread_batches", report.unread_batches).key("heads").begin_array();
    for (const auto& head : report.heads) json.string(shown_head(head));
    json.end_array().key("problems").begin_array();
    for (const auto& problem : report.problems) {
      json.begin_object().member("file", problem.file).member("position", problem.position);
      json.member("first", problem.first.value).member("end", problem.end.value);
      json.member("what", problem.what).end_object();
    }
    json.end_array().end_object();
    print_json_line(out);
  } else {
    for (const auto& problem : report.problems) {
      std::printf("%s: byte %llu, offsets %llu to %llu: %s\n", problem.file.c_str(),
                  static_cast<unsigned long long>(problem.position),
                  static_cast<unsigned long long>(problem.first.value),
                  static_cast<unsigned long long>(problem.end.value), problem.what.c_str());
    }
    std::printf("%llu segments, %llu records, %s: %zu problems%s\n",
                static_cast<unsigned long long>(report.segments),
                static_cast<unsigned long long>(report.records), format_size(report.bytes).c_str(),
                report.problems.size(),
                report.torn_tail_bytes > 0 ? ", a torn tail that the next start will cut" : "");
    print_chain(report);
  }
  return report.problems.empty() ? kDone : kDataDamaged;
}

int log_stat(const Globals& globals) {
  auto log = open_log_of(globals);
  if (!log.ok()) return fail_with(log.error());
  FileSystem& files = FileSystem::posix();
  const std::string directory = log_directory(globals);
  const model::Cursor begin = (*log)->begin();
  const model::Cursor end = (*log)->end();
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/log-stat/1").key("streams").begin_array();
  std::vector<std::vector<std::string>> rows = {{"STREAM", "FIRST", "END", "SEGMENTS", "BYTES"}};
  for (const model::Cursor::Place& place : end.places) {
    std::uint64_t segments = 0;
    std::uint64_t bytes = 0;
    const std::string folder = directory + "/" + place.stream;
    auto names = files.list(folder);
    if (!names.ok()) return fail_with(names.error());
    for (const std::string& name : *names) {
      if (name.size() < 4 || name.substr(name.size() - 4) != ".seg") continue;
      auto file = files.open(folder + "/" + name, FileSystem::Mode::kReadOnly);
      if (!file.ok()) return fail_with(file.error());
      ++segments;
      bytes += (*file)->size().ok() ? *(*file)->size() : 0;
    }
    const Offset first = begin.next_of(place.stream);
    json.begin_object().member("stream", place.stream).member("first", first.value);
    json.member("end", place.next.value).member("segments", segments).member("bytes", bytes);
    json.end_object();
    rows.push_back({place.stream, std::to_string(first.value), std::to_string(place.next.value),
                    std::to_string(segments), format_size(bytes)});
  }
  json.end_array().key("consumers").begin_array();
  std::vector<std::vector<std::string>> consumers = {{"CONSUMER", "NEXT", "BEHIND"}};
  for (const char* name : {"mirror", "comparator"}) {
    auto cursor = (*log)->load_cursor(name);
    if (!cursor.ok()) continue;
    std::uint64_t behind = 0;
    for (const model::Cursor::Place& place : end.places) {
      const Offset next = std::max(cursor->next_of(place.stream), begin.next_of(place.stream));
      behind += place.next.value - std::min(place.next.value, next.value);
    }
    json.begin_object().member("consumer", name).member("next", cursor->to_string());
    json.member("behind", behind).end_object();
    consumers.push_back({name, cursor->to_string(), std::to_string(behind)});
  }
  json.end_array().end_object();
  if (globals.is_json) {
    print_json_line(out);
  } else {
    print_table(rows);
    print_table(consumers);
  }
  return kDone;
}

}  // namespace banyan::app
