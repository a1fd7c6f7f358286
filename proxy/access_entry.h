// SPDX-License-Identifier: Apache-2.0
//
// What the proxy tells of each exchange that ended, for who keeps an access log. The proxy knows no
// format and no file.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace banyan::proxy {

// Views are valid during the call. What redaction names is already out of target, referer and user
// agent; other fields are not told. Everything here may be hostile bytes but our own words.
struct AccessEntry {
  std::int64_t started_wall_ns = 0;  // when the head was whole
  std::int64_t duration_ns = 0;      // until the last byte was given to the kernel
  std::int64_t first_byte_ns = -1;   // from the start to the primary's head; -1: it gave none
  std::string_view exchange;         // "" where the request was refused before admission
  std::string_view client;           // address, from X-Forwarded-For where the peer is trusted
  std::string_view peer;             // address of the connection
  std::string_view method, target;   // "" where the head could not be read
  std::string_view host;
  std::string_view protocol;  // "HTTP/1.1", "HTTP/2.0"
  std::string_view referer, user_agent;
  int status = 0;                // 0: no answer left
  std::string_view route;        // "" before admission
  std::string_view primary;      // legacy, candidate: who was chosen; ""
  std::string_view answered_by;  // legacy, candidate, banyan, none
  std::string_view upstream;     // address that was asked last, "127.0.0.1:9001"; ""
  std::string_view error;        // stable code of an answer of our own, "connect_failed"; ""
  std::string_view mirror;       // off, selected, skipped; ""
  std::uint64_t request_bytes = 0, answer_bytes = 0;  // of bodies, without framing
  bool is_truncated = false;                          // the answer was cut
  bool was_aborted = false;                           // the client left
  std::string_view tls_version;                       // "TLSv1.3"; "" for plain connections
  std::string_view tls_cipher, server_name;
};

struct Peer;
void set_tls(const Peer& peer, AccessEntry& entry);

// One worker's way into the access log; that worker's thread alone. Never blocks.
class AccessLane {
 public:
  virtual ~AccessLane() = default;
  // False: nothing would be kept, so nobody needs to fill an entry.
  virtual bool is_on() const = 0;
  virtual void write(const AccessEntry& entry) = 0;
};

class AccessSink {
 public:
  virtual ~AccessSink() = default;
  // The lane must die before the sink. Any thread.
  virtual std::unique_ptr<AccessLane> open_lane() = 0;
};

}  // namespace banyan::proxy
