// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "admin/log_search.h"
#include "app/commands.h"
#include "app/exit_codes.h"
#include "app/export_file.h"
#include "app/log_bound.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"
#include "interchange/exchange_joiner.h"
#include "interchange/exchange_writer.h"
#include "replay/run_filter.h"

namespace banyan::app {
namespace {

using interchange::Exchange;
using interchange::Format;

// Written to the file when so much has gathered.
constexpr std::size_t kOutBytes = 1 << 20;
constexpr std::uint64_t kRecordsPerLook = 4096;

// Which exchanges are exported; an exchange is where its REQUEST is.
struct Range {
  std::int64_t from_wall_ns = INT64_MIN;
  std::int64_t to_wall_ns = INT64_MAX;
  std::optional<Offset> to_offset;  // of stream main

  bool is_before(const model::SourcedRecord& sourced) const {
    return sourced.append_wall_ns < from_wall_ns;
  }
  bool is_behind(const model::SourcedRecord& sourced) const {
    return sourced.append_wall_ns >= to_wall_ns ||
           (to_offset && sourced.stream == "main" && sourced.offset >= *to_offset);
  }
};

Result<Range> parse_range(const ExportOptions& options) {
  Range range;
  const std::int64_t now = SystemClock::instance().wall_ns();
  if (!parse_u64(options.from)) {
    if (const auto time = parse_time(options.from, now)) range.from_wall_ns = *time;
  }
  const auto to = parse_bound(options.to, "--to");
  if (!to.ok()) return to.error();
  range.to_offset = to->offset;
  range.to_wall_ns = to->wall_ns.value_or(INT64_MAX);
  return range;
}

interchange::Sides sides_of(const std::string& name) {
  if (name == "legacy") return interchange::Sides::kLegacy;
  return name == "candidate" ? interchange::Sides::kCandidate : interchange::Sides::kBoth;
}

class Export {
 public:
  Export(const Range& range, const replay::RunFilter& filter, interchange::Sides sides,
         interchange::ExchangeWriter& writer, ExportFile& file)
      : range_(range),
        filter_(filter),
        sides_(sides),
        writer_(writer),
        file_(file),
        joiner_(
            interchange::JoinOptions{},
            [this](const auto& sourced, const auto& request) { return takes(sourced, request); },
            [this](Exchange& exchange) { return put(exchange); }) {}

  Status run(model::RecordSource& source) {
    writer_.begin(out_);
    model::SourcedRecord sourced;
    for (std::uint64_t read = 1;; ++read) {
      if (was_interrupted()) {
        return make_error(ErrorCode::kCancelled, ErrorOrigin::kInternal,
                          "interrupted; nothing was kept");
      }
      auto more = source.next(sourced);
      if (!more.ok()) return more.error();
      if (!*more || file_.is_reader_gone()) break;
      // Of what lies behind the range only the ends of what began inside it are of interest.
      if (range_.is_behind(sourced) && joiner_.is_idle()) break;
      BANYAN_RETURN_IF_ERROR(joiner_.add(sourced));
      if (read % kRecordsPerLook == 0) show_progress();
    }
    BANYAN_RETURN_IF_ERROR(joiner_.finish());
    writer_.end(out_);
    BANYAN_RETURN_IF_ERROR(file_.write(out_));
    return file_.finish();
  }

  std::uint64_t written() const { return written_; }

  // What is not in the file, and why.
  interchange::Tally losses() const {
    interchange::Tally all = losses_;
    all.add(writer_.losses());
    const interchange::JoinCounts& counts = joiner_.counts();
    all.count("exchanges were given up: too many were open at once", counts.given_up);
    all.count("exchanges were written before their copy had ended: too many were waiting",
              counts.without_shadow);
    all.count("bodies are over 64 MiB and are left out", counts.bodies_left_out);
    all.count("exchanges have no end in the log (still open, or lost)", counts.unended);
    all.count("exchanges hold data of erased subjects and are left out", counts.erased);
    all.count("holes are in the log: exchanges may be missing", counts.holes);
    return all;
  }

