// SPDX-License-Identifier: Apache-2.0
#include "core/model/subject_log.h"

#include <utility>

#include "core/model/subject_seal.h"

namespace banyan::model {
namespace {

class OpeningSource final : public RecordSource {
 public:
  OpeningSource(std::unique_ptr<RecordSource> source, crypto::SubjectKeys& keys, bool takes_doomed)
      : source_(std::move(source)), keys_(keys), takes_doomed_(takes_doomed) {}

  Result<bool> next(SourcedRecord& out) override {
    auto more = source_->next(out);
    if (more.ok() && *more && out.kind == SourcedRecord::Kind::kRecord &&
        open_if_possible(out.encoded, keys_, takes_doomed_, opened_)) {
      out.encoded = opened_;
    }
    return more;
  }
  void want(RecordKinds kinds) override { source_->want(kinds); }
  Cursor position() const override { return source_->position(); }
  bool is_durable(std::string_view stream, Offset offset) const override {
    return source_->is_durable(stream, offset);
  }
  void wait(std::chrono::milliseconds patience) override { source_->wait(patience); }
  void interrupt() override { source_->interrupt(); }

 private:
  const std::unique_ptr<RecordSource> source_;
  crypto::SubjectKeys& keys_;
  const bool takes_doomed_;
  std::string opened_;
};

}  // namespace

bool open_if_possible(std::string_view encoded, crypto::SubjectKeys& keys, bool takes_doomed,
                      std::string& out) {
  const std::string_view subject = subject_of_sealed(encoded);
  if (subject.empty()) return false;
  const auto found = keys.find(subject, takes_doomed);
  // What does not open is shown as what has no key: the rest of it is good.
  return !found.key.empty() && open_record(encoded, found.key, out).ok();
}

SubjectSink::SubjectSink(std::unique_ptr<RecordSink> log, crypto::SubjectKeys& keys,
                         std::function<void()> wake)
    : log_(std::move(log)), keys_(keys) {
  if (wake) listening_ = keys_.add_listener(std::move(wake));
}

Ticket SubjectSink::append(std::string_view encoded) {
  if (subject_of_open(encoded).empty()) return log_->append(encoded);
  MutexLock lock(mutex_);
  return seal(encoded);
}

Ticket SubjectSink::write(const Unwritten& record) {
  if (!record.has_subject()) return log_->write(record);
  MutexLock lock(mutex_);
  open_.clear();
  record.append_to(open_);
  return seal(open_);
}

Ticket SubjectSink::seal(std::string_view open) {
  const auto found = keys_.find(subject_of_open(open));
  if (!seal_record(open, found.key, sealed_).ok()) return {};
  const Ticket ticket = log_->append(sealed_);
  const bool is_waiting = !ticket.is_refused() && found.sequence > keys_.durable_sequence();
  if (is_waiting && (waiting_.empty() || waiting_.back().sequence < found.sequence)) {
    waiting_.push_back({ticket.value, found.sequence});
  }
  return ticket;
}

bool SubjectSink::is_durable(Ticket ticket) const {
  if (!log_->is_durable(ticket)) return false;
  MutexLock lock(mutex_);
  const std::uint64_t durable = keys_.durable_sequence();
  while (!waiting_.empty() && waiting_.front().sequence <= durable) waiting_.pop_front();
  return waiting_.empty() || ticket.value < waiting_.front().ticket;
}

Result<std::unique_ptr<RecordSource>> SubjectLog::open_source(const Cursor& from, Fence fence) {
  auto source = log_.open_source(from, fence);
  if (!source.ok()) return source.error();
  return std::unique_ptr<RecordSource>(
      std::make_unique<OpeningSource>(*std::move(source), keys_, takes_doomed_));
}

Result<std::vector<LogSpan>> SubjectLog::find_key(const LogKey& key) const {
  if (key.kind != LogKey::Kind::kSession) return log_.find_key(key);
  std::vector<LogSpan> spans;
  const Cursor begin = log_.begin();
  for (const Cursor::Place& place : log_.end().places) {
    const Offset first = begin.next_of(place.stream);
    if (first < place.next) spans.push_back({place.stream, first, place.next});
  }
  return spans;
}

}  // namespace banyan::model
