// SPDX-License-Identifier: Apache-2.0
#include "admin/http_connection.h"

#include <sys/socket.h>

#include "core/http/message.h"
#include "core/http/message_writer.h"

namespace banyan::admin {
namespace {

constexpr std::int64_t kLingerNs = 1'000'000'000;

http::ReadLimits limits_of(const AdminOptions& options) {
  http::ReadLimits limits;
  limits.head_bytes_max = options.head_bytes_max;
  limits.body_bytes_max = options.body_bytes_max;
  return limits;
}

std::string local_host_of(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  net::SocketAddress address;
  address.bytes.assign(reinterpret_cast<const char*>(&storage), size);
  return address.host();
}

// No page of another site may frame, read or guess the type of what this port says.
void write_head(std::string& out, const HttpResponse& response, bool closes) {
  http::write_status_line(out, response.status, http::reason_phrase(response.status));
  http::write_field(out, "Content-Type", response.content_type);
  http::write_field(out, "Cache-Control", "no-store");
  http::write_field(out, "X-Content-Type-Options", "nosniff");
  http::write_field(out, "X-Frame-Options", "DENY");
  http::write_field(out, "Referrer-Policy", "no-referrer");
  http::write_field(out, "Cross-Origin-Resource-Policy", "same-origin");
  http::write_field(out, "Content-Security-Policy",
                    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; "
                    "base-uri 'none'; form-action 'none'");
  for (const auto& [name, value] : response.fields) http::write_field(out, name, value);
  if (closes) http::write_field(out, "Connection", "close");
}

}  // namespace

HttpServer::Connection::Connection(HttpServer& server, std::uint64_t id, net::Accepted accepted)
    : server_(server),
      id_(id),
      fd_(std::move(accepted.fd)),
      peer_(accepted.peer.host()),
      local_host_(local_host_of(fd_.get())),
      reader_(limits_of(server.options_)),
      since_mono_ns_(server.loop_.now().mono_ns),
      watch_(server.loop_, fd_.get(), [this](net::FdWatch::Ready ready) { on_ready(ready); }) {
  watch_.want_read(true);
}

void HttpServer::Connection::on_ready(net::FdWatch::Ready ready) {
  if (state_ == State::kClosed) return;
  if (ready == net::FdWatch::Ready::kWrite) {
    settle(output_.flush(fd_.get()));
    if (state_ != State::kClosed && output_.is_empty()) process();
    return;
  }
  on_readable();
}

void HttpServer::Connection::on_readable() {
  const net::Received received =
      net::receive(fd_.get(), server_.loop_.scratch(), net::EventLoop::kScratchBytes);
  switch (received.outcome) {
    case net::ReceiveOutcome::kWouldBlock: return;
    case net::ReceiveOutcome::kClosed:
    case net::ReceiveOutcome::kFailed: close(); return;
    case net::ReceiveOutcome::kBytes: break;
  }
  // A subscriber and a client that is being let go have nothing more to say.
  if (state_ == State::kStreaming || state_ == State::kLingering) return;
  if (state_ == State::kIdle) enter(State::kReading);
  input_.append(received.bytes);
  process();
}

// Reads requests until one waits for its answer or the input is used up. An answer given inside the
// handler comes back here through respond(); the flag keeps that from nesting.
void HttpServer::Connection::process() {
  if (is_processing_) return;
  is_processing_ = true;
  std::string_view rest = input_;
  while ((state_ == State::kIdle || state_ == State::kReading) && output_.is_empty()) {
    if (state_ == State::kIdle && rest.empty()) break;
    enter(State::kReading);
    const http::ReadEvent event = reader_.next(rest);
    if (event == http::ReadEvent::kNeedMore) break;
    take_event(event);
  }
  input_.erase(0, input_.size() - rest.size());
  is_processing_ = false;
  if (state_ == State::kReading && !reader_.is_mid_message() && input_.empty()) enter(State::kIdle);
  if (state_ != State::kClosed) {
    // Bytes behind a request that waits stay in the kernel: the client feels it, we hold nothing.
    watch_.want_read(state_ != State::kBusy && (output_.is_empty() || state_ == State::kLingering ||
                                                state_ == State::kStreaming));
  }
}

void HttpServer::Connection::take_event(http::ReadEvent event) {
  switch (event) {
    case http::ReadEvent::kHead: on_head(); return;
    case http::ReadEvent::kBody: body_.append(reader_.body()); return;
    case http::ReadEvent::kComplete: on_request(); return;
    case http::ReadEvent::kError: refuse_and_close(reader_.error()); return;
    case http::ReadEvent::kNeedMore: return;
  }
}

void HttpServer::Connection::on_head() {
  body_.clear();
  if (reader_.head().expects_continue) send("HTTP/1.1 100 Continue\r\n\r\n");
}

void HttpServer::Connection::on_request() {
  const http::RequestHead& head = reader_.head();
  HttpRequest request;
  request.method = head.method;
  request.target = head.target;
  request.authority = head.authority;
  for (const http::Header& field : head.fields)
    request.fields.emplace_back(field.name, field.value);
  request.body = std::move(body_);
  request.peer = peer_;
  request.local_host = local_host_;
  body_ = std::string();
  closes_after_ = !head.keep_alive;
  is_head_request_ = head.method == "HEAD";
  reader_.reset();
  enter(State::kBusy);
  server_.handler_(RequestId{id_, ++number_}, std::move(request));
}

void HttpServer::Connection::refuse_and_close(const http::ReadError& error) {
  enter(State::kBusy);
  closes_after_ = true;
  is_head_request_ = false;
  respond(++number_, error_response(error.status, error.code, error.message));
}

bool HttpServer::Connection::respond(std::uint64_t number, const HttpResponse& response) {
  if (state_ != State::kBusy || number != number_) return false;
  std::string head;
  write_head(head, response, closes_after_);
  http::write_content_length(head, response.body.size());
  http::write_end_of_head(head);
  enter(closes_after_ ? State::kLingering : State::kIdle);
  settle(output_.send(fd_.get(), {head, is_head_request_ ? std::string_view() : response.body}));
  if (state_ == State::kClosed) return false;
  process();
  return true;
}

bool HttpServer::Connection::respond_stream(std::uint64_t number, const HttpResponse& response) {
  if (state_ != State::kBusy || number != number_) return false;
  std::string head;
  write_head(head, response, true);
  http::write_end_of_head(head);
  enter(State::kStreaming);
  send(head);
  if (state_ == State::kClosed) return false;
  watch_.want_read(true);  // to see it leave
  return true;
}

void HttpServer::Connection::push(std::string_view bytes) {
  if (state_ == State::kStreaming) send(bytes);
}

void HttpServer::Connection::send(std::string_view bytes) {
  settle(output_.send(fd_.get(), bytes));
}

void HttpServer::Connection::settle(net::OutputBuffer::Outcome outcome) {
  if (outcome == net::OutputBuffer::Outcome::kBroken) return close();
  const bool waits = outcome == net::OutputBuffer::Outcome::kWaiting;
  watch_.want_write(waits);
  if (!waits) {
    stalled_since_ns_ = 0;
    if (state_ == State::kLingering) end_of_answer();
  } else if (stalled_since_ns_ == 0 || output_.sent_bytes() != stalled_at_bytes_) {
    stalled_since_ns_ = server_.loop_.now().mono_ns;
    stalled_at_bytes_ = output_.sent_bytes();
  }
}

// Closing with unread input would reset the connection and could take the answer with it.
void HttpServer::Connection::end_of_answer() {
  net::shut_down_sending(fd_.get());
  watch_.want_read(true);
}

void HttpServer::Connection::enter(State state) {
  if (state_ == state) return;
  state_ = state;
  since_mono_ns_ = server_.loop_.now().mono_ns;
}

void HttpServer::Connection::check_deadlines(std::int64_t now_mono_ns) {
  const AdminOptions& options = server_.options_;
  const std::int64_t age = now_mono_ns - since_mono_ns_;
  if (stalled_since_ns_ != 0 && now_mono_ns - stalled_since_ns_ > options.write_timeout_ns) {
    return close();
  }
  switch (state_) {
    case State::kIdle:
      if (output_.is_empty() && age > options.keep_alive_ns) close();
      return;
    case State::kReading:
      if (age > options.request_timeout_ns) {
        refuse_and_close({408, "request_timeout", "the request did not arrive in time", {}, 0, {}});
      }
      return;
    case State::kLingering:
      if (output_.is_empty() && age > kLingerNs) close();
      return;
    case State::kBusy:
    case State::kStreaming:
    case State::kClosed: return;
  }
}

void HttpServer::Connection::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  watch_.want_read(false);
  watch_.want_write(false);
  server_.remove(id_);
}

}  // namespace banyan::admin
