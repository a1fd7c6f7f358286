// SPDX-License-Identifier: Apache-2.0
//
// The head as the primary gets it: end-to-end fields of the client, ours added. Its fields are what
// the REQUEST record holds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/ids.h"
#include "core/http/message.h"
#include "proxy/networks.h"

namespace banyan::proxy {

// Of a client that speaks TLS.
struct SecureFacts {
  std::string version;  // "TLSv1.3"
  std::string cipher;
  std::string server_name;  // as the client asked for it (SNI), in lower case; "" where it did not
  std::string client_subject;  // of its verified certificate, RFC 2253; "" where it has none
  bool asks_for_certificates = false;  // the listener does
};

// What is known of a client for the life of its connection.
struct Peer {
  std::string address;                        // "192.0.2.1", without the port
  std::string for_element;                    // of Forwarded: for=192.0.2.1, for="[2001:db8::1]"
  bool is_trusted = false;                    // its Forwarded and X-Forwarded-* are kept
  bool writes_via = false;                    // by its listener
  const NetworkSet* trusted = nullptr;        // of its listener; outlives the connection
  std::shared_ptr<const SecureFacts> secure;  // null: no TLS
  // Bytes of two sockaddrs, the client's and the listener's; "" unless a system wants PROXY
  // headers.
  std::string client_end, listener_end;
};
Peer make_peer(std::string_view address, const NetworkSet& trusted, bool writes_via);

// Whose request it is: the peer's address, or where that is trusted, the last address in
// X-Forwarded-For (without one: in Forwarded) which is not.
std::string client_address(const http::RequestHead& head, const Peer& peer);

enum class RequestFraming { kNone, kContentLength, kChunked };

struct ForwardFacts {
  ExchangeId exchange;
  const Peer* peer = nullptr;
  std::string_view log_uuid;  // names this Banyan in Banyan-Hop
  std::string_view host;      // what Host says
  RequestFraming framing = RequestFraming::kNone;
  std::uint64_t content_length = 0;
  std::string_view upgrade;  // protocol that is asked for on the client's behalf; "": none
};

// Reused from exchange to exchange, so that its strings keep their memory. Views in fields() point
// into the client's head and into this object; valid until the next build().
class ForwardHead {
 public:
  void build(const http::RequestHead& head, const ForwardFacts& facts);
  const http::HeaderList& fields() const { return fields_; }
  // X-Request-Id as it is sent on.
  std::string_view request_id() const { return request_id_; }
  // For asking another system with the same request.
  void set_host(std::string_view host);
  // Appends request line, fields and the framing, which is hop-by-hop and so not in fields().
  void write(const http::RequestHead& head, bool with_expect, std::string& out) const;

 private:
  struct Seen;
  void take_client_fields(const http::RequestHead& head, bool is_trusted, Seen& seen);
  void note_forwarding(Seen& seen);
  void add_max_forwards(const http::RequestHead& head, const http::Header& field);
  void add_forwarding_fields(const http::RequestHead& head, const ForwardFacts& facts,
                             const Seen& seen);
  void add_identity_fields(const ForwardFacts& facts, const Seen& seen);

  http::HeaderList fields_;
  RequestFraming framing_ = RequestFraming::kNone;
  std::string host_, forwarded_for_, forwarded_proto_, forwarded_host_, forwarded_, request_id_,
      traceparent_, hops_, length_, upgrade_, max_forwards_;
  bool is_forwarding_ours_ = false;  // of X-Forwarded-* and Forwarded nothing is the client's
};

// A loop: the request has passed this Banyan before, or too many of them.
bool has_passed(const http::RequestHead& head, std::string_view log_uuid);

// Fields of a trailer section that may be passed on: none that frame, route or authenticate.
bool is_forbidden_in_trailers(std::string_view name);

}  // namespace banyan::proxy
