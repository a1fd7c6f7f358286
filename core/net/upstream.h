// SPDX-License-Identifier: Apache-2.0
//
// Asking a system: an UpstreamPool keeps the connections of one loop to one system, an UpstreamCall
// is one request and its answer. Used by the proxy (primary), the sender (copies) and replay alike.
// Everything here is confined to the pool's loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/http/message.h"
#include "core/http/message_reader.h"
#include "core/net/endpoints.h"
#include "core/net/event_loop.h"
#include "core/net/tls_client_context.h"
#include "core/net/upstream_failure.h"

namespace banyan::net {

class TlsClientContext;

enum class UpstreamHttp2 {
  kOff,             // the default: many systems behave differently over it
  kAuto,            // https:// offers it by ALPN; http:// stays with HTTP/1.1
  kPriorKnowledge,  // nothing else is spoken, over http:// too
};

// The header that a connection opens with, so that the system knows whom it serves.
enum class ProxyHeader { kNone, kV1, kV2 };

struct UpstreamOptions {
  // The system's addresses, shared by all its pools. Never null where a pool is made of it; of
  // addresses that never change: Endpoints::fixed().
  std::shared_ptr<Endpoints> endpoints;
  UpstreamHttp2 http2 = UpstreamHttp2::kOff;
  ProxyHeader proxy_header = ProxyHeader::kNone;
  std::int64_t connect_timeout_ns = 2'000'000'000;
  std::int64_t first_byte_timeout_ns = 60'000'000'000;  // until the whole final head
  std::int64_t idle_timeout_ns = 60'000'000'000;        // longest silence in a body
  std::int64_t tunnel_idle_ns = 3'600'000'000'000;      // silence on both sides after an upgrade
  std::int64_t keep_alive_ns = 30'000'000'000;          // an idle pooled connection closes after it
  std::size_t connections_max = 1024;                   // of this pool; further calls wait in line
  std::size_t waiting_max = 1024;                       // calls in line; past it kOverloaded
  std::size_t calls_max = 16384;  // of this pool, those in line included; past it kOverloaded
  // While the circuit of the system is open, calls fail at once (kCircuitOpen), but for a probe.
  // For copies, which can wait; a primary is always asked.
  bool obeys_circuit = false;
  // What connections to https:// addresses begin with; plain ones pass it by.
  std::shared_ptr<const TlsClientContext> tls;
  http::ReadLimits limits;
  std::size_t write_high_water_bytes = 256 * 1024;
};

struct UpstreamFailure {
  UpstreamFailureKind kind = UpstreamFailureKind::kConnectFailed;
  bool any_byte_sent = false;      // of the request, on any connection
  bool is_request_sent = false;    // all of it had been handed to the kernel
  bool any_byte_received = false;  // of the answer
  std::string message;
  // Why an answer is malformed, and where; null else. Valid during on_failure().
  const http::ReadError* refusal = nullptr;
};

class UpstreamCall;

// Called on the loop. The call may be destroyed inside any of them.
class UpstreamCallHandler {
 public:
  virtual ~UpstreamCallHandler() = default;
  virtual void on_informational(const http::ResponseHead& head) { (void)head; }
  // The views are valid until the call is destroyed or on_complete has returned.
  virtual void on_head(const http::ResponseHead& head) = 0;
  virtual void on_body(std::string_view piece) = 0;
  // In place of on_body() where on_complete() follows at once: the piece stays valid until that has
  // returned, so what goes on at once need not be copied.
  virtual void on_last_body(std::string_view piece) { on_body(piece); }
  virtual void on_complete(const http::HeaderList& trailers) = 0;
  virtual void on_failure(const UpstreamFailure& failure) = 0;
  // The 101 that the request asked for (UpstreamRequest::upgrades). From here on bytes go both ways
  // as they are: write_body() to the system, finish_body() ends that direction; on_body() from it,
  // and on_complete() once it has ended its own.
  virtual void on_upgraded(const http::ResponseHead& head) { (void)head; }
  // The queue of the request's body fell below half of the high-water mark.
  virtual void on_writable() {}
};

struct UpstreamRequest {
  std::string head;           // in HTTP/1 form, framing fields included
  std::string body;           // the whole body where it is inline (its length is known); else empty
  bool streams_body = false;  // write_body()/finish_body() follow
  // The streamed body has no Content-Length: HTTP/1 frames it in chunks, as its head says.
  bool is_chunked = false;
  std::string_view method;  // a literal or valid while the call lives
  // Retry once on a new connection if a reused idle one closed before any byte came back. Only set
  // for idempotent requests; ignored once streamed body bytes were written.
  bool may_retry = false;
  std::int64_t first_byte_timeout_ns = 0;  // 0: the pool's
  bool accepts_trailers = false;           // the client's TE said so; HTTP/2 passes it on
  bool upgrades = false;                   // head asks for another protocol: a 101 is welcome
  // Whom a ProxyHeader names: bytes of two sockaddrs. "": this is nobody's connection (a copy).
  std::string client_address, listener_address;
};

class UpstreamCall {
 public:
  virtual ~UpstreamCall() = default;  // destroys = cancels; a half-used connection is closed
  // Bytes of the body; what frames them is the link's business. Beyond the high-water mark they
  // still queue: the caller stops when is_write_full() and waits for on_writable().
  virtual void write_body(std::string_view bytes) = 0;
  // Trailers are left out where the body's framing has no place for them.
  virtual void finish_body(const http::HeaderList& trailers = {}) = 0;
  virtual bool is_write_full() const = 0;
  // All of the request has been handed to the kernel. (False again once the call has ended.)
  virtual bool is_request_sent() const = 0;
  virtual bool any_byte_sent() const = 0;
  // Where it is asked, "http://127.0.0.1:9001"; "" without a connection. Valid while it has one.
  virtual std::string_view address() const { return {}; }
  // What one recv brought (at most EventLoop::kScratchBytes) is still delivered, the end included.
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;
  // The owner waits no longer and will destroy it: counts against the address as a timeout does.
  virtual void give_up() = 0;
  // Gives the request's strings back for their room. The last thing to be asked of a call.
  virtual void take_buffers(std::string& head, std::string& body) = 0;
};

struct UpstreamStats {
  std::uint64_t connections_opened = 0;
  std::uint64_t connections_open = 0;
  std::uint64_t calls_started = 0;
  std::uint64_t retries = 0;
  std::uint64_t overloaded = 0;  // refused by a bound or an open circuit
};

class UpstreamPool {
 public:
  UpstreamPool(EventLoop& loop, UpstreamOptions options);
  ~UpstreamPool();
  // Never calls the handler before it returns. The call must die before the pool, and the pool must
  // not die inside a callback. A call waits in line at most connect_timeout_ns (then kOverloaded).
  std::unique_ptr<UpstreamCall> start(UpstreamRequest&& request, UpstreamCallHandler& handler);
  void close_idle();
  const UpstreamOptions& options() const;
  // Other options from now on, but for the endpoints: they are shared, and change by themselves.
  // Calls that run keep their connection. With `renews_connections` (TLS, protocol …) no connection
  // made before serves a further call.
  void reconfigure(UpstreamOptions options, bool renews_connections);
  UpstreamStats stats() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

// "http://host:port" to addresses; blocking (getaddrinfo), so before loops start.
Result<std::vector<UpstreamAddress>> resolve_url(std::string_view url);

}  // namespace banyan::net
