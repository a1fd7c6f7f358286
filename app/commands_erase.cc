// SPDX-License-Identifier: Apache-2.0
//
// `banyan log erase`: through the server where one runs, on the data directory where none does.
#include <cstdio>
#include <memory>
#include <string>

#include "app/commands.h"
#include "app/erasure.h"
#include "app/exit_codes.h"
#include "app/offline_log.h"
#include "config/config.h"
#include "core/crypto/key_ring.h"
#include "core/json/json_writer.h"
#include "recorder/recorder.h"

namespace banyan::app {
namespace {

constexpr std::int64_t kErasePatienceNs = 600'000'000'000;

// The report as the API gives it, for both ways.
void print(const Globals& globals, const std::string& report) {
  const auto parsed = json::parse(report);
  if (globals.is_json || !parsed.ok()) return print_json_line(report);
  const bool is_dry_run = parsed->bool_or("dry_run", false);
  std::printf("%s keys %s, of %s exchanges in the log", shown(*parsed, "keys").c_str(),
              is_dry_run ? "would be destroyed" : "destroyed", shown(*parsed, "exchanges").c_str());
  if (is_dry_run) {
    std::printf("; nothing was changed (--dry-run)\n");
  } else {
    std::printf("; %s findings showed some of it\n", shown(*parsed, "findings").c_str());
  }
}

int print_answer(const Globals& globals, const ApiAnswer& answer) {
  if (!answer.ok()) {
    const auto parsed = json::parse(answer.body);
    const json::Value* error = parsed.ok() ? parsed->find("error") : nullptr;
    complain(error != nullptr ? std::string(error->string_or("message", ""))
                              : "the server answered " + std::to_string(answer.status));
    if (answer.status == 400) return kUsage;
    return answer.status == 501 ? kRefusedByGuard : kNotReachable;
  }
  print(globals, answer.body);
  return kDone;
}

Result<admin::ErasureReport> erase_offline(const Target& target, bool has_sessions,
                                           const admin::ErasureRequest& request) {
  FileSystem& files = FileSystem::posix();
  Clock& clock = SystemClock::instance();
  // A server that cannot be reached still has the keys in memory.
  auto lock = lock_main_stream(files, target.data_dir);
  if (!lock.ok()) return lock.error();
  if (!files.exists(subjects_directory(target.data_dir))) return admin::ErasureReport{};
  auto log = recorder::open_log(files, target.data_dir + "/log", target.log_keys);
  if (!log.ok()) return log.error();
  auto ring = crypto::KeyRing::open_read_only(files, target.data_dir + "/keys", target.record_key);
  if (!ring.ok()) return ring.error();
  auto secret = (*ring)->subject_secret(false);
  if (!secret.ok()) return secret.error();
  auto keys = crypto::SubjectKeys::open(files, clock, subjects_directory(target.data_dir), *secret);
  if (!keys.ok()) return keys.error();
  std::unique_ptr<comparator::FindingsStore> findings;
  const std::string path = target.data_dir + "/findings.sqlite";
  if (files.exists(path)) {
    auto opened = comparator::FindingsStore::open(path, clock);
    if (!opened.ok()) return opened.error();
    findings = *std::move(opened);
  }
  return Erasure(**log, **keys, findings.get(), has_sessions).erase(request);
}

}  // namespace

int log_erase(const Globals& globals, const EraseOptions& options) {
  if (options.subject.empty() == options.session.empty()) {
    complain("log erase takes --subject VALUE or --session TOKEN");
    return kUsage;
  }
  const Target target = target_of(globals);
  admin::ErasureRequest request{options.subject, options.session, options.is_dry_run, by_whom()};
  if (globals.data_dir.empty() || !globals.admin_url.empty()) {
    std::string body;
    json::JsonWriter json(body);
    json.begin_object();
    if (!options.subject.empty()) json.member("subject", options.subject);
    if (!options.session.empty()) json.member("session", options.session);
    json.member("dry_run", options.is_dry_run).member("by", request.by).end_object();
    auto answer = ApiClient(target).request("POST", "/erasures", body, kErasePatienceNs);
    if (answer.ok()) return print_answer(globals, *answer);
    if (!globals.admin_url.empty()) return fail_with(answer.error());
  }
  // A wrong --session finds no key, so it needs no config here.
  const auto report = erase_offline(target, true, request);
  if (!report.ok()) return fail_with(report.error());
  print(globals, report->to_json());
  return kDone;
}

}  // namespace banyan::app
