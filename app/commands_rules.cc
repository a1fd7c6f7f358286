// SPDX-License-Identifier: Apache-2.0
//
// Rules: try one on recorded history, save it, list, remove.
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admin/rules_service.h"
#include "app/commands.h"
#include "app/exit_codes.h"
#include "app/offline_log.h"
#include "app/rule_book.h"
#include "comparator/findings.h"
#include "comparator/rule_options.h"
#include "comparator/rule_trial.h"
#include "config/config.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"

namespace banyan::app {
namespace {

constexpr std::int64_t kTrialPatienceNs = 120'000'000'000;

Error usage(std::string message) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kInternal, std::move(message));
}

Result<comparator::CompareRuleOptions> rule_of(const RuleCommandOptions& options) {
  comparator::CompareRuleOptions rule;
  rule.routes = options.routes;
  rule.ignore = options.ignore;
  for (const std::string& text : options.unordered) {
    rule.unordered.push_back(comparator::unordered_of(text));
  }
  for (const std::string& text : options.tolerance) {
    auto tolerance = comparator::tolerance_of(text);
    if (!tolerance.ok()) return tolerance.error();
    rule.tolerance.push_back(*std::move(tolerance));
  }
  for (const auto& [name, texts] : options.operations) {
    for (const std::string& text : texts) {
      auto operation = comparator::operation_of(name, text);
      if (!operation.ok()) return operation.error();
      rule.operations.push_back(*std::move(operation));
    }
  }
  rule.reason = options.reason;
  rule.owner = options.owner;
  if (!options.until.empty()) {
    const std::int64_t now = SystemClock::instance().wall_ns();
    const auto until = comparator::parse_expiry(options.until, now);
    if (!until) return usage("--until takes a date, an RFC 3339 time or a duration like 7d");
    if (*until <= now) return usage("--until lies in the past");
    rule.expires_wall_ns = *until;
  }
  if (comparator::texts_of(rule).empty()) {
    return usage(
        "name what the rule is about: --ignore PATH, --unordered \"PATH by KEY\", "
        "--tolerance PATH:absolute=NUMBER … (rules try --help)");
  }
  return rule;
}

// Of -c; nothing where there is no config (--data-dir alone). Problems were printed.
std::optional<comparator::ComparatorOptions> config_rules(const Globals& globals) {
  const std::string path = config_path_of(globals);
  if (path.empty()) return comparator::ComparatorOptions();
  config::LoadResult loaded = config::load_file(path, globals.overrides);
  if (loaded.ok()) return loaded.config.comparator;
  for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
    std::fprintf(stderr, "%s\n", diagnostic.to_text().c_str());
  }
  return std::nullopt;
}

// On the files of the data directory.
Result<comparator::TrialReport> try_offline(const Globals& globals,
                                            const RuleCommandOptions& options,
                                            const comparator::ComparatorOptions& present,
                                            comparator::CompareRuleOptions rule) {
  FileSystem& files = FileSystem::posix();
  Clock& clock = SystemClock::instance();
  const std::string data_dir = target_of(globals).data_dir;
  comparator::TrialOptions trial;
  trial.rule = std::move(rule);
  trial.present = present;
  const auto from = time_or(options.from, "--from", 0);
  if (!from.ok()) return from.error();
  const auto to = time_or(options.to, "--to", INT64_MAX);
  if (!to.ok()) return to.error();
  trial.from_wall_ns = *from;
  trial.to_wall_ns = *to;
  auto log = open_log_of(globals);
  if (!log.ok()) return log.error();
  std::unique_ptr<comparator::FindingsStore> findings;
  const std::string path = data_dir + "/findings.sqlite";
  if (files.exists(path)) {
    auto opened = comparator::FindingsStore::open_read_only(path, clock);
    if (!opened.ok()) return opened.error();
    findings = *std::move(opened);
    trial.endpoint_name = [&](std::string_view name) { return findings->endpoint_name(name); };
  }
  const bool is_terminal = isatty(STDERR_FILENO) != 0;
  auto report = comparator::try_rule(**log, clock, trial, [&](std::uint64_t exchanges) {
    if (!is_terminal) return;
    std::fprintf(stderr, "\r\033[Krules: %llu exchanges",
                 static_cast<unsigned long long>(exchanges));
  });
  if (is_terminal) std::fprintf(stderr, "\r\033[K");
  return report;
}

