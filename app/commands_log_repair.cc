// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <string>

#include "app/commands.h"
#include "app/exit_codes.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"
#include "recorder/repair.h"

namespace banyan::app {
namespace {

std::string json_of(const recorder::RepairReport& report, bool is_dry_run) {
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/log-repair/1").member("dry_run", is_dry_run);
  json.key("damaged").begin_array();
  for (const auto& range : report.ranges) {
    json.begin_object().member("file", range.file).member("position", range.position);
    json.member("end", range.end).end_object();
  }
  json.end_array().key("holes").begin_array();
  for (const auto& hole : report.holes) {
    json.begin_object().member("stream", hole.stream).member("first", hole.first.value);
    json.member("end", hole.end.value).end_object();
  }
  json.end_array().key("replaced").begin_array();
  for (const auto& replaced : report.replaced) {
    json.begin_object().member("file", replaced.file).member("kept_as", replaced.kept_as);
    json.member("records", replaced.records).end_object();
  }
  json.end_array().member("records_lost", report.records_lost).key("left").begin_array();
  for (const std::string& left : report.left) json.string(left);
  json.end_array().end_object();
  return out;
}

using Count = unsigned long long;

void print(const recorder::RepairReport& report, bool is_dry_run) {
  for (const auto& range : report.ranges) {
    std::printf("%s: bytes %llu to %llu are no valid records\n", range.file.c_str(),
                static_cast<Count>(range.position), static_cast<Count>(range.end));
  }
  for (const auto& hole : report.holes) {
    std::printf("stream %s: the records of offsets %llu to %llu are gone; a GAP %s it\n",
                hole.stream.c_str(), static_cast<Count>(hole.first.value),
                static_cast<Count>(hole.end.value), is_dry_run ? "will say" : "says");
  }
  for (const auto& replaced : report.replaced) {
    if (is_dry_run) {
      std::printf("%s: would be written anew with %llu valid records, and kept aside whole\n",
                  replaced.file.c_str(), static_cast<Count>(replaced.records));
    } else {
      std::printf("%s: written anew with %llu valid records; what it was: %s\n",
                  replaced.file.c_str(), static_cast<Count>(replaced.records),
                  replaced.kept_as.c_str());
    }
  }
  for (const std::string& left : report.left) std::printf("left: %s\n", left.c_str());
  if (!report.has_found()) {
    std::printf("no damage inside the log\n");
  } else {
    std::printf("%llu records lost%s\n", static_cast<Count>(report.records_lost),
                is_dry_run ? "; nothing was changed (--dry-run)" : "");
  }
}

}  // namespace

int log_repair(const Globals& globals, bool is_dry_run) {
  FileSystem& files = FileSystem::posix();
  const Target target = target_of(globals);
  const std::string directory = target.data_dir + "/log";
  // What is to be done is said before it is done, also where that then fails.
  auto found = recorder::repair_log(files, directory, target.log_keys, true);
  if (!found.ok()) return fail_with(found.error());
  const bool is_to_repair = !is_dry_run && found->has_found();
  if (is_to_repair) {
    if (!globals.is_json) {
      std::printf("to do:\n");
      print(*found, true);
      std::printf("\n");
      std::fflush(stdout);
    }
    found = recorder::repair_log(files, directory, target.log_keys, false);
    if (!found.ok()) return fail_with(found.error());
  }
  if (globals.is_json) {
    print_json_line(json_of(*found, is_dry_run));
  } else {
    print(*found, is_dry_run);
  }
  if (is_dry_run) return found->has_found() || !found->left.empty() ? kNegativeResult : kDone;
  return found->left.empty() ? kDone : kDataDamaged;
}

}  // namespace banyan::app
