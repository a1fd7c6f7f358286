// SPDX-License-Identifier: Apache-2.0
//
// The one gate before every endpoint: who may come in. Foreign Host and Origin are refused whatever
// the setting (DNS rebinding, cross-site requests), then the token, then the content type of
// changes. A valid token always passes, so that noise from a peer never locks a person out of a
// rollback; only failures are limited. Loop-confined.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "admin/http_types.h"

namespace banyan::admin {

class Gate {
 public:
  // An empty token: none is needed. `bound_host` is the configured host, without port.
  Gate(std::string token, std::string bound_host, int failures_per_second);

  // The refusal, or nullopt where the request may pass.
  std::optional<HttpResponse> refuse(const HttpRequest& request, bool is_public,
                                     std::int64_t now_mono_ns);
  std::uint64_t refused() const { return refused_; }

  static constexpr std::size_t kPeersMax = 1024;

 private:
  struct Failures {
    std::int64_t second = 0;
    int count = 0;
  };
  bool is_known_host(std::string_view authority, std::string_view local_host) const;
  std::optional<HttpResponse> refuse_origin(const HttpRequest& request) const;
  std::optional<HttpResponse> refuse_token(const HttpRequest& request, std::int64_t now_mono_ns);

  const std::string token_;
  const std::string bound_host_;
  const int failures_per_second_;
  std::map<std::string, Failures, std::less<>> failures_;  // by peer
  std::uint64_t refused_ = 0;
};

// "name:80" and "[::1]:80" without the port and brackets; nullopt if malformed.
std::optional<std::string_view> host_of_authority(std::string_view authority);
// localhost, 127.0.0.0/8, ::1
bool is_loopback_name(std::string_view host);

}  // namespace banyan::admin