double number(const json::Value& object, std::string_view first, std::string_view second) {
  const json::Value* inner = object.find(first);
  return inner == nullptr ? 0 : inner->number_or(second, 0);
}

void print_findings(const json::Value& trial) {
  const json::Value* findings = trial.find("findings");
  if (findings == nullptr || findings->items.empty()) return;
  std::vector<std::vector<std::string>> rows = {
      {"FINDING", "ROUTE", "ENDPOINT", "PATH", "KIND", "CHANGE", "HIDDEN", "LEFT"}};
  for (const json::Value& one : findings->items) {
    rows.push_back({shown(one, "id"), shown(one, "route"), shown(one, "endpoint"),
                    shown(one, "path"), shown(one, "kind"), shown(one, "transition"),
                    shown(one, "hidden"),
                    one.bool_or("vanishes", false) ? "none" : shown(one, "left")});
  }
  print_table(rows);
}

void print_fields(const json::Value& trial) {
  const json::Value* fields = trial.find("fields");
  if (fields == nullptr) return;
  std::printf("fields it covers: %s that differed, %s that never did\n",
              shown(*fields, "differed").c_str(), shown(*fields, "never_differed").c_str());
  const json::Value* never = fields->find("never");
  if (never == nullptr) return;
  for (const json::Value& field : never->items) {
    std::printf("  never differed: %s, route %s, in %s pairs\n", shown(field, "path").c_str(),
                shown(field, "route").c_str(), shown(field, "pairs").c_str());
  }
  if (const double unread = fields->number_or("bodies_unread", 0); unread > 0) {
    std::printf("  %.0f equal bodies in chunks were not looked into\n", unread);
  }
}

void print_trial(const json::Value& trial) {
  std::printf("read %.0f exchanges, %.0f of them of the rule's routes%s\n",
              number(trial, "exchanges", "read"), number(trial, "exchanges", "in_routes"),
              trial.bool_or("complete", true) ? "" : " (time was up; name a range with --from)");
  if (number(trial, "differences", "hidden") == 0) {
    std::printf("it would hide nothing of what was recorded\n");
  } else {
    std::printf("it would hide %.0f differences in %.0f exchanges, of %.0f findings\n",
                number(trial, "differences", "hidden"), number(trial, "exchanges", "hidden"),
                trial.number_or("findings_hidden", 0));
  }
  if (const double appeared = number(trial, "differences", "appeared"); appeared > 0) {
    std::printf("and %.0f others would come in sight\n", appeared);
  }
  print_findings(trial);
  for (const char* verdict : {"equal", "tolerated", "different"}) {
    const double before = number(trial, "before", verdict);
    const double after = number(trial, "after", verdict);
    if (before != after) std::printf("%s: %.0f, then %.0f\n", verdict, before, after);
  }
  print_fields(trial);
  if (const json::Value* refusals = trial.find("refusals")) {
    for (const json::Value& refusal : refusals->items) {
      std::printf("too broad: %s\n", shown(refusal, "message").c_str());
    }
  }
}

void show_trial(const Globals& globals, const comparator::TrialReport& report) {
  const std::string text = report.to_json();
  if (globals.is_json) return print_json_line(text);
  if (const auto parsed = json::parse(text); parsed.ok()) print_trial(*parsed);
}

std::string request_of(const comparator::CompareRuleOptions& rule,
                       const RuleCommandOptions& options) {
  std::string body;
  json::JsonWriter json(body);
  json.begin_object().key("rule").begin_object();
  comparator::write_rule(json, rule);
  json.end_object();
  if (!options.from.empty()) json.member("from", options.from);
  if (!options.to.empty()) json.member("to", options.to);
  json.member("force", options.is_forced).member("by", by_whom()).end_object();
  return body;
}

int show_added(const Globals& globals, const ApiAnswer& answer) {
  const auto parsed = json::parse(answer.body);
  if (!parsed.ok()) {
    complain("the server answered " + std::to_string(answer.status));
    return kNotReachable;
  }
  if (!answer.ok()) {
    const json::Value* error = parsed->find("error");
    complain(error != nullptr ? std::string(error->string_or("message", "")) : answer.body);
    if (const json::Value* trial = parsed->find("trial")) {
      globals.is_json ? print_json_line(answer.body) : print_trial(*trial);
    }
    return answer.status == 409 ? kRefusedByGuard : answer.status < 500 ? kUsage : kNotReachable;
  }
  if (globals.is_json) {
    print_json_line(answer.body);
    return kDone;
  }
  if (const json::Value* trial = parsed->find("trial")) print_trial(*trial);
  if (const json::Value* rule = parsed->find("rule")) {
    std::printf("saved as %s, in force now\n", shown(*rule, "id").c_str());
  }
  return kDone;
}

