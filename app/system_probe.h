// SPDX-License-Identifier: Apache-2.0
//
// Asks a system a few harmless questions and notes how it behaves, for `doctor`. Blocking, on the
// calling thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/net/channel.h"
#include "core/net/system_url.h"
#include "core/net/tls_client_context.h"
#include "core/net/tls_session.h"

namespace banyan::app {

struct ProbeAnswer {
  int status = 0;
  int version_minor = 1;
  bool keeps_alive = false;  // by its head
  bool is_chunked = false;
  std::optional<std::int64_t> date_s;  // Date, seconds since 1970
  bool has_ended_early = false;        // the connection closed right behind it
};

// One connection to one address.
class SystemProbe {
 public:
  // `tls` null: plain.
  static Result<SystemProbe> connect(const std::string& socket_address, const net::SystemUrl& url,
                                     const net::TlsClientContext* tls, std::int64_t patience_ns);
  // One request and its whole answer. kUnavailable where the connection closed before an answer.
  Result<ProbeAnswer> ask(std::string_view method, std::int64_t patience_ns);
  // "h2" where the system chose it; "" else.
  std::string_view alpn() const { return channel_.alpn(); }

 private:
  SystemProbe() = default;
  Status wait(short events, std::int64_t deadline_ns);
  Status send_all(std::string_view bytes, std::int64_t deadline_ns);

  net::Channel channel_;
  std::string authority_;
};

// RFC 9110 section 5.6.7, the preferred form alone: "Sun, 06 Nov 1994 08:49:37 GMT".
std::optional<std::int64_t> parse_http_date(std::string_view text);

}  // namespace banyan::app
