// SPDX-License-Identifier: Apache-2.0
//
// One function per verb; each answers an exit code. cli.cc fills the options.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/globals.h"
#include "core/json/json_writer.h"
#include "interchange/tally.h"

namespace banyan::app {

int check(const Globals& globals);
int init(const std::string& legacy_url, const std::string& candidate_url);
int version(bool is_json);

int status(const Globals& globals, bool is_watching);
// Prints every problem of a refused config with its place; kConfigInvalid, or kRefusedByGuard where
// all that is wrong is that a restart is needed.
int reload(const Globals& globals);

struct RouteSetOptions {
  std::string route;
  std::optional<double> candidate_percent, mirror_percent;
  std::optional<std::string> mirror_writes;
  std::string reason;
  bool is_forced = false;
};
int route_list(const Globals& globals);
int route_show(const Globals& globals, const std::string& route);
int route_set(const Globals& globals, const RouteSetOptions& options);
// `route` "" = all.
int route_rollback(const Globals& globals, const std::string& route, const std::string& reason,
                   bool cuts);
int route_reset(const Globals& globals, const std::string& route, const std::string& reason);
int route_history(const Globals& globals, const std::string& route);
int route_explain(const Globals& globals, const std::string& method, const std::string& url,
                  const std::vector<std::string>& headers);
int mirror_switch(const Globals& globals, bool pauses);

int findings_list(const Globals& globals, const std::string& route, const std::string& state,
                  bool shows_all);
int findings_show(const Globals& globals, const std::string& id);
int findings_set(const Globals& globals, const std::string& id, const std::string& state,
                 const std::string& reason, const std::string& until);
// The finding's path at its route as a saved rule, and the finding accepted.
int findings_accept_as_rule(const Globals& globals, const std::string& id,
                            const std::string& reason, const std::string& until, bool is_forced);
int exchange_show(const Globals& globals, const std::string& id);

int ledger(const Globals& globals);

struct ReportOptions {
  std::string format = "text";
  std::string output;
  std::string gate;  // "" no gate, "true" as configured, "ready" also readiness
};
int report(const Globals& globals, const ReportOptions& options);

struct LogRangeOptions {
  std::string from, to;  // a time, an offset, or ""
  std::string filter;
  bool follows = false;
  std::string exchange, session;  // records of that one only, found by the log's indexes
  std::string at, window;         // time travel
};
int log_cat(const Globals& globals, const LogRangeOptions& options);
// Of `log cat --at`: what was open then, and the routes in force.
int log_at(const Globals& globals, const LogRangeOptions& options);
int log_stat(const Globals& globals);
int log_verify(const Globals& globals, const std::string& anchor);
struct EraseOptions {
  std::string subject, session;  // one of the two
  bool is_dry_run = false;
};
int log_erase(const Globals& globals, const EraseOptions& options);
int log_repair(const Globals& globals, bool is_dry_run);

struct ExportOptions {
  std::string as;
  std::string output;  // "" and "-": standard output
  std::string from, to, filter;
  std::string side = "both";  // or legacy, candidate
  std::string base_url;       // of curl commands
};
int log_export(const Globals& globals, const ExportOptions& options);

struct ImportOptions {
  std::string file;  // "-": standard input
  std::string as;    // "" = found out by looking
  std::string answered_by = "legacy";
  std::string route;  // "" = the configured one that matches
  bool keeps_going = false;
};
int log_import(const Globals& globals, const ImportOptions& options);

// What an export or import left out: lines on stderr, and the member "losses".
void print_losses(const interchange::Tally& losses);
void write_losses(json::JsonWriter& json, const interchange::Tally& losses);

int keys_list(const Globals& globals);
// Writes a new token key, for the next start of the server.
int keys_rotate(const Globals& globals);
// Wraps the keys by the [record] key of the config; `old_key_file` holds the one before, "" for
// none. The server must be stopped.
int keys_rewrap(const Globals& globals, const std::string& old_key_file, bool is_plain_wanted);

struct RuleCommandOptions {
  std::vector<std::string> routes, ignore, unordered, tolerance;
  std::map<std::string, std::vector<std::string>> operations;  // by the key of [[compare]]
  std::string reason, owner, until;
  std::string from, to;  // of the recorded exchanges it is tried on
  bool is_forced = false;
};
// Reads the data directory, beside a server as well; writes nothing.
int rules_try(const Globals& globals, const RuleCommandOptions& options);
// Through the server where one runs, in the data directory where none does.
int rules_add(const Globals& globals, const RuleCommandOptions& options);
int rules_list(const Globals& globals);
int rules_remove(const Globals& globals, const std::string& id, const std::string& reason);

struct CompareOptions {
  std::string from, to;
  bool is_dry_run = false;
};
int compare(const Globals& globals, const CompareOptions& options);

struct ReplayOptions {
  std::string to = "candidate";
  std::string from, to_time, filter, only = "all", speed = "1";
  std::size_t concurrency = 16;
  bool is_dry_run = false;
  std::string resume;
};
int replay(const Globals& globals, const ReplayOptions& options);
int reconcile(const Globals& globals, const std::string& route);

// True after a first Ctrl-C while a long verb runs.
bool was_interrupted();
void catch_interrupts();

}  // namespace banyan::app
