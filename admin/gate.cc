// SPDX-License-Identifier: Apache-2.0
#include "admin/gate.h"

#include <arpa/inet.h>

#include "core/base/text.h"

namespace banyan::admin {
namespace {

bool is_change(std::string_view method) { return method != "GET" && method != "HEAD"; }

bool is_json_type(std::string_view value) {
  return equal_ignoring_case(trim(value.substr(0, value.find(';'))), "application/json");
}

}  // namespace

std::optional<std::string_view> host_of_authority(std::string_view authority) {
  std::string_view host = authority;
  std::string_view rest;
  if (!authority.empty() && authority[0] == '[') {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    host = authority.substr(1, close - 1);
    rest = authority.substr(close + 1);
  } else {
    const std::size_t colon = authority.find(':');
    host = authority.substr(0, colon);
    if (colon != std::string_view::npos) rest = authority.substr(colon);
  }
  if (host.empty()) return std::nullopt;
  if (!rest.empty()) {
    const auto port = rest[0] == ':' ? parse_u64(rest.substr(1)) : std::nullopt;
    if (!port || *port > 65535) return std::nullopt;
  }
  return host;
}

bool is_loopback_name(std::string_view host) {
  if (equal_ignoring_case(host, "localhost")) return true;
  const std::string text(host);
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

Gate::Gate(std::string token, std::string bound_host, int failures_per_second)
    : token_(std::move(token)),
      bound_host_(std::move(bound_host)),
      failures_per_second_(failures_per_second) {}

// A rebinding attack always comes with a name of its own, so the very address that was reached is
// fine, also behind a wildcard binding.
bool Gate::is_known_host(std::string_view authority, std::string_view local_host) const {
  const auto host = host_of_authority(authority);
  if (!host) return false;
  return is_loopback_name(*host) || equal_ignoring_case(*host, bound_host_) ||
         equal_ignoring_case(*host, local_host);
}

std::optional<HttpResponse> Gate::refuse_origin(const HttpRequest& request) const {
  if (!is_known_host(request.authority, request.local_host)) {
    return error_response(403, "foreign_host", "the Host of this request is not this admin port's",
                          "use a loopback address or the address that [admin] binds");
  }
  const auto site = request.field("Sec-Fetch-Site");
  const bool is_foreign_site = site && *site != "same-origin" && *site != "none";
  const auto origin = request.field("Origin");
  const bool is_foreign_origin =
      request.count_field("Origin") > 1 ||
      (origin && !equal_ignoring_case(*origin, "http://" + request.authority));
  if (is_foreign_site || is_foreign_origin) {
    return error_response(403, "foreign_origin", "requests from other sites are refused");
  }
  return std::nullopt;
}

std::optional<HttpResponse> Gate::refuse_token(const HttpRequest& request,
                                               std::int64_t now_mono_ns) {
  if (token_.empty()) return std::nullopt;
  const auto given = request.field("Authorization");
  if (given && request.count_field("Authorization") == 1 &&
      starts_with_ignoring_case(*given, "Bearer ") &&
      equal_in_constant_time(trim(given->substr(7)), token_)) {
    return std::nullopt;
  }
  const std::int64_t second = now_mono_ns / 1'000'000'000;
  if (failures_.size() >= kPeersMax && failures_.find(request.peer) == failures_.end()) {
    failures_.erase(failures_.begin());
  }
  Failures& failures = failures_[request.peer];
  if (failures.second != second) failures = Failures{second, 0};
  if (++failures.count > failures_per_second_) {
    HttpResponse response = error_response(429, "too_many_failures",
                                           "too many requests without the right token", "wait 1 s");
    response.fields.emplace_back("Retry-After", "1");
    return response;
  }
  HttpResponse response =
      error_response(401, "unauthorized", "this needs Authorization: Bearer TOKEN",
                     "the token is in admin.token of the data directory");
  response.fields.emplace_back("WWW-Authenticate", "Bearer realm=\"banyan\"");
  return response;
}

std::optional<HttpResponse> Gate::refuse(const HttpRequest& request, bool is_public,
                                         std::int64_t now_mono_ns) {
  auto refusal = refuse_origin(request);
  if (!refusal && !is_public) refusal = refuse_token(request, now_mono_ns);
  if (!refusal && is_change(request.method)) {
    const auto type = request.field("Content-Type");
    if (!type || request.count_field("Content-Type") != 1 || !is_json_type(*type)) {
      refusal = error_response(415, "needs_json", "changes need Content-Type: application/json");
    }
  }
  if (refusal) ++refused_;
  return refusal;
}

}  // namespace banyan::admin
