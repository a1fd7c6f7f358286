// SPDX-License-Identifier: Apache-2.0
#include "replay/sender.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/model/record_codec.h"
#include "replay/answer_capture.h"
#include "replay/chunk_stream.h"
#include "replay/turn_clock.h"

namespace banyan::replay {
namespace {

// Finished calls that wait for the next copy; more are freed.
constexpr std::size_t kSpareCallsMax = 256;

void bound_connections(SystemsOptions& systems, std::size_t connections_max) {
  for (net::UpstreamOptions* options : {&systems.legacy, &systems.candidate}) {
    options->connections_max = std::min(options->connections_max, connections_max);
    options->waiting_max = std::max(options->waiting_max, connections_max);
  }
}

}  // namespace

struct Sender::Parts {
  Parts(net::EventLoop& loop_in, Clock& clock_in, model::LogAccess& log_in,
        model::RecordSink& sink_in, const model::Redactor& redactor_in, SystemsOptions systems_in)
      : loop(loop_in),
        clock(clock_in),
        log(log_in),
        sink(sink_in),
        redactor(redactor_in),
        systems(std::move(systems_in)),
        turn_clock(loop_in, clock_in),
        pools{net::UpstreamPool(loop, systems.legacy), net::UpstreamPool(loop, systems.candidate)} {
  }

  net::EventLoop& loop;
  Clock& clock;
  model::LogAccess& log;
  model::RecordSink& sink;
  const model::Redactor& redactor;
  SystemsOptions systems;
  std::uint64_t body_bytes_max = 0;
  std::size_t held_bytes = 0;  // of answers (AnswerCapture)
  TurnClock turn_clock;        // of answers
  net::UpstreamPool pools[2];
  std::string scratch;  // of encoded SHADOWs
  std::vector<std::unique_ptr<Call>> spare;
};

class Sender::Call final : public CopyCall, private net::UpstreamCallHandler {
 public:
  explicit Call(Parts& parts) : parts_(parts) {}

  Status start(const CopyJob& job, CopyOwner& owner) {
    const std::string& host =
        job.to == System::kLegacy ? parts_.systems.legacy_host : parts_.systems.candidate_host;
    BANYAN_RETURN_IF_ERROR(build_copy(*job.request, parts_.redactor, host, job.body, message_));
    job_ = job;
    owner_ = &owner;
    capture_.begin(context());
    if (job_.body.is_streamed) {
      alive_ = std::make_shared<int>(0);
      auto chunks = ChunkStream::open(parts_.log, job_.stream, job_.offset, job_.request->exchange);
      if (!chunks.ok()) return chunks.error();
      chunks_ = std::move(*chunks);
    }
    net::UpstreamRequest request;
    request.head = std::move(message_.head);
    request.body = std::move(message_.body);
    request.streams_body = chunks_ != nullptr;
    request.is_chunked = chunks_ != nullptr && job_.body.has_trailers;
    request.method = job_.request->method;
    // A reused connection that turns out to be closed is no answer lost: nothing came of it. A
    // write whose method is not idempotent is never sent twice, as the system may have done it.
    request.may_retry = !job_.request->is_write || http::is_idempotent_method(job_.request->method);
    sent_ = parts_.clock.now();
    call_ = parts_.pools[static_cast<int>(job_.to)].start(std::move(request), *this);
    if (chunks_ != nullptr) pump_later();
    return {};
  }

  void expire() override {
    call_->give_up();
    if (call_->any_byte_sent()) return end_no_answer("deadline");
    end(CopyEnd{CopyEndKind::kNotSent, 0, {}, "connect_timeout"});
  }

 private:
  void give_back() override {
    if (call_ != nullptr) {
      call_->take_buffers(message_.head, message_.body);
      call_.reset();
    }
    chunks_.reset();
    alive_.reset();
    capture_.let_go();
    std::unique_ptr<Call> self(this);
    if (parts_.spare.size() < kSpareCallsMax) parts_.spare.push_back(std::move(self));
  }

