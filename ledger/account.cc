// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.h"
#include "core/json/json_writer.h"
#include "ledger/ledger.h"

namespace banyan::ledger {
namespace {

std::uint64_t sum(const std::map<SkipReason, std::uint64_t>& reasons) {
  std::uint64_t total = 0;
  for (const auto& [reason, count] : reasons) total += count;
  return total;
}

void add_reasons(std::map<SkipReason, std::uint64_t>& to,
                 const std::map<SkipReason, std::uint64_t>& from) {
  for (const auto& [reason, count] : from) to[reason] += count;
}

void write_reasons(json::JsonWriter& json, std::string_view name,
                   const std::map<SkipReason, std::uint64_t>& reasons) {
  json.key(name).begin_object();
  for (const auto& [reason, count] : reasons) json.member(to_string(reason), count);
  json.end_object();
}

void write_account(json::JsonWriter& json, const Account& account) {
  json.begin_object();
  json.member("admitted", account.admitted).member("open", account.open);
  json.key("answered").begin_object();
  json.member("legacy", account.answered.legacy).member("candidate", account.answered.candidate);
  json.member("banyan", account.answered.banyan).member("aborted", account.answered.aborted);
  json.member("unknown", account.answered.unknown).end_object();
  json.member("truncated", account.truncated);
  json.key("mirror").begin_object();
  json.member("off", account.mirror.off).member("mirrored", account.mirror.mirrored);
  write_reasons(json, "skipped", account.mirror.skipped);
  write_reasons(json, "dropped", account.mirror.dropped);
  json.member("pending", account.mirror.pending).end_object();
  json.key("compared").begin_object();
  json.member("equal", account.compared.equal).member("tolerated", account.compared.tolerated);
  json.member("different", account.compared.different);
  json.member("incomparable", account.compared.incomparable);
  json.member("pending", account.compared.pending).end_object();
  json.member("gaps", account.gaps).member("balanced", account.is_balanced());
  json.end_object();
}

}  // namespace

bool Account::is_balanced() const {
  const std::uint64_t answered_sum =
      answered.legacy + answered.candidate + answered.banyan + answered.aborted + answered.unknown;
  const std::uint64_t mirror_sum =
      mirror.off + mirror.mirrored + mirror.pending + sum(mirror.skipped) + sum(mirror.dropped);
  const std::uint64_t compared_sum = compared.equal + compared.tolerated + compared.different +
                                     compared.incomparable + compared.pending;
  return admitted == open + answered_sum && admitted == open + mirror_sum &&
         mirror.mirrored == compared_sum;
}

void Account::add(const Account& more) {
  admitted += more.admitted;
  open += more.open;
  answered.legacy += more.answered.legacy;
  answered.candidate += more.answered.candidate;
  answered.banyan += more.answered.banyan;
  answered.aborted += more.answered.aborted;
  answered.unknown += more.answered.unknown;
  truncated += more.truncated;
  mirror.off += more.mirror.off;
  mirror.mirrored += more.mirror.mirrored;
  mirror.pending += more.mirror.pending;
  add_reasons(mirror.skipped, more.mirror.skipped);
  add_reasons(mirror.dropped, more.mirror.dropped);
  compared.equal += more.compared.equal;
  compared.tolerated += more.compared.tolerated;
  compared.different += more.compared.different;
  compared.incomparable += more.compared.incomparable;
  compared.pending += more.compared.pending;
  gaps += more.gaps;
}

bool LedgerSnapshot::is_balanced() const {
  if (!total.is_balanced()) return false;
  for (const auto& [name, account] : routes) {
    if (!account.is_balanced()) return false;
  }
  return true;
}

std::string LedgerSnapshot::to_json() const {
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/ledger/1");
  json.key("since");
  if (since_wall_ns > 0) {
    json.string(format_time(since_wall_ns));
  } else {
    json.null();
  }
  json.key("refused").begin_object();
  for (const auto& [status, count] : refused) json.member(std::to_string(status), count);
  json.end_object();
  json.key("routes").begin_object();
  for (const auto& [name, account] : routes) {
    json.key(name);
    write_account(json, account);
  }
  json.end_object();
  json.key("total");
  write_account(json, total);
  json.member("ignored_records", ignored_records).member("balanced", is_balanced());
  json.end_object();
  return out;
}

}  // namespace banyan::ledger
