// SPDX-License-Identifier: Apache-2.0
//
// The account of every exchange: a checkpointed fold over the log, never a set of bare counters.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/file_system.h"
#include "core/model/record_io.h"

namespace banyan::ledger {

struct Account {
  std::uint64_t admitted = 0, open = 0;
  struct Answered {
    std::uint64_t legacy = 0, candidate = 0, banyan = 0, aborted = 0, unknown = 0;
  } answered;
  std::uint64_t truncated = 0;
  struct Mirror {
    std::uint64_t off = 0, mirrored = 0, pending = 0;
    std::map<SkipReason, std::uint64_t> skipped, dropped;
  } mirror;
  struct Compared {
    std::uint64_t equal = 0, tolerated = 0, different = 0, incomparable = 0, pending = 0;
  } compared;
  std::uint64_t gaps = 0;

  // The contract's identities: admitted = open + Σ answered = open + Σ mirror; mirrored = Σ
  // compared.
  bool is_balanced() const;
  void add(const Account& more);
};

struct LedgerSnapshot {
  std::int64_t since_wall_ns = 0;
  std::map<int, std::uint64_t> refused;  // by status, before admission
  std::map<std::string, Account> routes;
  // The sum over the routes, but for gaps: one that touches several routes counts once here.
  Account total;
  // Records that fit nothing the fold knows (their REQUEST was lost, or they came twice). They move
  // no account, so that it balances whatever was lost.
  std::uint64_t ignored_records = 0;
  bool is_balanced() const;
  // The contract's JSON object ("banyan/ledger/1").
  std::string to_json() const;
};

// The pure fold: feed records in stream order. Replay and reconcile runs (run != 0) do not move it.
// Memory grows with the open exchanges, not with pending copies: their records carry the route.
// One thread.
class LedgerFold {
 public:
  static constexpr std::size_t kOpenMax =
      4'000'000;  // past it an exchange counts as unknown at once
  static constexpr std::size_t kRoutesMax = 10'000;  // past it routes share the account "_other"
  static constexpr std::size_t kClosedByGapMax = 4096;

  explicit LedgerFold(std::size_t open_max = kOpenMax);
  ~LedgerFold();
  // True for the record types that can move an account; others need not be decoded.
  static bool wants(model::RecordType type);
  // `record` is not looked at where `sourced` is a hole. Of the four types the head is enough (see
  // model::decode_head()).
  void apply(const model::SourcedRecord& sourced, const model::AnyRecord& record);
  void apply(const model::SourcedRecord& sourced, const model::RequestRecord& record);
  void apply(const model::SourcedRecord& sourced, const model::ResponseRecord& record);
  void apply(const model::SourcedRecord& sourced, const model::ShadowRecord& record);
  void apply(const model::SourcedRecord& sourced, const model::VerdictRecord& record);
  LedgerSnapshot snapshot() const;
  // Exchanges without RESPONSE or OUTCOME, for recovery: those of an older epoch died with it.
  struct Open {
    ExchangeId exchange;
    std::string route;
  };
  std::vector<Open> open_exchanges() const;
  void serialise(std::string& out) const;
  static Result<std::unique_ptr<LedgerFold>> restore(std::string_view bytes);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Keeps a fold at the durable end of the log on its own thread, checkpoints it to
// data_dir/state/ledger, and answers from any thread.
class Ledger {
 public:
  // Loads the checkpoint (damaged or absent: folds the whole log, loudly) and catches up to the end
  // of the log before it returns.
  static Result<std::unique_ptr<Ledger>> open(FileSystem& files, Clock& clock,
                                              model::LogAccess& log,
                                              const std::string& state_directory,
                                              std::vector<std::string>& warnings);
  ~Ledger();
  void start();  // the following thread
  void stop();   // folds what is there, checkpoints, ends
  LedgerSnapshot snapshot() const;
  std::vector<LedgerFold::Open> open_exchanges() const;
  // Requests refused before admission; kept in the checkpoint. Any thread.
  void count_refused(int status);
  // How often the log could not be read or the checkpoint not be written.
  std::uint64_t failures() const;

 private:
  Ledger();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Offline: folds (from the checkpoint where there is one) without writing anything.
Result<LedgerSnapshot> read_ledger(FileSystem& files, model::LogAccess& log,
                                   const std::string& state_directory);

}  // namespace banyan::ledger
