// SPDX-License-Identifier: Apache-2.0
#include "replay/sender.h"

#include <algorithm>
#include <utility>

#include "core/model/record_codec.h"
#include "replay/answer_capture.h"
#include "replay/chunk_stream.h"

namespace banyan::replay {

struct Sender::Parts {
  Parts(net::EventLoop& loop_in, Clock& clock_in, model::LogAccess& log_in,
        model::RecordSink& sink_in, const model::Redactor& redactor_in, SystemsOptions systems_in)
      : loop(loop_in),
        clock(clock_in),
        log(log_in),
        sink(sink_in),
        redactor(redactor_in),
        systems(std::move(systems_in)),
        pools{net::UpstreamPool(loop, systems.legacy), net::UpstreamPool(loop, systems.candidate)} {}

  net::EventLoop& loop;
  Clock& clock;
  model::LogAccess& log;
  model::RecordSink& sink;
  const model::Redactor& redactor;
  const SystemsOptions systems;
  std::uint64_t body_bytes_max = 0;
  net::UpstreamPool pools[2];
  std::string scratch;  // of encoded SHADOWs
};

class Sender::Call final : public CopyCall, private net::UpstreamCallHandler {
 public:
  Call(Parts& parts, const CopyJob& job, CopyOwner& owner)
      : parts_(parts), job_(job), owner_(owner), capture_(context()) {}

  Status start(CopyMessage message) {
    key_ = std::move(message.idempotency_key);
    if (job_.body.is_streamed) {
      auto chunks = ChunkStream::open(parts_.log, job_.stream, job_.offset,
                                      job_.request->exchange, job_.body.has_trailers);
      if (!chunks.ok()) return chunks.error();
      chunks_ = std::move(*chunks);
    }
    net::UpstreamRequest request;
    request.head = std::move(message.head);
    request.body = std::move(message.body);
    request.streams_body = chunks_ != nullptr;
    request.method = job_.request->method;
    // A reused connection that turns out to be closed is no answer lost: nothing came of it. A write
    // whose method is not idempotent is never sent twice, as the system may have done it.
    request.may_retry =
        !job_.request->is_write || http::is_idempotent_method(job_.request->method);
    sent_ = parts_.clock.now();
    call_ = parts_.pools[static_cast<int>(job_.to)].start(std::move(request), *this);
    if (chunks_ != nullptr) pump_later();
    return {};
  }

  void expire() override {
    if (call_->any_byte_sent()) return end_no_answer("deadline");
    end(CopyEnd{CopyEndKind::kNotSent, 0, {}, "connect_timeout"});
  }

 private:
  CaptureContext context() const {
    CaptureContext context;
    context.exchange = job_.request->exchange;
    context.run = job_.run;
    context.system = job_.to;
    context.sink = &parts_.sink;
    context.redactor = &parts_.redactor;
    context.digest_seed = parts_.systems.digest_seed;
    context.body_bytes_max = parts_.body_bytes_max;
    return context;
  }

  void pump_later() {
    parts_.loop.post([this, alive = std::weak_ptr<int>(alive_)] {
      if (!alive.expired()) pump();
    });
  }

  void pump() {
    if (chunks_ == nullptr) return;
    switch (chunks_->pump(*call_)) {
      case ChunkStream::Step::kMore: return pump_later();
      case ChunkStream::Step::kFull: return;  // on_writable() goes on
      case ChunkStream::Step::kDone: chunks_.reset(); return;
      case ChunkStream::Step::kLost: return end(CopyEnd{CopyEndKind::kLost, 0, {}, "chunks_lost"});
    }
  }

  bool is_unavailable() const { return capture_.status() == 503 && !job_.records_unavailable; }

  void on_head(const http::ResponseHead& head) override {
    capture_.on_head(head, parts_.clock.now());
    if (is_unavailable()) capture_.discard_body();
  }
  void on_body(std::string_view piece) override { capture_.on_body(piece); }
  void on_writable() override { pump(); }

  void on_complete(const http::HeaderList& trailers) override {
    if (is_unavailable()) return end(CopyEnd{CopyEndKind::kUnavailable, 503, {}, "unavailable"});
    model::RedactedMessage redacted;
    model::ShadowRecord shadow = opened_shadow();
    shadow.answer = capture_.finish(trailers, parts_.clock.now(), redacted);
    end_recorded(CopyEndKind::kAnswered, shadow);
  }

  void on_failure(const net::UpstreamFailure& failure) override {
    const std::string_view cause = net::to_string(failure.kind);
    if (!failure.any_byte_sent) return end(CopyEnd{CopyEndKind::kNotSent, 0, {}, cause});
    end_no_answer(cause);
  }

  void end_no_answer(std::string_view cause) {
    model::ShadowRecord shadow = opened_shadow();
    shadow.answer.system = job_.to;
    shadow.answer.ended = parts_.clock.now();
    shadow.cause = cause;
    end_recorded(CopyEndKind::kNoAnswer, shadow);
  }

  model::ShadowRecord opened_shadow() const {
    model::ShadowRecord shadow;
    shadow.exchange = job_.request->exchange;
    shadow.run = job_.run;
    shadow.route = job_.request->route;
    shadow.is_write = job_.request->is_write;
    shadow.sent = sent_;
    shadow.idempotency_key = key_;
    return shadow;
  }

  void end_recorded(CopyEndKind kind, const model::ShadowRecord& shadow) {
    // The owner may destroy this call while it still looks at the encoded bytes.
    std::string& encoded = parts_.scratch;
    encoded.clear();
    model::encode(shadow, encoded);
    end(CopyEnd{kind, shadow.answer.status, encoded, shadow.cause});
  }

  // Nothing of this object may be touched after it.
  void end(const CopyEnd& end) {
    chunks_.reset();
    owner_.on_copy_end(*this, end);
  }

  Parts& parts_;
  const CopyJob job_;
  CopyOwner& owner_;
  AnswerCapture capture_;
  std::string key_;
  Instant sent_;
  std::unique_ptr<ChunkStream> chunks_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  std::unique_ptr<net::UpstreamCall> call_;
};

Sender::Sender(net::EventLoop& loop, Clock& clock, model::LogAccess& log, model::RecordSink& sink,
               const model::Redactor& redactor, SystemsOptions systems,
               std::size_t connections_max, std::uint64_t body_bytes_max) {
  for (net::UpstreamOptions* options : {&systems.legacy, &systems.candidate}) {
    options->connections_max = std::min(options->connections_max, connections_max);
    options->waiting_max = std::max(options->waiting_max, connections_max);
  }
  parts_ = std::make_unique<Parts>(loop, clock, log, sink, redactor, std::move(systems));
  parts_->body_bytes_max = body_bytes_max;
}

Sender::~Sender() = default;

Result<std::unique_ptr<CopyCall>> Sender::start(const CopyJob& job, CopyOwner& owner) {
  const std::string& host =
      job.to == System::kLegacy ? parts_->systems.legacy_host : parts_->systems.candidate_host;
  auto message = build_copy(*job.request, parts_->redactor, host, job.body);
  if (!message.ok()) return message.error();
  auto call = std::make_unique<Call>(*parts_, job, owner);
  BANYAN_RETURN_IF_ERROR(call->start(std::move(*message)));
  return std::unique_ptr<CopyCall>(std::move(call));
}

}  // namespace banyan::replay