// Nothing where no server answers, and the files may be used.
Result<std::optional<ApiAnswer>> ask(const Globals& globals, std::string_view method,
                                     const std::string& path, const std::string& body = {}) {
  if (!globals.data_dir.empty() && globals.admin_url.empty()) return std::optional<ApiAnswer>();
  auto answer = ApiClient(target_of(globals)).request(method, path, body, kTrialPatienceNs);
  if (answer.ok()) return std::optional<ApiAnswer>(*std::move(answer));
  if (!globals.admin_url.empty()) return answer.error();
  return std::optional<ApiAnswer>();
}

// The rules of a data directory that no server holds.
struct Offline {
  std::unique_ptr<FileLock> lock;
  std::unique_ptr<RuleBook> book;
};
Result<Offline> open_book(const Globals& globals, comparator::ComparatorOptions config) {
  FileSystem& files = FileSystem::posix();
  const std::string data_dir = target_of(globals).data_dir;
  Offline out;
  auto lock = lock_main_stream(files, data_dir);
  if (!lock.ok()) return lock.error();
  out.lock = *std::move(lock);
  auto book = RuleBook::open(files, data_dir, std::move(config));
  if (!book.ok()) return book.error();
  out.book = *std::move(book);
  return out;
}

int add_offline(const Globals& globals, const RuleCommandOptions& options,
                comparator::CompareRuleOptions rule) {
  const auto config = config_rules(globals);
  if (!config) return kConfigInvalid;
  auto offline = open_book(globals, *config);
  if (!offline.ok()) return fail_with(offline.error());
  const auto report = try_offline(globals, options, offline->book->in_force().all(), rule);
  if (!report.ok()) return fail_with(report.error());
  if (!globals.is_json) show_trial(globals, *report);
  if (report->is_refused() && !options.is_forced) {
    if (globals.is_json) show_trial(globals, *report);
    complain("the rule is too broad and was not saved; narrow it, or --force it");
    return kRefusedByGuard;
  }
  comparator::SavedRule saved;
  saved.rule = std::move(rule);
  saved.by = by_whom();
  saved.saved_wall_ns = SystemClock::instance().wall_ns();
  for (const auto& refusal : report->refusals) saved.forced.push_back(refusal.message);
  const auto added = offline->book->add(std::move(saved));
  if (!added.ok()) return fail_with(added.error());
  if (globals.is_json)
    print_json_line(admin::rule_to_json(*added, SystemClock::instance().wall_ns()));
  else
    std::printf("saved as %s, in force from the next start\n", added->rule.id.c_str());
  return kDone;
}

void print_rules(const json::Value& body) {
  if (const auto problem = body.string_or("problem", ""); !problem.empty()) {
    complain(std::string(problem));
  }
  const json::Value* rules = body.find("rules");
  if (rules == nullptr || rules->items.empty()) {
    std::printf("no rules\n");
    return;
  }
  std::vector<std::vector<std::string>> rows = {
      {"ID", "ROUTES", "RULE", "COVERED", "LAST", "EXPIRES", "OWNER", "BY", "REASON"}};
  for (const json::Value& one : rules->items) {
    std::string routes;
    if (const json::Value* globs = one.find("routes")) {
      for (const json::Value& glob : globs->items) {
        routes += (routes.empty() ? "" : ",") + escape_for_terminal(glob.text, 128);
      }
    }
    const json::Value* covered = one.find("covered");
    std::string expires = shown(one, "expires");
    if (one.bool_or("expired", false)) expires += " (expired)";
    std::string what;
    if (const auto rule = comparator::read_rule_part(one); rule.ok()) {
      for (const std::string& text : comparator::texts_of(*rule)) {
        what += (what.empty() ? "" : "; ") + escape_for_terminal(text, 512);
      }
    }
    rows.push_back({shown(one, "id"), routes.empty() ? "*" : routes, what,
                    covered == nullptr ? "" : shown(*covered, "differences"),
                    covered == nullptr ? "" : shown(*covered, "last"), expires, shown(one, "owner"),
                    shown(one, "by"), shown(one, "reason")});
  }
  print_table(rows);
}

}  // namespace

