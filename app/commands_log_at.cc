// SPDX-License-Identifier: Apache-2.0
//
// `log cat --at`: time travel. Which exchanges were open at a time (or within a window behind it),
// which routes were in force, and what the log lost around then.
#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "admin/json_shapes.h"
#include "app/commands.h"
#include "app/exit_codes.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"
#include "core/model/record_io.h"

namespace banyan::app {
namespace {

// How long after its time a record may be appended on a busy machine.
constexpr std::int64_t kAppendDelayNs = 1'000'000'000;
// How far before the time reading begins at least; more where an index knows of longer exchanges.
constexpr std::int64_t kLookBackNsMin = 60'000'000'000;
constexpr std::int64_t kLookBackNsMax = 24LL * 3600 * 1'000'000'000;
// Exchanges that are held; what is past it is counted and said.
constexpr std::size_t kOpenMax = 1'000'000;

struct Window {
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
};

struct OpenExchange {
  ExchangeId id;
  std::int64_t started_ns = 0;
  std::optional<std::int64_t> ended_ns;
  std::string route, method, target, session;
  System primary = System::kLegacy;
  int status = 0;
};

struct RouteThen {
  std::string name, by, reason;
  std::int64_t at_ns = 0;
  model::Dials dials;
};

struct GapThen {
  std::int64_t first_ns = 0, last_ns = 0;
  std::uint64_t records = 0;
  std::string cause;
};

struct Moment {
  std::vector<OpenExchange> exchanges;
  std::vector<RouteThen> routes;
  std::vector<GapThen> gaps;
  std::uint64_t holes = 0;
  std::uint64_t left_out = 0;
};

Result<Window> parse_window(const LogRangeOptions& options) {
  const auto at = parse_time(options.at, SystemClock::instance().wall_ns());
  if (!at) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kInternal,
                      "--at: \"" + escape_for_terminal(options.at) +
                          "\" is no time (RFC 3339, 14:03 in UTC, or -15m)");
  }
  Window window{*at, *at};
  if (options.window.empty()) return window;
  const auto width = parse_duration_ns(options.window);
  if (!width) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kInternal,
                      "--window: \"" + escape_for_terminal(options.window) +
                          "\" is no duration; write 30s or 5m");
  }
  window.end_ns += *width;
  return window;
}

// Reads a stretch of the log and keeps the exchanges that touch the window.
class Collector {
 public:
  Collector(const Window& window, Moment& moment) : window_(window), moment_(moment) {}

  // Behind the window and what may have waited in a lane meanwhile, once nothing is open any more.
  bool is_done(std::int64_t append_wall_ns) const {
    return append_wall_ns > window_.end_ns + kAppendDelayNs && open_.empty();
  }

  void take(const model::AnyRecord& record) {
    if (const auto* request = std::get_if<model::RequestRecord>(&record)) {
      begin(*request);
    } else if (const auto* response = std::get_if<model::ResponseRecord>(&record)) {
      end(response->exchange, response->answer.ended.wall_ns, response->answer.status);
    } else if (const auto* outcome = std::get_if<model::OutcomeRecord>(&record)) {
      end(outcome->exchange, outcome->ended.wall_ns, outcome->status);
    }
  }

  // What is still open at the end of reading was open in the window.
  void finish() {
    for (auto& [id, exchange] : open_) moment_.exchanges.push_back(std::move(exchange));
    open_.clear();
    std::sort(moment_.exchanges.begin(), moment_.exchanges.end(),
              [](const OpenExchange& a, const OpenExchange& b) {
                return std::pair(a.started_ns, a.id) < std::pair(b.started_ns, b.id);
              });
  }

 private:
  void begin(const model::RequestRecord& request) {
    if (request.started.wall_ns > window_.end_ns) return;
    if (open_.size() + moment_.exchanges.size() >= kOpenMax) {
      ++moment_.left_out;
      return;
    }
    OpenExchange exchange;
    exchange.id = request.exchange;
    exchange.started_ns = request.started.wall_ns;
    exchange.route = std::string(request.route);
    exchange.method = std::string(request.method);
    exchange.target = std::string(request.target);
    exchange.session = std::string(request.session);
    exchange.primary = request.primary;
    open_.emplace(request.exchange, std::move(exchange));
  }

