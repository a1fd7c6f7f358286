// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <deque>
#include <limits>
#include <optional>
#include <set>
#include <variant>

#include "core/base/bytes.h"
#include "ledger/checkpoint.h"
#include "ledger/ledger.h"

namespace banyan::ledger {
namespace {

constexpr std::uint32_t kFoldVersion = 1;
constexpr std::string_view kUnmatched = "unmatched";
constexpr std::string_view kOther = "_other";
constexpr std::size_t kSpareMax = 1024;

// How a copy ended, where that was known before its exchange was.
enum class EarlyCopy : std::uint8_t { kNone = 0, kShadow = 1, kSkip = 2 };

struct OpenEntry {
  std::uint32_t route = 0;
  MirrorDecision mirror = MirrorDecision::kOff;
  SkipReason skip = SkipReason::kNone;  // of REQUEST, or of an early SKIP
  EarlyCopy early = EarlyCopy::kNone;
  std::optional<Verdict> verdict;  // that came before the exchange closed
};

std::uint64_t& counter_of(Account::Compared& compared, Verdict verdict) {
  switch (verdict) {
    case Verdict::kEqual: return compared.equal;
    case Verdict::kTolerated: return compared.tolerated;
    case Verdict::kDifferent: return compared.different;
    case Verdict::kIncomparable: return compared.incomparable;
  }
  return compared.incomparable;
}

void count_skip(Account::Mirror& mirror, SkipReason reason) {
  ++(is_drop(reason) ? mirror.dropped : mirror.skipped)[reason];
}

void write_reasons(ByteWriter& out, const std::map<SkipReason, std::uint64_t>& reasons) {
  out.varint(reasons.size());
  for (const auto& [reason, count] : reasons) {
    out.u8(static_cast<std::uint8_t>(reason));
    out.varint(count);
  }
}

void read_reasons(ByteReader& in, std::map<SkipReason, std::uint64_t>& reasons) {
  const std::uint64_t count = in.varint();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const auto reason = static_cast<SkipReason>(in.u8());
    reasons[reason] = in.varint();
  }
}

// One list for writing and reading, so that the two cannot disagree.
template <typename Account_, typename Visit>
void for_each_counter(Account_& account, const Visit& visit) {
  visit(account.admitted);
  visit(account.open);
  visit(account.answered.legacy);
  visit(account.answered.candidate);
  visit(account.answered.banyan);
  visit(account.answered.aborted);
  visit(account.answered.unknown);
  visit(account.truncated);
  visit(account.mirror.off);
  visit(account.mirror.mirrored);
  visit(account.mirror.pending);
  visit(account.compared.equal);
  visit(account.compared.tolerated);
  visit(account.compared.different);
  visit(account.compared.incomparable);
  visit(account.compared.pending);
  visit(account.gaps);
}

}  // namespace

struct LedgerFold::Impl {
  struct Route {
    std::string name;
    Account account;
  };
  // An exchange whose RESPONSE a GAP named as lost, kept in case that only a CHUNK was.
  struct ClosedByGap {
    ExchangeId exchange;
    std::uint32_t route = 0;
  };

  std::size_t open_max = kOpenMax;
  std::int64_t since_wall_ns = 0;
  std::vector<Route> routes;
  std::map<std::string, std::uint32_t, std::less<>> route_index;
  std::uint32_t last_route = 0;  // the next record often is of the same
  using Open = std::unordered_map<ExchangeId, OpenEntry>;
  Open open;
  std::vector<Open::node_type> spare;  // places of closed exchanges, for the next ones
  std::deque<ClosedByGap> closed_by_gap;
  std::uint64_t gaps = 0;
  std::uint64_t ignored = 0;

  std::uint32_t route_of(std::string_view name) {
    if (name.empty()) name = kUnmatched;
    if (last_route < routes.size() && routes[last_route].name == name) return last_route;
    if (const auto found = route_index.find(name); found != route_index.end()) {
      last_route = found->second;
      return last_route;
    }
    if (routes.size() >= kRoutesMax && name != kOther) return route_of(kOther);
    const auto index = static_cast<std::uint32_t>(routes.size());
    routes.push_back(Route{std::string(name), {}});
    route_index.emplace(std::string(name), index);
    return index;
  }
  Account& account_of(std::string_view name) { return routes[route_of(name)].account; }

