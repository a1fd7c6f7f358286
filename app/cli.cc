// SPDX-License-Identifier: Apache-2.0
//
// The verb tree. The only file that includes CLI11.
#include "app/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>

#include "app/commands.h"
#include "app/doctor.h"
#include "app/exit_codes.h"
#include "app/server.h"

namespace banyan::app {
namespace {

// Collects what was chosen; the verb runs after parsing.
struct Choice {
  Globals globals;
  std::function<int()> run;
};

CLI::App* verb(CLI::App& parent, const std::string& name, const std::string& help) {
  return parent.add_subcommand(name, help)->fallthrough();
}

void add_serve(CLI::App& app, Choice& choice) {
  auto* serve_verb = verb(app, "serve", "Run the proxy and every role in one process");
  auto roles = std::make_shared<std::string>("proxy,mirror,compare,admin");
  serve_verb->add_option("--roles", *roles, "Roles to run in this process")->capture_default_str();
  serve_verb->callback([&choice, roles] {
    choice.run = [&choice, roles]() -> int {
      auto parsed = Roles::parse(*roles);
      if (!parsed.ok()) {
        complain(parsed.error().message);
        return kUsage;
      }
      const Globals& globals = choice.globals;
      ConfigSource source;
      source.path = globals.config_path.empty() ? "banyan.toml" : globals.config_path;
      source.overrides = globals.overrides;
      if (!globals.data_dir.empty()) source.override_data_dir(globals.data_dir);
      config::LoadResult loaded = source.load();
      for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
        std::fprintf(stderr, "%s\n", diagnostic.to_text().c_str());
      }
      if (!loaded.ok()) return kConfigInvalid;
      return serve(std::move(source), std::move(loaded.config), *parsed);
    };
  });
}

void add_simple(CLI::App& app, Choice& choice) {
  verb(app, "check", "Load and check the config; bind nothing")->callback([&choice] {
    choice.run = [&choice] { return check(choice.globals); };
  });
  auto* init_verb = verb(app, "init", "Write a commented starter config, banyan.toml");
  auto urls = std::make_shared<std::pair<std::string, std::string>>();
  init_verb->add_option("--legacy", urls->first, "URL of the legacy system");
  init_verb->add_option("--candidate", urls->second, "URL of the candidate");
  init_verb->callback(
      [&choice, urls] { choice.run = [urls] { return init(urls->first, urls->second); }; });
  auto* status_verb = verb(app, "status", "One screen: routes, mirror, log, alarms");
  auto watches = std::make_shared<bool>(false);
  status_verb->add_flag("--watch", *watches, "Refresh every second");
  status_verb->callback([&choice, watches] {
    choice.run = [&choice, watches] { return status(choice.globals, *watches); };
  });
  verb(app, "reload", "Have the server read its config again, as a whole or not at all")
      ->callback([&choice] { choice.run = [&choice] { return reload(choice.globals); }; });
  verb(app, "ledger", "Totals per route; exits 1 if an identity does not hold")
      ->callback([&choice] { choice.run = [&choice] { return ledger(choice.globals); }; });
  verb(app, "doctor", "Check config, machine and systems; exits 1 where something fails")
      ->callback([&choice] { choice.run = [&choice] { return doctor(choice.globals); }; });
  verb(app, "version", "Print the version")->callback([&choice] {
    choice.run = [&choice] { return version(choice.globals.is_json); };
  });
  auto* exchange_verb = verb(app, "exchange", "Show one exchange with both answers and verdict");
  auto id = std::make_shared<std::string>();
  exchange_verb->add_option("id", *id, "Exchange id")->required();
  exchange_verb->callback(
      [&choice, id] { choice.run = [&choice, id] { return exchange_show(choice.globals, *id); }; });
}

void add_route(CLI::App& app, Choice& choice) {
  auto* route = verb(app, "route", "Show and move traffic")->require_subcommand(1);
  verb(*route, "list", "All routes with their dials")->callback([&choice] {
    choice.run = [&choice] { return route_list(choice.globals); };
  });

  struct Options {
    RouteSetOptions set;
    std::string candidate, name, reason, method, url;
    std::vector<std::string> headers;
    bool all = false, cut = false;
  };
  auto options = std::make_shared<Options>();
  auto* show = verb(*route, "show", "One route");
  show->add_option("route", options->name)->required();
  show->callback([&choice, options] {
    choice.run = [&choice, options] { return route_show(choice.globals, options->name); };
  });

  auto* set = verb(*route, "set", "Turn a dial");
  set->add_option("route", options->set.route)->required();
  set->add_option("--candidate-percent", options->set.candidate_percent,
                  "Share of sessions that the candidate answers")
      ->check(CLI::Range(0.0, 100.0));
  set->add_option("--mirror-percent", options->set.mirror_percent,
                  "Share of sessions that the other system also sees")
      ->check(CLI::Range(0.0, 100.0));
  set->add_option("--mirror-writes", options->set.mirror_writes, "Whether writes are mirrored")
      ->check(CLI::IsMember({"true", "false"}));
  set->add_option("--reason", options->set.reason, "Why; kept in the history");
  // For the guard that comes with ramps: until there is one, it has nothing to pass. Taken, so that
  // scripts may say it already, but not offered.
  set->add_flag("--force", options->set.is_forced)->group("");
  set->callback([&choice, options] {
    choice.run = [&choice, options] {
      const RouteSetOptions& wanted = options->set;
      if (!wanted.candidate_percent && !wanted.mirror_percent && !wanted.mirror_writes) {
        complain("nothing to set; give --candidate-percent, --mirror-percent or --mirror-writes");
        return static_cast<int>(kUsage);
      }
      return route_set(choice.globals, wanted);
    };
  });

  auto* rollback = verb(*route, "rollback", "Back to legacy, now; never asks");
  rollback->add_option("route", options->name, "Route; or --all");
  rollback->add_flag("--all", options->all, "Every route");
  rollback->add_option("--reason", options->reason, "Why; kept in the history");
  rollback->add_flag("--cut", options->cut, "Also end exchanges that the candidate is answering");
  rollback->callback([&choice, options] {
    choice.run = [&choice, options] {
      if (options->all == !options->name.empty()) {
        complain("route rollback takes a route or --all");
        return static_cast<int>(kUsage);
      }
      return route_rollback(choice.globals, options->name, options->reason, options->cut);
    };
  });

  auto* reset = verb(*route, "reset", "Back to the config's dials");
  reset->add_option("route", options->name)->required();
  reset->add_option("--reason", options->reason, "Why; kept in the history");
  reset->callback([&choice, options] {
    choice.run = [&choice, options] {
      return route_reset(choice.globals, options->name, options->reason);
    };
  });

  auto* history = verb(*route, "history", "Who changed what, when and why");
  history->add_option("route", options->name);
  history->callback([&choice, options] {
    choice.run = [&choice, options] { return route_history(choice.globals, options->name); };
  });

  auto* explain = verb(*route, "explain", "Which route and system a request would meet, and why");
  explain->add_option("method", options->method)->required();
  explain->add_option("url", options->url)->required();
  explain->add_option("-H,--header", options->headers, "Header as name:value");
  explain->callback([&choice, options] {
    choice.run = [&choice, options] {
      return route_explain(choice.globals, options->method, options->url, options->headers);
    };
  });

  auto* mirror = verb(app, "mirror", "Pause or resume copies")->require_subcommand(1);
  verb(*mirror, "pause", "Hold copies back; they wait in the log")->callback([&choice] {
    choice.run = [&choice] { return mirror_switch(choice.globals, true); };
  });
  verb(*mirror, "resume", "Go on")->callback([&choice] {
    choice.run = [&choice] { return mirror_switch(choice.globals, false); };
  });
}

void add_rules(CLI::App& app, Choice& choice) {
  auto* rules = verb(app, "rules", "What may differ: rules of the config, and saved ones")
                    ->require_subcommand(1);
  auto options = std::make_shared<RuleCommandOptions>();
  const auto add_rule = [&](CLI::App* one) {
    one->add_option("--route", options->routes, "Name or glob of routes; default all");
    one->add_option(
        "--ignore", options->ignore,
        "Path whose value may differ: body:$.a.b[].c, body:/a/b/@c, header:NAME, status");
    one->add_option("--unordered", options->unordered,
                    "List of any order: \"body:$.items by sku\"");
    one->add_option("--tolerance", options->tolerance,
                    "Numbers: body:$.total:absolute=0.005 or :relative=0.01");
    static constexpr std::pair<const char*, const char*> kOperations[] = {
        {"ignore_all", "Path that may differ in all, also in being there"},
        {"type", "Path of which only the JSON type counts"},
        {"presence", "Path of which only counts that it is there"},
        {"shape", "Path whose values look alike: UUID, time, integer, URL …"},
        {"coerce", "\"1\" and 1 are the same"},
        {"null_eq_absent", "null is as good as absent"},
        {"time", "Times close to each other: body:$.at:skew=5s"},
        {"unit", "The candidate's number is a multiple: body:$.price:factor=100"},
        {"parse_as", "Strings that hold JSON: body:$.payload:as=json (or base64json)"},
        {"rename", "Members that the candidate calls otherwise: body:$.items[]:cost=price"},
        {"enum_map", "Words that stand for others: body:$.state:0=off,1=on"},
        {"url", "URLs on another host: header:Location:old.example=new.example"}};
    for (const auto& [name, help] : kOperations) {
      std::string flag = std::string("--") + name;
      std::replace(flag.begin(), flag.end(), '_', '-');
      one->add_option(flag, options->operations[name], help);
    }
    one->add_option("--from", options->from, "Try it from this time on (RFC 3339 or -15m)");
    one->add_option("--to", options->to, "Try it up to this time");
  };
  auto* attempt = verb(*rules, "try", "What a rule would hide of recorded history; saves nothing");
  add_rule(attempt);
  attempt->callback([&choice, options] {
    choice.run = [&choice, options] { return rules_try(choice.globals, *options); };
  });
  auto* add = verb(*rules, "add", "Try a rule, and save it where it is not too broad");
  add_rule(add);
  add->add_option("--reason", options->reason, "Why")->required();
  add->add_option("--owner", options->owner, "Whom to ask about it");
  add->add_option("--until", options->until, "Date or duration (7d) after which it covers nothing");
  add->add_flag("--force", options->is_forced,
                "Save it although it is too broad; that is recorded");
  add->callback([&choice, options] {
    choice.run = [&choice, options] { return rules_add(choice.globals, *options); };
  });
  verb(*rules, "list", "Rules in force, and what each covered")->callback([&choice] {
    choice.run = [&choice] { return rules_list(choice.globals); };
  });
  auto* remove = verb(*rules, "remove", "A saved rule");
  auto removal = std::make_shared<std::pair<std::string, std::string>>();
  remove->add_option("id", removal->first, "As list shows it")->required();
  remove->add_option("--reason", removal->second, "Why");
  remove->callback([&choice, removal] {
    choice.run = [&choice, removal] {
      return rules_remove(choice.globals, removal->first, removal->second);
    };
  });
}

void add_findings(CLI::App& app, Choice& choice) {
  auto* findings = verb(app, "findings", "Review what differs")->require_subcommand(1);
  struct Options {
    std::string id, route, state, reason, until;
    bool is_rule = false, is_forced = false, is_all = false;
  };
  auto options = std::make_shared<Options>();
  auto* list = verb(*findings, "list", "Issues, and findings that are alone");
  list->add_option("--route", options->route);
  list->add_option("--state", options->state)->check(CLI::IsMember({"open", "accepted", "bug"}));
  list->add_flag("--all", options->is_all, "Also those that are noise");
  list->callback([&choice, options] {
    choice.run = [&choice, options] {
      return findings_list(choice.globals, options->route, options->state, options->is_all);
    };
  });
  auto* show = verb(*findings, "show", "One finding with examples, or an issue with its findings");
  show->add_option("id", options->id)->required();
  show->callback([&choice, options] {
    choice.run = [&choice, options] { return findings_show(choice.globals, options->id); };
  });
  const auto add_state = [&](const char* name, const char* state, const char* help,
                             bool needs_reason) {
    auto* change = verb(*findings, name, help);
    change->add_option("id", options->id)->required();
    auto* reason = change->add_option("--reason", options->reason, "Why");
    if (needs_reason) {
      reason->required();
      change->add_option("--until", options->until, "Open again after this date");
      change->add_flag("--as-rule", options->is_rule,
                       "Save a rule for its path and route as well, once tried");
      change->add_flag("--force", options->is_forced, "With --as-rule: also where it is too broad");
    }
    change->callback([&choice, options, state] {
      choice.run = [&choice, options, state] {
        if (options->is_rule) {
          return findings_accept_as_rule(choice.globals, options->id, options->reason,
                                         options->until, options->is_forced);
        }
        return findings_set(choice.globals, options->id, state, options->reason, options->until);
      };
    });
  };
  add_state("accept", "accepted", "This difference is as it should be", true);
  add_state("bug", "bug", "This difference is a defect of the candidate", false);
  add_state("reopen", "open", "Look at it again", false);
}

void add_reports(CLI::App& app, Choice& choice) {
  auto* report_verb = verb(app, "report", "What the migration looks like, for a person or a gate");
  auto options = std::make_shared<ReportOptions>();
  report_verb->add_option("--format", options->format)
      ->check(CLI::IsMember({"text", "json", "html", "markdown", "junit"}))
      ->capture_default_str();
  report_verb->add_option("-o,--output", options->output, "File; default stdout");
  report_verb->add_flag("--gate", options->gate,
                        "Exit 1 while a finding is open or the ledger does not balance; "
                        "--gate=ready: also while a route is not ready");
  report_verb->callback([&choice, options] {
    choice.run = [&choice, options] {
      if (choice.globals.is_json) options->format = "json";
      return report(choice.globals, *options);
    };
  });

  auto* compare_verb =
      verb(app, "compare", "Compare recorded history again with the present rules");
  auto range = std::make_shared<CompareOptions>();
  compare_verb->add_option("--from", range->from, "Time (RFC 3339 or -15m) or cursor");
  compare_verb->add_option("--to", range->to, "Time");
  compare_verb->add_flag("--dry-run", range->is_dry_run, "Count only; write no verdicts");
  compare_verb->callback([&choice, range] {
    choice.run = [&choice, range] { return compare(choice.globals, *range); };
  });
}

void add_interchange(CLI::App& log, Choice& choice) {
  auto* export_verb = verb(log, "export", "Write exchanges in a format that others read");
  auto exporting = std::make_shared<ExportOptions>();
  export_verb->add_option("--as", exporting->as, "har, curl, ndjson or gor")
      ->check(CLI::IsMember({"har", "curl", "ndjson", "gor"}))
      ->required();
  export_verb->add_option("-o,--output", exporting->output, "File (default: standard output)");
  export_verb->add_option("--from", exporting->from, "Time (RFC 3339 or -15m) or offset");
  export_verb->add_option("--to", exporting->to, "Time or offset, not included");
  export_verb->add_option("--filter", exporting->filter,
                          "route:R method:M path:GLOB status:N kind:read|write id:EXCHANGE");
  export_verb->add_option("--side", exporting->side, "Whose answers")
      ->check(CLI::IsMember({"both", "legacy", "candidate"}))
      ->capture_default_str();
  export_verb->add_option("--base-url", exporting->base_url,
                          "Of curl commands, in the place of the recorded host");
  export_verb->callback([&choice, exporting] {
    choice.run = [&choice, exporting] { return log_export(choice.globals, *exporting); };
  });
  auto* import_verb = verb(log, "import", "Append exchanges of a file to the log");
  auto importing = std::make_shared<ImportOptions>();
  import_verb->add_option("file", importing->file, "File, or - for standard input")->required();
  import_verb
      ->add_option("--as", importing->as, "har, ndjson, gor or capture (default: by looking)")
      ->check(CLI::IsMember({"har", "ndjson", "gor", "capture"}));
  import_verb
      ->add_option("--answered-by", importing->answered_by,
                   "Which system gave the answers of a foreign file")
      ->check(CLI::IsMember({"legacy", "candidate"}))
      ->capture_default_str();
  import_verb->add_option("--route", importing->route,
                          "Route of a foreign file's exchanges (default: by the config)");
  import_verb->add_flag("--keep-going", importing->keeps_going,
                        "Skip and count what is malformed, rather than stop");
  import_verb->callback([&choice, importing] {
    choice.run = [&choice, importing] { return log_import(choice.globals, *importing); };
  });
}

void add_keys(CLI::App& app, Choice& choice) {
  auto* keys = verb(app, "keys", "Keys of the data directory")->require_subcommand(1);
  verb(*keys, "list", "What lies in data_dir/keys")->callback([&choice] {
    choice.run = [&choice] { return keys_list(choice.globals); };
  });
  verb(*keys, "rotate", "Write a new token key, for the next start of the server")
      ->callback([&choice] { choice.run = [&choice] { return keys_rotate(choice.globals); }; });
  auto* rewrap =
      verb(*keys, "rewrap", "Wrap the keys by the config's [record] key; server stopped");
  auto old_key_file = std::make_shared<std::string>();
  auto is_plain = std::make_shared<bool>(false);
  rewrap->add_option("--old-key-file", *old_key_file, "Holds the key that wraps them now");
  rewrap->add_flag("--plain", *is_plain, "Unwrap: the config has no [record] key any more");
  rewrap->callback([&choice, old_key_file, is_plain] {
    choice.run = [&choice, old_key_file, is_plain] {
      return keys_rewrap(choice.globals, *old_key_file, *is_plain);
    };
  });
}

void add_log(CLI::App& app, Choice& choice) {
  auto* log = verb(app, "log", "Read the log, export and import")->require_subcommand(1);
  add_interchange(*log, choice);
  auto options = std::make_shared<LogRangeOptions>();
  auto* cat = verb(*log, "cat", "Print records");
  cat->add_option("--from", options->from, "Time (RFC 3339 or -15m) or offset");
  cat->add_option("--to", options->to, "Time or offset, not included");
  cat->add_option("--filter", options->filter,
                  "route:R type:T id:EXCHANGE method:M path:GLOB status:N");
  cat->add_option("--exchange", options->exchange,
                  "Only the records of this exchange, by the index");
  cat->add_option("--session", options->session,
                  "Only the REQUESTs of this session (its keyed token), by the index");
  cat->add_option("--at", options->at,
                  "Time travel: the exchanges open at this time (RFC 3339, 14:03 or -15m), and the "
                  "routes in force");
  cat->add_option("--window", options->window, "With --at: open at some moment until so long after")
      ->needs("--at");
  cat->callback([&choice, options] {
    choice.run = [&choice, options] {
      return options->at.empty() ? log_cat(choice.globals, *options)
                                 : log_at(choice.globals, *options);
    };
  });
  auto* tail = verb(*log, "tail", "Print records as they come");
  tail->add_option("--filter", options->filter, "As for cat");
  tail->callback([&choice, options] {
    choice.run = [&choice, options] {
      options->follows = true;
      return log_cat(choice.globals, *options);
    };
  });
  verb(*log, "stat", "Streams, segments, sizes, consumers")->callback([&choice] {
    choice.run = [&choice] { return log_stat(choice.globals); };
  });
  auto* verify =
      verb(*log, "verify", "Check every byte, and the audit chain; exits 5 where damaged");
  auto anchor = std::make_shared<std::string>();
  verify->add_option(
      "--anchor", *anchor,
      "A head that verify printed earlier (STREAM:OFFSET:HEX): it must still be there");
  verify->callback([&choice, anchor] {
    choice.run = [&choice, anchor] { return log_verify(choice.globals, *anchor); };
  });
  auto* erase = verb(*log, "erase", "Destroy the keys of one subject's data ([record] subject)");
  auto erasing = std::make_shared<EraseOptions>();
  erase->add_option("--subject", erasing->subject, "The subject, as requests name it");
  erase->add_option("--session", erasing->session,
                    "The keyed token of a session, where sessions are the subjects");
  erase->add_flag("--dry-run", erasing->is_dry_run, "Count keys and exchanges; destroy nothing");
  erase->callback([&choice, erasing] {
    choice.run = [&choice, erasing] { return log_erase(choice.globals, *erasing); };
  });
  auto* repair = verb(*log, "repair",
                      "With the server stopped: damage becomes GAP records, what is valid is kept");
  auto is_dry_run = std::make_shared<bool>(false);
  repair->add_flag("--dry-run", *is_dry_run, "Say what would be done; exits 1 where there is any");
  repair->callback([&choice, is_dry_run] {
    choice.run = [&choice, is_dry_run] { return log_repair(choice.globals, *is_dry_run); };
  });
}

void add_replay(CLI::App& app, Choice& choice) {
  auto* replay_verb = verb(app, "replay", "Send recorded requests again");
  auto options = std::make_shared<ReplayOptions>();
  replay_verb->add_option("--to", options->to, "System to send to")
      ->check(CLI::IsMember({"legacy", "candidate"}))
      ->capture_default_str();
  replay_verb->add_option("--from", options->from, "Time or offset");
  replay_verb->add_option("--to-time", options->to_time, "Time");
  replay_verb->add_option("--filter", options->filter, "route:R method:M path:GLOB status:N");
  replay_verb->add_option("--only", options->only)
      ->check(CLI::IsMember({"all", "missed", "failed", "different"}))
      ->capture_default_str();
  replay_verb->add_option("--speed", options->speed, "Multiple of the recorded pace, or max")
      ->capture_default_str();
  replay_verb->add_option("--concurrency", options->concurrency)
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  replay_verb->add_flag("--dry-run", options->is_dry_run, "Count what would be sent");
  replay_verb->add_option("--resume", options->resume, "Go on with an interrupted run");
  replay_verb->callback([&choice, options] {
    choice.run = [&choice, options] { return replay(choice.globals, *options); };
  });
  auto* reconcile_verb = verb(app, "reconcile",
                              "Send the writes that the candidate missed or failed, in order, and "
                              "check again; exits 1 while anything remains");
  auto route = std::make_shared<std::string>();
  reconcile_verb->add_option("--route", *route);
  reconcile_verb->callback([&choice, route] {
    choice.run = [&choice, route] { return reconcile(choice.globals, *route); };
  });
}

}  // namespace

int run_cli(int argc, char** argv) {
  CLI::App app{
      "Banyan moves live traffic from a legacy system to its replacement.\n"
      "Start: banyan init, banyan check, banyan serve. Then: banyan status."};
  app.name("banyan");
  app.require_subcommand(1);
  Choice choice;
  app.add_option("-c,--config", choice.globals.config_path, "Config file (default banyan.toml)");
  app.add_option("--set", choice.globals.overrides, "KEY=VALUE over the config; may be repeated")
      ->take_all();
  app.add_option("--admin", choice.globals.admin_url, "URL of the server's admin API");
  app.add_option("--data-dir", choice.globals.data_dir, "Data directory");
  app.add_flag("--json", choice.globals.is_json, "Machine-readable output");
  add_serve(app, choice);
  add_simple(app, choice);
  add_route(app, choice);
  add_findings(app, choice);
  add_rules(app, choice);
  add_reports(app, choice);
  add_log(app, choice);
  add_keys(app, choice);
  add_replay(app, choice);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? static_cast<int>(kDone) : static_cast<int>(kUsage);
  }
  return choice.run ? choice.run() : static_cast<int>(kUsage);
}

}  // namespace banyan::app
