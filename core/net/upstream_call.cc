// SPDX-License-Identifier: Apache-2.0
#include <new>
#include <utility>
#include <vector>

#include "core/net/upstream_call.h"
#include "core/net/upstream_pool.h"

namespace banyan::net {

std::string_view to_string(UpstreamFailureKind kind) {
  switch (kind) {
    case UpstreamFailureKind::kConnectFailed: return "connect_failed";
    case UpstreamFailureKind::kConnectTimeout: return "connect_timeout";
    case UpstreamFailureKind::kOverloaded: return "overloaded";
    case UpstreamFailureKind::kFirstByteTimeout: return "first_byte_timeout";
    case UpstreamFailureKind::kIdleTimeout: return "idle_timeout";
    case UpstreamFailureKind::kReset: return "reset";
    case UpstreamFailureKind::kBadAnswer: return "bad_answer";
    case UpstreamFailureKind::kRequestStall: return "request_stall";
    case UpstreamFailureKind::kCircuitOpen: return "circuit_open";
    case UpstreamFailureKind::kTlsFailed: return "tls_failed";
  }
  return "unknown";
}

namespace {

// A sanitizer gets to see the end of each call.
#ifdef BANYAN_SANITIZED
constexpr std::size_t kRoomsKeptMax = 0;
#else
constexpr std::size_t kRoomsKeptMax = 64;
#endif

struct RoomsKept {
  ~RoomsKept() {
    for (void* room : rooms) ::operator delete(room);
  }
  std::vector<void*> rooms;
};
thread_local RoomsKept rooms_kept;

}  // namespace

void* UpstreamCallImpl::operator new(std::size_t size) {
  std::vector<void*>& rooms = rooms_kept.rooms;
  if (rooms.empty()) return ::operator new(size);
  void* const room = rooms.back();
  rooms.pop_back();
  return room;
}

void UpstreamCallImpl::operator delete(void* room) {
  std::vector<void*>& rooms = rooms_kept.rooms;
  if (rooms.size() >= kRoomsKeptMax) return ::operator delete(room);
  rooms.push_back(room);
}

UpstreamCallImpl::UpstreamCallImpl(UpstreamPoolImpl& pool, UpstreamRequest&& request,
                                   UpstreamCallHandler& handler)
    : pool_(pool),
      request_(std::move(request)),
      handler_(handler),
      is_body_finished_(!request_.streams_body) {
  pool_.call_opened();
}

void UpstreamCallImpl::attach_to(UpstreamLink& link) {
  link_ = &link;
  use_.begin(*link.shelf().endpoint);
}

void UpstreamCallImpl::detach() {
  was_request_sent_ = is_request_sent();
  link_ = nullptr;
  stream_ = nullptr;
  use_.end();
}

http::HeaderList UpstreamCallImpl::unsent_trailers() const {
  http::HeaderList trailers;
  for (const auto& [name, value] : unsent_trailers_) trailers.push_back({name, value});
  return trailers;
}

void UpstreamCallImpl::tell_if_writable(std::size_t waiting_bytes) {
  if (!was_full_ || waiting_bytes > pool_.options().write_high_water_bytes / 2) return;
  was_full_ = false;
  handler_.on_writable();
}

void UpstreamCallImpl::tell_if_writable_later() {
  if (!was_full_) return;
  later([](UpstreamCallImpl& call) {
    if (!call.is_write_full()) call.tell_if_writable(0);
  });
}

UpstreamCallImpl::~UpstreamCallImpl() {
  pool_.call_closed();
  if (link_ != nullptr) link_->cancel(*this);
  if (is_waiting_) pool_.leave_line(*this);
}

void UpstreamCallImpl::write_body(std::string_view bytes) {
  if (bytes.empty() || is_body_finished_) return;
  has_streamed_ = true;
  if (link_ != nullptr && link_->is_connected()) {
    link_->send_body(*this, bytes);
  } else {
    unsent_.append(bytes);
  }
  was_full_ = was_full_ || is_write_full();
}

void UpstreamCallImpl::finish_body(const http::HeaderList& trailers) {
  if (is_body_finished_) return;
  is_body_finished_ = true;
  if (link_ != nullptr && link_->is_connected()) {
    link_->finish_body(*this, trailers);
    return;
  }
  for (const auto& [name, value] : trailers) unsent_trailers_.emplace_back(name, value);
}

bool UpstreamCallImpl::is_write_full() const {
  const std::size_t waiting = unsent_.size() + (link_ != nullptr ? link_->waiting_bytes(*this) : 0);
  return waiting > pool_.options().write_high_water_bytes;
}

bool UpstreamCallImpl::is_request_sent() const {
  return is_body_finished_ && unsent_.empty() && any_byte_sent_ && link_ != nullptr &&
         link_->is_connected() && link_->is_drained(*this);
}

void UpstreamCallImpl::pause_reading() {
  if (is_paused_) return;
  is_paused_ = true;
  if (link_ != nullptr) link_->set_paused(*this, true);
}

void UpstreamCallImpl::resume_reading() {
  if (!is_paused_) return;
  is_paused_ = false;
  if (link_ != nullptr) link_->set_paused(*this, false);
}

void UpstreamCallImpl::give_up() {
  if (link_ != nullptr) link_->given_up(*this);
}

void UpstreamCallImpl::take_buffers(std::string& head, std::string& body) {
  head = std::move(request_.head);
  body = std::move(request_.body);
}

// Once, before any byte of an answer, and only with a request that can be sent again as a whole.
// Where not one byte left, nothing can have been done twice, whatever the method.
bool UpstreamCallImpl::may_retry() const {
  return !has_retried_ && !any_byte_received_ && !has_streamed_ &&
         (request_.may_retry || !any_byte_sent_);
}

void UpstreamCallImpl::fail(UpstreamFailureKind kind, std::string message) {
  UpstreamFailure failure;
  failure.kind = kind;
  failure.any_byte_sent = any_byte_sent_;
  failure.is_request_sent = was_request_sent_;
  failure.any_byte_received = any_byte_received_;
  failure.message = std::move(message);
  failure.refusal = refusal_;
  handler_.on_failure(failure);  // `this` may be gone behind it.
}

void UpstreamCallImpl::later(std::function<void(UpstreamCallImpl&)> task) {
  if (!self_) self_ = std::make_shared<UpstreamCallImpl*>(this);
  pool_.loop().post([weak = std::weak_ptr<UpstreamCallImpl*>(self_), task = std::move(task)] {
    if (const auto self = weak.lock()) task(**self);
  });
}

void UpstreamCallImpl::fail_later(UpstreamFailureKind kind, std::string message) {
  later([kind, message = std::move(message)](UpstreamCallImpl& call) { call.fail(kind, message); });
}

}  // namespace banyan::net