  // The copy's part of an exchange that leaves `open`.
  static void settle_copy(Account& account, const OpenEntry& entry) {
    if (entry.mirror == MirrorDecision::kOff) {
      ++account.mirror.off;
    } else if (entry.mirror == MirrorDecision::kSkipped || entry.early == EarlyCopy::kSkip) {
      count_skip(account.mirror, entry.skip);
    } else if (entry.early == EarlyCopy::kShadow) {
      ++account.mirror.mirrored;
      if (entry.verdict) {
        ++counter_of(account.compared, *entry.verdict);
      } else {
        ++account.compared.pending;
      }
    } else {
      ++account.mirror.pending;
    }
  }

  // Takes the exchange out of `open`; null where it is not there (lost REQUEST, or closed already).
  Account* close(ExchangeId exchange, std::uint32_t* route = nullptr) {
    const auto found = open.find(exchange);
    if (found == open.end()) return nullptr;
    Account& account = routes[found->second.route].account;
    if (route != nullptr) *route = found->second.route;
    --account.open;
    settle_copy(account, found->second);
    auto place = open.extract(found);
    if (spare.size() < kSpareMax) spare.push_back(std::move(place));
    return &account;
  }

  void apply(const model::RequestRecord& record) {
    if (open.contains(record.exchange)) {
      ++ignored;
      return;
    }
    OpenEntry entry;
    entry.route = route_of(record.route);
    entry.mirror = record.mirror;
    entry.skip = record.skip;
    Account& account = routes[entry.route].account;
    ++account.admitted;
    if (open.size() >= open_max) {
      ++account.answered.unknown;
      settle_copy(account, entry);
      return;
    }
    ++account.open;
    if (spare.empty()) {
      open.emplace(record.exchange, entry);
      return;
    }
    spare.back().key() = record.exchange;
    spare.back().mapped() = entry;
    open.insert(std::move(spare.back()));
    spare.pop_back();
  }

  static void count_answer(Account& account, const model::ResponseRecord& record) {
    if (record.delivery == Delivery::kClientLeft) {
      ++account.answered.aborted;
      return;
    }
    if (record.delivery == Delivery::kTruncated) ++account.truncated;
    ++(record.answer.system == System::kCandidate ? account.answered.candidate
                                                  : account.answered.legacy);
  }

  void apply(const model::ResponseRecord& record) {
    if (Account* account = close(record.exchange)) {
      count_answer(*account, record);
    } else if (Account* corrected = forget_gap(record.exchange)) {
      --corrected->answered.unknown;
      count_answer(*corrected, record);
    } else {
      ++ignored;
    }
  }

  void apply(const model::OutcomeRecord& record) {
    Account* account = close(record.exchange);
    if (account == nullptr) {
      account = forget_gap(record.exchange);
      if (account == nullptr) {
        ++ignored;
        return;
      }
      --account->answered.unknown;
    }
    switch (record.kind) {
      case OutcomeKind::kBanyan: ++account->answered.banyan; break;
      case OutcomeKind::kAborted: ++account->answered.aborted; break;
      case OutcomeKind::kUnknown: ++account->answered.unknown; break;
    }
  }

  Account* forget_gap(ExchangeId exchange) {
    const auto found =
        std::find_if(closed_by_gap.begin(), closed_by_gap.end(),
                     [&](const ClosedByGap& closed) { return closed.exchange == exchange; });
    if (found == closed_by_gap.end()) return nullptr;
    Account& account = routes[found->route].account;
    closed_by_gap.erase(found);
    return &account;
  }

  // An open exchange keeps how its copy ended until it closes. True if there was one.
  bool note_early(ExchangeId exchange, EarlyCopy copy, SkipReason reason) {
    const auto found = open.find(exchange);
    if (found == open.end()) return false;
    OpenEntry& entry = found->second;
    if (entry.mirror != MirrorDecision::kSelected || entry.early != EarlyCopy::kNone) {
      ++ignored;
      return true;
    }
    entry.early = copy;
    if (copy == EarlyCopy::kSkip) entry.skip = reason;
    return true;
  }

  void apply(const model::ShadowRecord& record) {
    if (!record.run.is_live()) return;
    if (note_early(record.exchange, EarlyCopy::kShadow, SkipReason::kNone)) return;
    Account& account = account_of(record.route);
    if (account.mirror.pending == 0) {
      ++ignored;
      return;
    }
    --account.mirror.pending;
    ++account.mirror.mirrored;
    ++account.compared.pending;
  }

  void apply(const model::SkipRecord& record) {
    if (!record.run.is_live()) return;
    if (note_early(record.exchange, EarlyCopy::kSkip, record.reason)) return;
    Account& account = account_of(record.route);
    if (account.mirror.pending == 0) {
      ++ignored;
      return;
    }
    --account.mirror.pending;
    count_skip(account.mirror, record.reason);
  }

