// SPDX-License-Identifier: Apache-2.0
#include "admin/http_server.h"

#include "admin/http_connection.h"

namespace banyan::admin {
namespace {

constexpr std::int64_t kSweepNs = 100'000'000;
constexpr int kAcceptsPerTurn = 16;

}  // namespace

HttpServer::HttpServer(net::EventLoop& loop, net::Listening listening, const AdminOptions& options,
                       Handler handler)
    : loop_(loop),
      listening_(std::move(listening)),
      options_(options),
      handler_(std::move(handler)),
      sweeper_(loop, [this] { sweep(); }),
      acceptor_(loop, listening_.fd.get(), [this](net::FdWatch::Ready) { on_acceptable(); }) {
  acceptor_.want_read(true);
  sweeper_.start(kSweepNs);
}

HttpServer::~HttpServer() = default;

void HttpServer::on_acceptable() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    net::Accepted accepted;
    switch (net::accept_from(listening_.fd.get(), accepted)) {
      case net::AcceptOutcome::kAccepted: admit(std::move(accepted)); break;
      case net::AcceptOutcome::kNothing: return;
      case net::AcceptOutcome::kExhausted:
        // The next sweep listens again.
        acceptor_.want_read(false);
        is_accepting_paused_ = true;
        return;
    }
  }
}

void HttpServer::admit(net::Accepted accepted) {
  if (connections_.size() >= options_.connections_max && !evict_idle()) {
    ++refused_;
    static constexpr std::string_view kFull =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    net::OutputBuffer output;
    (void)output.send(accepted.fd.get(), kFull);
    return;
  }
  const std::uint64_t id = next_id_++;
  connections_.emplace(id, std::make_unique<Connection>(*this, id, std::move(accepted)));
}

// Idle and half-sent connections make room, the oldest first, so that they cannot keep a person
// out.
bool HttpServer::evict_idle() {
  const Connection* oldest = nullptr;
  std::uint64_t oldest_id = 0;
  for (const auto& [id, connection] : connections_) {
    const auto state = connection->state();
    if (state != Connection::State::kIdle && state != Connection::State::kReading &&
        state != Connection::State::kLingering) {
      continue;
    }
    if (oldest == nullptr || connection->since_mono_ns() < oldest->since_mono_ns()) {
      oldest = connection.get();
      oldest_id = id;
    }
  }
  if (oldest == nullptr) return false;
  remove(oldest_id);
  return true;
}

void HttpServer::remove(std::uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  loop_.destroy_later(std::move(found->second));
  connections_.erase(found);
}

void HttpServer::sweep() {
  if (is_accepting_paused_) {
    is_accepting_paused_ = false;
    acceptor_.want_read(true);
  }
  const std::int64_t now = loop_.now().mono_ns;
  for (auto it = connections_.begin(); it != connections_.end();) {
    Connection& connection = *it->second;
    ++it;  // check_deadlines may remove this one
    connection.check_deadlines(now);
  }
  sweeper_.start(kSweepNs);
}

bool HttpServer::respond(RequestId id, const HttpResponse& response) {
  const auto found = connections_.find(id.connection);
  return found != connections_.end() && found->second->respond(id.number, response);
}

bool HttpServer::respond_stream(RequestId id, const HttpResponse& head) {
  const auto found = connections_.find(id.connection);
  return found != connections_.end() && found->second->respond_stream(id.number, head);
}

std::optional<std::size_t> HttpServer::stream_waiting(std::uint64_t connection) const {
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return std::nullopt;
  return found->second->waiting_bytes();
}

void HttpServer::push(std::uint64_t connection, std::string_view bytes) {
  const auto found = connections_.find(connection);
  if (found != connections_.end()) found->second->push(bytes);
}

}  // namespace banyan::admin