  CaptureContext context() const {
    CaptureContext context;
    context.exchange = job_.request->exchange;
    context.run = job_.run;
    context.system = job_.to;
    context.sink = &parts_.sink;
    context.redactor = &parts_.redactor;
    context.primary_body = job_.primary_body;
    context.held_bytes = &parts_.held_bytes;
    context.subject = job_.request->of.key;
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
    capture_.on_head(head, parts_.turn_clock.now());
    if (is_unavailable()) capture_.discard_body();
  }
  void on_body(std::string_view piece) override { capture_.on_body(piece); }
  void on_last_body(std::string_view piece) override { capture_.on_last_body(piece); }
  void on_writable() override { pump(); }

  void on_complete(const http::HeaderList& trailers) override {
    if (is_unavailable()) return end(CopyEnd{CopyEndKind::kUnavailable, 503, {}, "unavailable"});
    model::RedactedMessage redacted;
    model::ShadowRecord shadow = opened_shadow();
    // The copy was less than the original: what differs in its answer proves nothing.
    if (message_.dropped_fields > 0) shadow.cause = "dropped_secret";
    capture_.finish(trailers, parts_.turn_clock.now(), redacted, shadow.answer);
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

  model::ShadowRecord opened_shadow() {
    model::ShadowRecord shadow;
    shadow.exchange = job_.request->exchange;
    shadow.run = job_.run;
    shadow.route = job_.request->route;
    shadow.is_write = job_.request->is_write;
    shadow.sent = sent_;
    shadow.of.key = job_.request->of.key;
    // A client's own key may be what a rule names.
    shown_key_.clear();
    if (!message_.idempotency_key.empty()) {
      shown_key_ = parts_.redactor.shown_field("idempotency-key", message_.idempotency_key);
    }
    shadow.idempotency_key = shown_key_;
    return shadow;
  }

  void end_recorded(CopyEndKind kind, model::ShadowRecord& shadow) {
    // The owner may destroy this call while it still looks at the encoded bytes.
    std::string& encoded = parts_.scratch;
    encoded.clear();
    model::encode(shadow, encoded);
    capture_.take_room(std::move(shadow.answer.fields));
    const model::Body& body = shadow.answer.body;
    const bool is_spared = body.kind == model::Body::Kind::kAsPrimary;
    end(CopyEnd{kind, shadow.answer.status, encoded, shadow.cause, is_spared ? body.length : 0});
  }

  // Nothing of this object may be touched after it.
  void end(const CopyEnd& end) {
    chunks_.reset();
    owner_->on_copy_end(*this, end);
  }

  Parts& parts_;
  CopyJob job_;
  CopyOwner* owner_ = nullptr;
  AnswerCapture capture_;
  CopyMessage message_;
  std::string shown_key_;  // of the message, as the log holds it
  Instant sent_;
  std::unique_ptr<ChunkStream> chunks_;
  std::shared_ptr<int> alive_;  // while a body is streamed: what posted steps hold weakly
  std::unique_ptr<net::UpstreamCall> call_;
};

Sender::Sender(net::EventLoop& loop, Clock& clock, model::LogAccess& log, model::RecordSink& sink,
               const model::Redactor& redactor, SystemsOptions systems, std::size_t connections_max,
               std::uint64_t body_bytes_max) {
  bound_connections(systems, connections_max);
  parts_ = std::make_unique<Parts>(loop, clock, log, sink, redactor, std::move(systems));
  parts_->body_bytes_max = body_bytes_max;
}

Sender::~Sender() = default;

void Sender::reconfigure(SystemsOptions systems, std::size_t connections_max,
                         std::uint64_t body_bytes_max, bool renews_connections) {
  bound_connections(systems, connections_max);
  parts_->pools[0].reconfigure(systems.legacy, renews_connections);
  parts_->pools[1].reconfigure(systems.candidate, renews_connections);
  parts_->systems = std::move(systems);
  parts_->body_bytes_max = body_bytes_max;
}

void CopyCallReturn::operator()(CopyCall* call) const { call->give_back(); }

Result<CopyCallPtr> Sender::start(const CopyJob& job, CopyOwner& owner) {
  std::unique_ptr<Call> call;
  if (parts_->spare.empty()) {
    call = std::make_unique<Call>(*parts_);
  } else {
    call = std::move(parts_->spare.back());
    parts_->spare.pop_back();
  }
  BANYAN_RETURN_IF_ERROR(call->start(job, owner));
  return CopyCallPtr(call.release());
}

}  // namespace banyan::replay
