// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/http/leniency.h"
#include "core/net/health_probe.h"
#include "core/net/http2_server_session.h"
#include "core/net/tls_options.h"
#include "core/net/upstream.h"

namespace banyan::proxy {

struct ListenerOptions {
  std::string address;               // "0.0.0.0:8080", "[::]:8080", port 0 for any
  std::vector<std::string> trusted;  // networks whose X-Forwarded-* are kept
  bool writes_via = false;
  std::optional<net::TlsServerOptions> tls;  // its alpn is the proxy's choice
  // Each connection begins with a PROXY header (version 1 or 2), from `trusted` peers only where
  // there are any.
  bool has_proxy_header = false;
  // With TLS: offered by ALPN. Without: a client that begins with the preface of HTTP/2 gets it
  // ("prior knowledge"), any other HTTP/1.
  bool speaks_http2 = false;
};

struct LimitOptions {
  std::size_t head_bytes_max = 64 * 1024;
  std::size_t fields_max = 100;
  std::size_t line_bytes_max = 32 * 1024;  // one field line
  std::size_t target_bytes_max = 8 * 1024;
  std::uint64_t body_bytes_max = 0;                     // 0: none
  std::uint64_t body_captured_max = 64ULL << 20;        // of a body, recorded
  std::uint64_t inline_body_max = 256 * 1024;           // [log] inline_body
  std::uint64_t inline_bytes_total_max = 256ULL << 20;  // sum of bodies read whole at once; past it
                                                        // bodies stream
  std::size_t connections_max = 10000;
  std::size_t connections_per_client_max = 10000;
  std::uint64_t requests_per_connection_max = 0;  // 0: none
  // Bytes a second that a client must send of a body, or take of an answer, while we wait for it.
  std::uint64_t rate_floor = 256;  // 0: none
  net::Http2Options http2;         // its section_bytes_max is head_bytes_max
};

struct TimeoutOptions {
  std::int64_t handshake_ns = 5'000'000'000;  // PROXY header and TLS, together
  std::int64_t head_ns = 10'000'000'000;
  std::int64_t body_ns = 30'000'000'000;
  std::int64_t keep_alive_ns = 60'000'000'000;
  std::int64_t write_ns = 30'000'000'000;
  std::int64_t drain_ns = 30'000'000'000;
  std::int64_t rate_grace_ns = 10'000'000'000;  // before rate_floor counts
};

struct SystemOptions {
  net::UpstreamOptions upstream;
  std::string host;                 // "" = preserve the client's, else this name
  std::string authority;            // of its first URL, for requests that name no host
  net::EndpointsOptions judgement;  // of its addresses
  net::HealthOptions health;        // active checks of them
  net::TlsClientOptions tls;        // of its https:// URLs; `upstream.tls` is made of it
};

// [record] subject: where a request says whose data it and its answers hold.
struct SubjectOptions {
  enum class Kind { kNone, kHeader, kCookie, kQuery, kSession };
  Kind kind = Kind::kNone;
  std::string name;
  bool operator==(const SubjectOptions&) const = default;
};

struct ProxyOptions {
  int workers = 0;  // 0 = one per core
  std::vector<ListenerOptions> listeners;
  LimitOptions limits;
  TimeoutOptions timeouts;
  SystemOptions legacy, candidate;
  http::Leniencies lenient;                    // [http] lenient: of requests
  std::int64_t durable_wait_ns = 250'000'000;  // [log] wait
  SubjectOptions subject;
};

}  // namespace banyan::proxy