  void end(ExchangeId id, std::int64_t ended_ns, int status) {
    const auto found = open_.find(id);
    if (found == open_.end()) return;
    found->second.ended_ns = ended_ns;
    found->second.status = status;
    if (ended_ns >= window_.begin_ns) moment_.exchanges.push_back(std::move(found->second));
    open_.erase(found);
  }

  const Window window_;
  Moment& moment_;
  std::unordered_map<ExchangeId, OpenExchange> open_;
};

Status collect_exchanges(model::LogAccess& log, const Window& window, Moment& moment) {
  const std::int64_t look_back =
      std::clamp(log.longest_exchange_ns(window.begin_ns), kLookBackNsMin, kLookBackNsMax);
  auto from = log.find_time(window.begin_ns - look_back);
  if (!from.ok()) return from.error();
  auto source = log.open_source(*from, model::Fence::kWritten);
  if (!source.ok()) return source.error();
  Collector collector(window, moment);
  model::SourcedRecord sourced;
  while (!was_interrupted()) {
    const auto more = (*source)->next(sourced);
    if (!more.ok()) return more.error();
    if (!*more) break;
    if (sourced.kind == model::SourcedRecord::Kind::kHole) {
      ++moment.holes;
      continue;
    }
    if (collector.is_done(sourced.append_wall_ns)) break;
    if (sourced.append_wall_ns > window.end_ns + look_back) break;
    const auto record = model::decode(sourced.encoded);
    if (!record.ok()) return record.error();
    collector.take(*record);
  }
  collector.finish();
  return {};
}

// All ROUTE or all GAP records, wherever they are.
template <typename Record, typename Take>
Status for_each_rare(model::LogAccess& log, const model::LogKey& key, Take take) {
  const auto spans = log.find_key(key);
  if (!spans.ok()) return spans.error();
  return model::read_spans(log, *spans, [&](const model::SourcedRecord& sourced) {
    if (sourced.kind == model::SourcedRecord::Kind::kHole) return !was_interrupted();
    const bool is_wanted =
        sourced.type == (key.kind == model::LogKey::Kind::kRoutes ? model::RecordType::kRoute
                                                                  : model::RecordType::kGap);
    if (!is_wanted) return !was_interrupted();
    if (const auto record = model::decode(sourced.encoded); record.ok()) {
      if (const auto* rare = std::get_if<Record>(&*record)) take(*rare);
    }
    return !was_interrupted();
  });
}

Status collect_routes(model::LogAccess& log, const Window& window, Moment& moment) {
  std::map<std::string, RouteThen> routes;
  BANYAN_RETURN_IF_ERROR(for_each_rare<model::RouteRecord>(
      log, model::LogKey::routes(), [&](const model::RouteRecord& change) {
        RouteThen& route = routes[std::string(change.route)];
        if (change.at.wall_ns > window.begin_ns || change.at.wall_ns < route.at_ns) return;
        route = {std::string(change.route), std::string(change.by), std::string(change.reason),
                 change.at.wall_ns, change.after};
      }));
  for (auto& [name, route] : routes) {
    if (route.at_ns > 0) moment.routes.push_back(std::move(route));
  }
  return {};
}

Status collect_gaps(model::LogAccess& log, const Window& window, Moment& moment) {
  return for_each_rare<model::GapRecord>(
      log, model::LogKey::gaps(), [&](const model::GapRecord& gap) {
        const bool is_apart =
            gap.last.wall_ns < window.begin_ns || gap.first.wall_ns > window.end_ns;
        if (is_apart) return;
        moment.gaps.push_back(
            {gap.first.wall_ns, gap.last.wall_ns, gap.records_lost, std::string(gap.cause)});
      });
}

