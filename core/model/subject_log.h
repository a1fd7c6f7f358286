// SPDX-License-Identifier: Apache-2.0
//
// Between the log and who writes or reads it: a subject's records are sealed on the way in and
// opened on the way out, so that nobody else need know (docs/decisions/0025-erasure.md). What has
// no subject passes as it is.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/mutex.h"
#include "core/crypto/subject_keys.h"
#include "core/model/record_io.h"

namespace banyan::model {

// A record is durable once it and its key are. Threads as for the sink it stands before.
class SubjectSink final : public RecordSink {
 public:
  // `wake` is told when a key became durable or cannot be written, as the sink's own is of records.
  SubjectSink(std::unique_ptr<RecordSink> log, crypto::SubjectKeys& keys,
              std::function<void()> wake);
  Ticket append(std::string_view encoded) override;
  Ticket write(const Unwritten& record) override;
  bool is_written(Ticket ticket) const override { return log_->is_written(ticket); }
  bool is_durable(Ticket ticket) const override;
  void want_durable(Ticket ticket) override { log_->want_durable(ticket); }
  bool has_failed() const override { return log_->has_failed() || keys_.has_failed(); }

 private:
  // Records whose key is not durable yet, by their first ticket.
  struct Waiting {
    std::uint64_t ticket = 0;
    std::uint64_t sequence = 0;
  };
  Ticket seal(std::string_view open) REQUIRES(mutex_);

  const std::unique_ptr<RecordSink> log_;
  crypto::SubjectKeys& keys_;
  std::shared_ptr<void> listening_;
  mutable Mutex mutex_;
  std::string open_ GUARDED_BY(mutex_);
  std::string sealed_ GUARDED_BY(mutex_);
  mutable std::deque<Waiting> waiting_ GUARDED_BY(mutex_);
};

// Opens a record where its key is at hand; false where it stays as it is. `out` is room.
bool open_if_possible(std::string_view encoded, crypto::SubjectKeys& keys, bool takes_doomed,
                      std::string& out);

// Any thread, as the log it stands before.
class SubjectLog final : public ForwardingLog {
 public:
  // `takes_doomed`: also reads what an erasure has begun with.
  SubjectLog(LogAccess& log, crypto::SubjectKeys& keys, bool takes_doomed = false)
      : ForwardingLog(log), keys_(keys), takes_doomed_(takes_doomed) {}
  Result<std::unique_ptr<RecordSource>> open_source(const Cursor& from, Fence fence) override;
  // The index knows no session of a subject: then it is looked for everywhere.
  Result<std::vector<LogSpan>> find_key(const LogKey& key) const override;

 private:
  crypto::SubjectKeys& keys_;
  const bool takes_doomed_;
};

}  // namespace banyan::model