  void apply(const model::VerdictRecord& record) {
    if (!record.run.is_live()) return;
    if (const auto found = open.find(record.exchange); found != open.end()) {
      if (found->second.early == EarlyCopy::kShadow) {
        found->second.verdict = record.verdict;
      } else {
        ++ignored;
      }
      return;
    }
    Account::Compared& compared = account_of(record.route).compared;
    std::uint64_t& replaced =
        record.has_previous ? counter_of(compared, record.previous) : compared.pending;
    if (replaced == 0) {
      ++ignored;
      return;
    }
    --replaced;
    ++counter_of(compared, record.verdict);
  }

  void apply(const model::GapRecord& record) {
    ++gaps;
    std::set<std::uint32_t> touched;
    for (const auto& part : record.parts) {
      const auto found = open.find(part.exchange);
      if (found == open.end()) continue;
      touched.insert(found->second.route);
      // The record that would close it is lost: it is not open any more, only nobody knows its end.
      if ((part.sides & (1U << static_cast<unsigned>(model::Side::kPrimary))) != 0) {
        close_by_gap(part.exchange);
      }
    }
    if (touched.empty()) touched.insert(route_of(kUnmatched));
    for (const std::uint32_t route : touched) ++routes[route].account.gaps;
  }

  void close_by_gap(ExchangeId exchange) {
    std::uint32_t route = 0;
    if (Account* account = close(exchange, &route)) {
      ++account->answered.unknown;
      if (closed_by_gap.size() >= kClosedByGapMax) closed_by_gap.pop_front();
      closed_by_gap.push_back(ClosedByGap{exchange, route});
    }
  }

  void apply_hole() {
    ++gaps;
    ++account_of(kUnmatched).gaps;
  }

  template <typename Record>
  void apply_sourced(const model::SourcedRecord& sourced, const Record& record) {
    if (sourced.kind == model::SourcedRecord::Kind::kHole) return apply_hole();
    if (since_wall_ns == 0) since_wall_ns = sourced.append_wall_ns;
    apply(record);
  }

  void apply(const model::ChunkRecord&) {}
  void apply(const model::RouteRecord&) {}
  void apply(const model::CheckpointRecord&) {}
};

LedgerFold::LedgerFold(std::size_t open_max) : impl_(std::make_unique<Impl>()) {
  impl_->open_max = open_max;
}
LedgerFold::~LedgerFold() = default;

bool LedgerFold::wants(model::RecordType type) {
  return type != model::RecordType::kChunk && type != model::RecordType::kRoute;
}

void LedgerFold::apply(const model::SourcedRecord& sourced, const model::AnyRecord& record) {
  std::visit([&](const auto& one) { impl_->apply_sourced(sourced, one); }, record);
}
void LedgerFold::apply(const model::SourcedRecord& sourced, const model::RequestRecord& record) {
  impl_->apply_sourced(sourced, record);
}
void LedgerFold::apply(const model::SourcedRecord& sourced, const model::ResponseRecord& record) {
  impl_->apply_sourced(sourced, record);
}
void LedgerFold::apply(const model::SourcedRecord& sourced, const model::ShadowRecord& record) {
  impl_->apply_sourced(sourced, record);
}
void LedgerFold::apply(const model::SourcedRecord& sourced, const model::VerdictRecord& record) {
  impl_->apply_sourced(sourced, record);
}

LedgerSnapshot LedgerFold::snapshot() const {
  LedgerSnapshot snapshot;
  snapshot.since_wall_ns = impl_->since_wall_ns;
  snapshot.ignored_records = impl_->ignored;
  for (const auto& route : impl_->routes) {
    snapshot.routes.emplace(route.name, route.account);
    snapshot.total.add(route.account);
  }
  snapshot.total.gaps = impl_->gaps;
  return snapshot;
}

std::vector<LedgerFold::Open> LedgerFold::open_exchanges() const {
  std::vector<Open> out;
  out.reserve(impl_->open.size());
  for (const auto& [exchange, entry] : impl_->open) {
    out.push_back(Open{exchange, impl_->routes[entry.route].name});
  }
  std::sort(out.begin(), out.end(),
            [](const Open& a, const Open& b) { return a.exchange < b.exchange; });
  return out;
}

