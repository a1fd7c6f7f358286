// SPDX-License-Identifier: Apache-2.0
#include "routing/matcher.h"

#include <algorithm>
#include <array>

#include "core/base/text.h"

namespace banyan::routing {
namespace {

constexpr std::array<std::string_view, 18> kMethods = {
    "GET",  "HEAD",     "POST",   "PUT",  "DELETE", "PATCH", "OPTIONS",   "TRACE", "CONNECT",
    "MOVE", "PROPFIND", "REPORT", "COPY", "SEARCH", "QUERY", "PROPPATCH", "MKCOL", "LOCK"};

bool is_token(std::string_view text) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

Error match_error(std::string message) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig, std::move(message));
}

std::string decode_query(std::string_view text) {
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), '+', ' ');
  auto decoded = percent_decode(spaced);
  return decoded ? *std::move(decoded) : spaced;
}

std::string quoted(std::string_view text) { return "\"" + escape_for_terminal(text, 200) + "\""; }

bool field_matches(const http::HeaderList& fields, const MatchOptions::Field& wanted) {
  return std::any_of(fields.begin(), fields.end(), [&](const http::Header& field) {
    return equal_ignoring_case(field.name, wanted.name) &&
           (wanted.value.empty() || trim(field.value) == wanted.value);
  });
}

bool query_matches(std::string_view query, const MatchOptions::Field& wanted) {
  const auto value = query_parameter(query, wanted.name);
  return value && (wanted.value.empty() || *value == wanted.value);
}

std::string describe(const std::vector<MatchOptions::Field>& fields) {
  std::string out;
  for (const auto& field : fields) {
    if (!out.empty()) out += ", ";
    out += field.value.empty() ? field.name + " present" : field.name + " = " + quoted(field.value);
  }
  return out;
}

}  // namespace

std::uint32_t method_bit_of(std::string_view method) {
  for (std::size_t i = 0; i < kMethods.size(); ++i) {
    if (kMethods[i] == method) return 1U << i;
  }
  return 0;
}

std::string_view host_without_port(std::string_view authority) {
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    authority = authority.substr(0, colon);
  }
  if (!authority.empty() && authority.back() == '.') authority.remove_suffix(1);
  return authority;
}

std::optional<std::string> query_parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    const std::size_t equals = pair.find('=');
    const std::string_view key = pair.substr(0, equals);
    if (key != name && decode_query(key) != name) continue;
    return equals == std::string_view::npos ? std::string() : decode_query(pair.substr(equals + 1));
  }
  return std::nullopt;
}

Result<Matcher> Matcher::compile(const MatchOptions& options) {
  Matcher matcher;
  matcher.options_ = options;
  auto path = PathPattern::compile(options.path);
  if (!path.ok()) return path.error();
  matcher.path_ = *std::move(path);
  matcher.is_any_method_ = options.methods.empty();
  for (const std::string& method : options.methods) {
    if (!is_token(method)) return match_error("not an HTTP method: " + quoted(method));
    const std::uint32_t bit = method_bit_of(method);
    if (bit == 0) matcher.other_methods_.push_back(method);
    matcher.method_bits_ |= bit;
  }
  matcher.host_ = to_lower(options.host);
  if (matcher.host_.rfind("*.", 0) == 0) {
    matcher.is_host_suffix_ = true;
    matcher.host_.erase(0, 1);
  }
  if (matcher.host_.find_first_of("*/ \t") != std::string::npos) {
    return match_error("a host is a name, or \"*.\" before a name: " + quoted(options.host));
  }
  if (!matcher.host_.empty() && host_without_port(matcher.host_) != matcher.host_) {
    return match_error("a host has no port and no dot at its end: " + quoted(options.host));
  }
  for (const auto& field : options.headers) {
    if (!is_token(field.name)) return match_error("not a header name: " + quoted(field.name));
  }
  for (const auto& field : options.query) {
    if (field.name.empty()) return match_error("a query parameter needs a name");
  }
  return matcher;
}

bool Matcher::host_matches(std::string_view host) const {
  if (host_.empty()) return true;
  if (!is_host_suffix_) return equal_ignoring_case(host, host_);
  return host.size() > host_.size() &&
         equal_ignoring_case(host.substr(host.size() - host_.size()), host_);
}

Mismatch Matcher::check(const MatchInput& input) const {
  if (!is_any_method_ && (method_bits_ & input.method_bit) == 0) {
    if (input.method_bit != 0 || std::find(other_methods_.begin(), other_methods_.end(),
                                           input.method) == other_methods_.end()) {
      return Mismatch::kMethod;
    }
  }
  if (!host_matches(input.host)) return Mismatch::kHost;
  if (!path_.matches(*input.path)) return Mismatch::kPath;
  for (const auto& wanted : options_.headers) {
    if (input.fields == nullptr || !field_matches(*input.fields, wanted)) return Mismatch::kHeader;
  }
  for (const auto& wanted : options_.query) {
    if (!query_matches(input.query, wanted)) return Mismatch::kQuery;
  }
  return Mismatch::kNone;
}

std::string Matcher::explain(Mismatch mismatch) const {
  switch (mismatch) {
    case Mismatch::kNone: return "matches";
    case Mismatch::kMethod: {
      std::string out = "method is none of";
      for (const std::string& method : options_.methods) out += " " + method;
      return out;
    }
    case Mismatch::kHost: return "host is not " + quoted(options_.host);
    case Mismatch::kPath: return "path does not match " + quoted(options_.path);
    case Mismatch::kHeader: return "headers lack one of: " + describe(options_.headers);
    case Mismatch::kQuery: return "query lacks one of: " + describe(options_.query);
  }
  return "";
}

bool Matcher::matches_everything() const {
  return is_any_method_ && host_.empty() && path_.matches_everything() &&
         options_.headers.empty() && options_.query.empty();
}

}  // namespace banyan::routing
