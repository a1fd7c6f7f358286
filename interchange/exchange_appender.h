// SPDX-License-Identifier: Apache-2.0
//
// Puts imported exchanges into the log as records: REQUEST, CHUNKs where a body is large, and
// RESPONSE or OUTCOME. Secrets are redacted before the lane, as for live traffic. They are never
// mirrored: the mirror's decision is off. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/http/message.h"
#include "core/model/record_io.h"
#include "core/model/redaction.h"
#include "interchange/exchange.h"
#include "interchange/tally.h"

namespace banyan::interchange {

// What the configured routes say of a foreign exchange.
struct RouteFacts {
  std::string route;
  bool is_write = false;
};

struct AppendOptions {
  std::string format;  // for people: "har"
  std::uint64_t digest_seed = 0;
  std::size_t inline_bytes_max = 256 * 1024;  // of a body; larger ones go into CHUNKs
  System answered_by = System::kLegacy;       // in foreign files
  // The id of the key of whose data an exchange holds, "" for nobody; null: of none.
  std::function<std::string(const Exchange&, std::string_view session)> key_of;
};

class ExchangeAppender {
 public:
  static constexpr std::size_t kChunkBytesMax = 256 * 1024;
  // `next_id` gives ids that were never used; `route_of` is asked for foreign exchanges.
  ExchangeAppender(model::RecordSink& sink, const model::Redactor& redactor,
                   const AppendOptions& options, std::function<ExchangeId()> next_id,
                   std::function<RouteFacts(const Exchange&)> route_of);

  // kExhausted where the log takes no records; then some of the exchange may be missing.
  Status append(const Exchange& exchange);

  std::uint64_t exchanges() const { return exchanges_; }
  // Appended so far; the owner flushes the log before the lane is full.
  std::uint64_t bytes() const { return bytes_; }
  const Tally& losses() const { return losses_; }

 private:
  struct Common {
    ExchangeId id;
    std::string route;
    bool is_write = false;
    System primary = System::kLegacy;
    std::string session;
    std::string key;  // of its subject; "": it has none
  };
  std::string decision_of(const Exchange& exchange) const;
  std::string session_of(const Exchange& exchange) const;
  Status append_request(const Exchange& exchange, const Common& common);
  Status append_end(const Exchange& exchange, const Common& common);
  Status append_answer(const Exchange& exchange, const Common& common);
  Status append_chunks(const Common& common, model::Side side, std::string_view bytes,
                       std::uint32_t& sequence);
  Status append_request_chunks(const Exchange& exchange, const Common& common,
                               const Digest128& digest);
  model::Body body_of(const StoredBody& stored, bool in_chunks, bool is_answer) const;
  void take_redacted(const StoredBody& stored, const model::RedactedMessage& redacted,
                     model::Body& body) const;
  bool goes_in_chunks(const StoredBody& stored, bool has_trailers);
  template <typename Record>
  Status put(const Record& record);

  model::RecordSink& sink_;
  const model::Redactor& redactor_;
  const AppendOptions options_;
  const std::function<ExchangeId()> next_id_;
  const std::function<RouteFacts(const Exchange&)> route_of_;
  std::string scratch_;
  std::uint64_t exchanges_ = 0;
  std::uint64_t bytes_ = 0;
  Tally losses_;
};

}  // namespace banyan::interchange