void LedgerFold::serialise(std::string& out) const {
  ByteWriter writer(out);
  writer.u32(kFoldVersion);
  writer.i64(impl_->since_wall_ns);
  writer.varint(impl_->gaps);
  writer.varint(impl_->ignored);
  writer.varint(impl_->routes.size());
  for (const auto& route : impl_->routes) {
    writer.bytes(route.name);
    for_each_counter(route.account, [&](std::uint64_t value) { writer.varint(value); });
    write_reasons(writer, route.account.mirror.skipped);
    write_reasons(writer, route.account.mirror.dropped);
  }
  // In id order, so that equal folds have equal bytes.
  std::vector<ExchangeId> ids;
  ids.reserve(impl_->open.size());
  for (const auto& [exchange, entry] : impl_->open) ids.push_back(exchange);
  std::sort(ids.begin(), ids.end());
  writer.varint(ids.size());
  for (const ExchangeId exchange : ids) {
    const OpenEntry& entry = impl_->open.at(exchange);
    writer.u64(exchange.high);
    writer.u64(exchange.low);
    writer.varint(entry.route);
    writer.u8(static_cast<std::uint8_t>(entry.mirror));
    writer.u8(static_cast<std::uint8_t>(entry.skip));
    writer.u8(static_cast<std::uint8_t>(entry.early));
    writer.u8(entry.verdict ? static_cast<std::uint8_t>(*entry.verdict) + 1 : 0);
  }
  writer.varint(impl_->closed_by_gap.size());
  for (const auto& closed : impl_->closed_by_gap) {
    writer.u64(closed.exchange.high);
    writer.u64(closed.exchange.low);
    writer.varint(closed.route);
  }
}

namespace {

bool read_entry(ByteReader& in, std::size_t routes, ExchangeId& exchange, OpenEntry& entry) {
  exchange.high = in.u64();
  exchange.low = in.u64();
  const std::uint64_t route = in.varint();
  const std::uint8_t mirror = in.u8();
  entry.skip = static_cast<SkipReason>(in.u8());
  const std::uint8_t early = in.u8();
  const std::uint8_t verdict = in.u8();
  if (!in.ok() || route >= routes || mirror > 2 || early > 2 || verdict > 4) return false;
  entry.route = static_cast<std::uint32_t>(route);
  entry.mirror = static_cast<MirrorDecision>(mirror);
  entry.early = static_cast<EarlyCopy>(early);
  if (verdict > 0) entry.verdict = static_cast<Verdict>(verdict - 1);
  return true;
}

}  // namespace

Result<std::unique_ptr<LedgerFold>> LedgerFold::restore(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.u32() != kFoldVersion) return damaged_checkpoint("written by another version");
  auto fold = std::make_unique<LedgerFold>();
  Impl& impl = *fold->impl_;
  impl.since_wall_ns = in.i64();
  impl.gaps = in.varint();
  impl.ignored = in.varint();
  const std::uint64_t routes = in.varint();
  if (routes > kRoutesMax + 1) return damaged_checkpoint("too many routes");
  for (std::uint64_t i = 0; i < routes && in.ok(); ++i) {
    Impl::Route route;
    route.name = std::string(in.bytes());
    for_each_counter(route.account, [&](std::uint64_t& value) { value = in.varint(); });
    read_reasons(in, route.account.mirror.skipped);
    read_reasons(in, route.account.mirror.dropped);
    if (!impl.route_index.emplace(route.name, static_cast<std::uint32_t>(i)).second) {
      return damaged_checkpoint("a route stands twice");
    }
    impl.routes.push_back(std::move(route));
  }
  const std::uint64_t entries = in.varint();
  std::vector<std::uint64_t> open_of(impl.routes.size());
  for (std::uint64_t i = 0; i < entries && in.ok(); ++i) {
    ExchangeId exchange;
    OpenEntry entry;
    if (!read_entry(in, impl.routes.size(), exchange, entry))
      return damaged_checkpoint("an open exchange");
    if (impl.open.emplace(exchange, entry).second) ++open_of[entry.route];
  }
  for (std::size_t i = 0; i < open_of.size(); ++i) {
    if (impl.routes[i].account.open != open_of[i])
      return damaged_checkpoint("open exchanges do not add up");
  }
  const std::uint64_t closed = in.varint();
  if (closed > kClosedByGapMax) return damaged_checkpoint("too many exchanges closed by gaps");
  for (std::uint64_t i = 0; i < closed && in.ok(); ++i) {
    Impl::ClosedByGap one;
    one.exchange.high = in.u64();
    one.exchange.low = in.u64();
    const std::uint64_t route = in.varint();
    if (route >= impl.routes.size()) return damaged_checkpoint("a route that does not exist");
    one.route = static_cast<std::uint32_t>(route);
    impl.closed_by_gap.push_back(one);
  }
  if (!in.ok() || in.remaining() != 0)
    return damaged_checkpoint("cut short, or bytes behind its end");
  if (!fold->snapshot().is_balanced()) return damaged_checkpoint("its totals do not balance");
  return fold;
}

}  // namespace banyan::ledger