void print_json(const Window& window, const Moment& moment) {
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/log-at/1");
  json.member("at", format_time(window.begin_ns)).member("until", format_time(window.end_ns));
  json.key("routes").begin_array();
  for (const RouteThen& route : moment.routes) {
    json.begin_object().member("route", route.name);
    admin::write_dials(json, "dials", route.dials);
    json.member("since", format_time(route.at_ns)).member("by", route.by);
    json.member("reason", route.reason).end_object();
  }
  json.end_array().key("gaps").begin_array();
  for (const GapThen& gap : moment.gaps) {
    json.begin_object().member("first", format_time(gap.first_ns));
    json.member("last", format_time(gap.last_ns)).member("records_lost", gap.records);
    json.member("cause", gap.cause).end_object();
  }
  json.end_array().member("holes", moment.holes).member("left_out", moment.left_out);
  json.key("exchanges").begin_array();
  for (const OpenExchange& exchange : moment.exchanges) {
    json.begin_object().member("id", exchange.id.to_string());
    json.member("started", format_time(exchange.started_ns)).key("ended");
    if (exchange.ended_ns) {
      json.string(format_time(*exchange.ended_ns));
    } else {
      json.null();
    }
    json.member("route", exchange.route).member("method", exchange.method);
    json.member("target", exchange.target).member("session", exchange.session);
    json.member("primary", to_string(exchange.primary)).member("status", exchange.status);
    json.end_object();
  }
  json.end_array().end_object();
  print_json_line(out);
}

std::string percent(std::uint32_t share) {
  char text[16];
  std::snprintf(text, sizeof text, "%.2f", admin::percent_of_share(share));
  return text;
}

void print_text(const Window& window, const Moment& moment) {
  std::printf(
      "At %s%s\n\n", format_time(window.begin_ns).c_str(),
      window.end_ns > window.begin_ns ? (" until " + format_time(window.end_ns)).c_str() : "");
  std::vector<std::vector<std::string>> rows = {
      {"ROUTE", "CANDIDATE %", "MIRROR %", "WRITES", "SINCE", "BY", "REASON"}};
  for (const RouteThen& route : moment.routes) {
    rows.push_back({escape_for_terminal(route.name, 64), percent(route.dials.candidate_share),
                    percent(route.dials.mirror_share), route.dials.mirror_writes ? "yes" : "no",
                    format_time(route.at_ns), escape_for_terminal(route.by, 64),
                    escape_for_terminal(route.reason, 200)});
  }
  print_table(rows);
  rows = {{"\nEXCHANGE", "STARTED", "OPEN", "ROUTE", "PRIMARY", "STATUS", "REQUEST"}};
  for (const OpenExchange& exchange : moment.exchanges) {
    const std::string open = exchange.ended_ns
                                 ? format_duration_ns(*exchange.ended_ns - exchange.started_ns)
                                 : "not ended";
    rows.push_back({exchange.id.to_string(), format_time(exchange.started_ns), open,
                    escape_for_terminal(exchange.route, 64),
                    std::string(to_string(exchange.primary)),
                    exchange.status > 0 ? std::to_string(exchange.status) : "-",
                    escape_for_terminal(exchange.method, 32) + " " +
                        escape_for_terminal(exchange.target, 200)});
  }
  print_table(rows);
  std::printf("\n%zu exchanges\n", moment.exchanges.size());
  for (const GapThen& gap : moment.gaps) {
    std::printf("GAP from %s to %s: %llu records lost, %s\n", format_time(gap.first_ns).c_str(),
                format_time(gap.last_ns).c_str(), static_cast<unsigned long long>(gap.records),
                escape_for_terminal(gap.cause, 80).c_str());
  }
  if (moment.holes > 0) {
    std::printf("%llu parts of the log around then are missing; `banyan log cat` names them\n",
                static_cast<unsigned long long>(moment.holes));
  }
  if (moment.left_out > 0) {
    std::printf("%llu more exchanges than can be listed; choose a smaller window\n",
                static_cast<unsigned long long>(moment.left_out));
  }
}

}  // namespace

int log_at(const Globals& globals, const LogRangeOptions& options) {
  catch_interrupts();
  for (const std::string* other :
       {&options.from, &options.to, &options.filter, &options.exchange, &options.session}) {
    if (other->empty()) continue;
    complain("--at goes with --window alone");
    return kUsage;
  }
  const auto window = parse_window(options);
  if (!window.ok()) {
    complain(window.error().message);
    return kUsage;
  }
  auto log = open_log_of(globals);
  if (!log.ok()) return fail_with(log.error());
  Moment moment;
  for (const auto collect : {collect_exchanges, collect_routes, collect_gaps}) {
    if (const auto status = collect(**log, *window, moment); !status.ok()) {
      return fail_with(status.error());
    }
  }
  if (was_interrupted()) return kInterrupted;
  if (globals.is_json) {
    print_json(*window, moment);
  } else {
    print_text(*window, moment);
  }
  return kDone;
}

}  // namespace banyan::app
