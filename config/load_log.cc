// SPDX-License-Identifier: Apache-2.0
//
// [log]: sizes, times, and the keys of encryption at rest and of the audit chain.
#include <string>
#include <vector>

#include "config/loaders.h"
#include "config/secret_command.h"
#include "config/units.h"
#include "core/base/text.h"

namespace banyan::config {
namespace {

// "5%" of the disk, or a size.
void read_min_free(TableReader& table, recorder::RecorderOptions& out) {
  const Node* node = table.is_present() ? table.node().find("min_free") : nullptr;
  if (node == nullptr || node->kind != Node::Kind::kString || node->text.empty() ||
      node->text.back() != '%') {
    if (table.read_size("min_free", out.min_free_bytes, {0, 1024 * kTiB})) out.min_free_ratio = 0;
    return;
  }
  std::uint32_t share = 0;
  if (!table.read_percent("min_free", share)) return;
  if (share > 9000) {
    table.problems().error(*node, table.name_of_key("min_free") + " is at most 90%");
    return;
  }
  out.min_free_ratio = share / 10000.0;
  out.min_free_bytes = 0;
}

// The key in force, as the file or a command gives it. Errors say nothing about the value.
std::string read_key_in_force(TableReader& table) {
  std::string key;
  std::vector<std::string> command;
  const bool has_key = table.read("key", key);
  const bool has_command = table.read_strings("key_command", command);
  if (!has_command) return key;
  const Node& at = *table.node().find("key_command");
  if (has_key) {
    table.problems().error(at, "log.key and log.key_command exclude each other");
    return key;
  }
  if (command.empty()) {
    table.problems().error(at, "log.key_command names a program and its arguments",
                           "key_command = [\"/usr/local/bin/fetch-key\", \"banyan\"]");
    return key;
  }
  auto output = output_of_command(command);
  if (!output.ok()) table.problems().error(at, "log.key_command: " + output.error().message);
  return output.ok() ? *std::move(output) : key;
}

void read_keys(TableReader& table, recorder::RecorderOptions& log) {
  std::vector<std::string> secrets;
  if (const std::string key = read_key_in_force(table); !key.empty()) secrets.push_back(key);
  const bool has_key = !secrets.empty();
  std::vector<std::string> old_keys;
  table.read_strings("old_keys", old_keys);
  secrets.insert(secrets.end(), old_keys.begin(), old_keys.end());
  table.read("encryption", log.encrypts);
  table.read("audit", log.chains);
  for (const char* wanted : {"encryption", "audit"}) {
    if (!(std::string_view(wanted) == "audit" ? log.chains : log.encrypts) || has_key) continue;
    table.problems().error(*table.node().find(wanted),
                           "log." + std::string(wanted) + " needs log.key or log.key_command",
                           "key = \"${file:/etc/banyan/log.key}\", made by: openssl rand -hex 32");
  }
  const bool is_old_wrong = !recorder::LogKeys::create(old_keys).ok();
  auto keys = recorder::LogKeys::create(secrets);
  if (keys.ok()) {
    log.keys = *std::move(keys);
    return;
  }
  const char* name = is_old_wrong                          ? "old_keys"
                     : table.node().find("key") != nullptr ? "key"
                                                           : "key_command";
  table.problems().error(*table.node().find(name),
                         "log." + std::string(name) + ": " + keys.error().message);
}

}  // namespace

void load_log(TableReader& root, Config& config) {
  TableReader table = root.table("log");
  recorder::RecorderOptions& log = config.recorder;
  table.read_size("segment_size", log.segment_bytes, {kMiB, 1024 * 1024 * kKiB * 4});
  TableReader retention = table.table("retention");
  retention.read_duration("age", log.retention_age_ns, {60 * kSecond, 36'500 * kDay});
  retention.read_size("size", log.retention_bytes, {16 * kMiB, 1024 * kTiB});
  read_min_free(retention, log);
  retention.finish();
  if (log.retention_bytes < log.segment_bytes * 2) {
    const Node* at = retention.is_present() ? retention.node().find("size") : nullptr;
    if (at == nullptr && table.is_present()) at = table.node().find("segment_size");
    table.problems().error(
        at != nullptr ? *at : Node(),
        "log.retention.size must hold at least two segments (log.segment_size is " +
            format_size(log.segment_bytes) + ")");
  }
  table.read_size("inline_body", config.proxy.limits.inline_body_max, {0, 16 * kMiB});
  table.read_duration("wait", config.proxy.durable_wait_ns, {kMillisecond, 60 * kSecond});
  table.read_duration("flush_interval", log.flush_interval_ns, {kMillisecond, 10 * kSecond});
  if (const auto kind = table.read_name("compression", {"none", "lz4", "zstd"})) {
    log.compression = static_cast<recorder::RecorderOptions::Compression>(*kind);
  }
  read_keys(table, log);
  table.finish();
}

}  // namespace banyan::config