int rules_try(const Globals& globals, const RuleCommandOptions& options) {
  auto rule = rule_of(options);
  if (!rule.ok()) return fail_with(rule.error());
  const auto config = config_rules(globals);
  if (!config) return kConfigInvalid;
  auto saved = comparator::read_saved_rules(FileSystem::posix(), target_of(globals).data_dir);
  if (!saved.ok()) return fail_with(saved.error());
  const auto report =
      try_offline(globals, options, comparator::with_saved(*config, *saved), *std::move(rule));
  if (!report.ok()) return fail_with(report.error());
  show_trial(globals, *report);
  return report->is_refused() ? kRefusedByGuard : kDone;
}

int rules_add(const Globals& globals, const RuleCommandOptions& options) {
  auto rule = rule_of(options);
  if (!rule.ok()) return fail_with(rule.error());
  if (trim(rule->reason).empty()) return fail_with(usage("a rule that is saved needs --reason"));
  const auto answer = ask(globals, "POST", "/rules", request_of(*rule, options));
  if (!answer.ok()) return fail_with(answer.error());
  if (*answer) return show_added(globals, **answer);
  return add_offline(globals, options, *std::move(rule));
}

int rules_list(const Globals& globals) {
  const auto answer = ask(globals, "GET", "/rules");
  if (!answer.ok()) return fail_with(answer.error());
  std::string text;
  if (*answer) {
    text = (*answer)->body;
    if (!(*answer)->ok()) {
      complain("the server answered " + std::to_string((*answer)->status));
      return kNotReachable;
    }
  } else {
    const auto config = config_rules(globals);
    if (!config) return kConfigInvalid;
    auto saved = comparator::read_saved_rules(FileSystem::posix(), target_of(globals).data_dir);
    if (!saved.ok()) return fail_with(saved.error());
    const auto compiled =
        comparator::CompiledRules::compile(comparator::with_saved(*config, *saved));
    if (!compiled.ok()) return fail_with(compiled.error());
    text = admin::rules_to_json({*config, *std::move(saved), (*compiled)->version(), {}}, {}, 0,
                                SystemClock::instance().wall_ns());
  }
  if (globals.is_json) {
    print_json_line(text);
  } else if (const auto parsed = json::parse(text); parsed.ok()) {
    print_rules(*parsed);
  }
  return kDone;
}

int rules_remove(const Globals& globals, const std::string& id, const std::string& reason) {
  std::string body;
  json::JsonWriter json(body);
  json.begin_object().member("by", by_whom()).member("reason", reason).end_object();
  const auto answer = ask(globals, "DELETE", "/rules/" + url_encode(id), body);
  if (!answer.ok()) return fail_with(answer.error());
  if (*answer) {
    const ApiAnswer& given = **answer;
    if (!given.ok()) {
      const auto parsed = json::parse(given.body);
      const json::Value* error = parsed.ok() ? parsed->find("error") : nullptr;
      complain(error != nullptr ? std::string(error->string_or("message", "")) : given.body);
      return given.status == 409 ? kRefusedByGuard : given.status < 500 ? kUsage : kNotReachable;
    }
    globals.is_json ? print_json_line(given.body) : (void)std::printf("removed %s\n", id.c_str());
    return kDone;
  }
  const auto config = config_rules(globals);
  if (!config) return kConfigInvalid;
  auto offline = open_book(globals, *config);
  if (!offline.ok()) return fail_with(offline.error());
  const auto removed = offline->book->remove(id, by_whom());
  if (!removed.ok()) {
    return removed.error().code == ErrorCode::kNotFound ? fail_with(usage(removed.error().message))
                                                        : fail_with(removed.error());
  }
  std::printf("removed %s\n", id.c_str());
  return kDone;
}

int findings_accept_as_rule(const Globals& globals, const std::string& id,
                            const std::string& reason, const std::string& until, bool is_forced) {
  const ApiCall call = call_api(globals, "GET", "/findings/" + url_encode(id));
  if (!call.ok()) return call.exit_code;
  RuleCommandOptions options;
  options.routes = {std::string(call.body.string_or("route", ""))};
  const std::string path(call.body.string_or("path", ""));
  (call.body.string_or("kind", "") == "order" ? options.unordered : options.ignore) = {path};
  options.reason = reason;
  options.until = until;
  options.is_forced = is_forced;
  const int added = rules_add(globals, options);
  if (added != kDone) return added;
  return findings_set(globals, id, "accepted", reason, until);
}

}  // namespace banyan::app