 private:
  bool takes(const model::SourcedRecord& sourced, const model::RequestRecord& request) const {
    if (range_.is_before(sourced) || range_.is_behind(sourced)) return false;
    return filter_.takes_request(replay::FilterFacts{request.exchange, request.route,
                                                     request.method, request.target,
                                                     request.started.wall_ns, request.is_write});
  }

  Status put(Exchange& exchange) {
    const std::uint16_t status = exchange.answer ? exchange.answer->status : 0;
    if (!filter_.takes_status(status)) return {};
    interchange::choose_side(exchange, sides_, losses_);
    if (writer_.write(exchange, out_)) ++written_;
    if (out_.size() < kOutBytes) return {};
    const Status written = file_.write(out_);
    out_.clear();
    return written;
  }

  void show_progress() const {
    if (isatty(STDERR_FILENO) == 0) return;
    std::fprintf(stderr, "\r\033[Kexport: %llu exchanges, %s",
                 static_cast<unsigned long long>(written_), format_size(file_.bytes()).c_str());
  }

  const Range& range_;
  const replay::RunFilter& filter_;
  const interchange::Sides sides_;
  interchange::ExchangeWriter& writer_;
  ExportFile& file_;
  std::string out_;
  std::uint64_t written_ = 0;
  interchange::Tally losses_;
  interchange::ExchangeJoiner joiner_;
};

void tell(const Globals& globals, const ExportOptions& options, const Export& done) {
  const interchange::Tally losses = done.losses();
  std::fprintf(stderr, "banyan: exported %llu exchanges as %s\n",
               static_cast<unsigned long long>(done.written()), options.as.c_str());
  print_losses(losses);
  // Where standard output is not the export itself, it may say what was done.
  if (!globals.is_json || options.output.empty() || options.output == "-") return;
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/log-export/1").member("format", options.as);
  json.member("file", options.output).member("exchanges", done.written());
  write_losses(json, losses);
  json.end_object();
  print_json_line(out);
}

}  // namespace

void print_losses(const interchange::Tally& losses) {
  for (const auto& [what, count] : losses.entries()) {
    std::fprintf(stderr, "  %llu %s\n", static_cast<unsigned long long>(count), what.c_str());
  }
}

void write_losses(json::JsonWriter& json, const interchange::Tally& losses) {
  json.key("losses").begin_array();
  for (const auto& [what, count] : losses.entries()) {
    json.begin_object().member("count", count).member("what", what).end_object();
  }
  json.end_array();
}

int log_export(const Globals& globals, const ExportOptions& options) {
  catch_interrupts();
  Clock& clock = SystemClock::instance();
  const auto range = parse_range(options);
  const auto filter = replay::RunFilter::parse(options.filter, clock.wall_ns());
  for (const Status& status : {range.status(), filter.status()}) {
    if (!status.ok()) {
      complain(status.error().message);
      return kUsage;
    }
  }
  const interchange::WriterOptions writing{options.base_url, sides_of(options.side)};
  const auto writer = interchange::make_writer(*interchange::parse_format(options.as), writing);
  auto log = open_log_of(globals);
  if (!log.ok()) return fail_with(log.error());
  auto from = admin::parse_place(**log, clock, options.from);
  if (!from.ok()) {
    complain("--from: " + from.error().message);
    return kUsage;
  }
  auto source = (*log)->open_source(*from, model::Fence::kWritten);
  if (!source.ok()) return fail_with(source.error());
  auto file = ExportFile::open(FileSystem::posix(), options.output);
  if (!file.ok()) return fail_with(file.error());
  Export run(*range, *filter, writing.sides, *writer, **file);
  const Status done = run.run(**source);
  if (isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\033[K");
  if (!done.ok()) return fail_with(done.error());
  tell(globals, options, run);
  return kDone;
}

}  // namespace banyan::app
