// SPDX-License-Identifier: Apache-2.0
#include "interchange/request_url.h"

#include <algorithm>

#include "core/base/text.h"

namespace banyan::interchange {
namespace {

// A host with anything else in it would end the authority or hide another one.
bool is_plain_host(std::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view(".-_:[]~%").find(c) != std::string_view::npos;
  });
}

}  // namespace

std::string_view scheme_of(const Exchange& exchange) {
  const bool is_secure =
      equal_ignoring_case(value_of(exchange.fields, "X-Forwarded-Proto"), "https");
  return is_secure ? "https" : "http";
}

std::string host_of(const Exchange& exchange) {
  for (const char* const name : {"X-Forwarded-Host", "Host"}) {
    const std::string_view host = value_of(exchange.fields, name);
    if (is_plain_host(host)) return std::string(host);
  }
  return "localhost";
}

std::string escape_for_url(std::string_view target) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(target.size());
  for (const char c : target) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f && c != '"' && c != '<' && c != '>' && c != '\\' && c != '^' &&
        c != '`' && c != '{' && c != '|' && c != '}' && c != '#') {
      out.push_back(c);
      continue;
    }
    out.push_back('%');
    out.push_back(kHex[byte >> 4]);
    out.push_back(kHex[byte & 0xF]);
  }
  return out;
}

std::string url_of(const Exchange& exchange) {
  std::string url(scheme_of(exchange));
  url.append("://").append(host_of(exchange));
  if (!exchange.target.starts_with('/')) url.push_back('/');  // "*" of OPTIONS
  return url.append(escape_for_url(exchange.target));
}

std::string_view query_of(std::string_view target) {
  const auto mark = target.find('?');
  return mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
}

}  // namespace banyan::interchange
