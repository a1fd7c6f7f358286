// SPDX-License-Identifier: Apache-2.0
#include "core/http/head_parser.h"

#include <algorithm>
#include <array>
#include <limits>

#include "core/base/text.h"
#include "core/base/vector16.h"
#include "core/http/char_classes.h"
#include "core/http/framing.h"
#include "core/http/llhttp_check.h"

namespace banyan::http {
namespace {

// "HTTP/1.x" and nothing else; 1.2 to 1.9 are read as 1.1 (RFC 9112 section 2.3).
std::optional<ReadError> parse_version(std::string_view text, int& minor) {
  const bool has_form = text.size() == 8 && text.substr(0, 5) == "HTTP/" && is_digit(text[5]) &&
                        text[6] == '.' && is_digit(text[7]);
  if (!has_form) return refuse(400, "bad_version", "the HTTP version is not spelled HTTP/1.1");
  if (text[5] != '1') {
    return refuse(505, "unsupported_version", "only HTTP/1.0 and HTTP/1.1 are spoken here");
  }
  minor = text[7] == '0' ? 0 : 1;
  return std::nullopt;
}

bool is_target_with_high_bytes(std::string_view target) {
  return !target.empty() && std::all_of(target.begin(), target.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x80 || internal::is_of(c, internal::kTarget);
  });
}

std::optional<ReadError> check_target(std::string_view method, std::string_view target,
                                      const ReadLimits& limits, bool& has_high_bytes) {
  if (target.find('#') != std::string_view::npos) {
    return refuse(400, "fragment_in_target", "the request target holds a fragment", target);
  }
  if (!is_target(target)) {
    has_high_bytes =
        limits.lenient.has(Leniency::kHighBytesInTarget) && is_target_with_high_bytes(target);
    if (!has_high_bytes) {
      return refuse(400, "bad_target", "the request target holds a byte that may not stand there",
                    target);
    }
  }
  if (target.front() == '/') return std::nullopt;
  if (target == "*" && method == "OPTIONS") return std::nullopt;
  if (starts_with_ignoring_case(target, "http://") ||
      starts_with_ignoring_case(target, "https://")) {
    return std::nullopt;
  }
  return refuse(400, "bad_target", "the request target is neither a path nor an http URL", target);
}

// An absolute target becomes authority and origin form (RFC 9112 section 3.2.2).
[[gnu::cold]] std::optional<ReadError> split_absolute_target(std::string& bytes, RequestHead& out) {
  const std::size_t scheme_size = out.target.find("://") + 3;
  const std::string_view rest = out.target.substr(scheme_size);
  const std::size_t authority_size = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, authority_size);
  const std::string_view path = rest.substr(authority_size);
  if (authority.find('@') != std::string_view::npos) {
    return refuse(400, "userinfo_in_target", "the request target holds user information",
                  authority);
  }
  if (!is_authority(authority)) {
    return refuse(400, "bad_target", "the authority of the request target is not host[:port]",
                  authority);
  }
  if (path.empty()) {
    out.authority = authority;
    out.target = out.method == "OPTIONS" ? "*" : "/";
  } else if (path.front() == '/') {
    out.authority = authority;
    out.target = path;
  } else {
    // "http://host?q" has no slash of its own: the authority moves one byte forward into "://", and
    // the slash takes the byte it leaves.
    const auto at = static_cast<std::size_t>(authority.data() - bytes.data());
    std::copy(authority.begin(), authority.end(), bytes.begin() + static_cast<long>(at) - 1);
    bytes[at + authority.size() - 1] = '/';
    out.authority = std::string_view(bytes).substr(at - 1, authority_size);
    out.target = std::string_view(bytes).substr(at - 1 + authority_size, path.size() + 1);
  }
  return std::nullopt;
}

// Without the port that its scheme has anyway.
std::string_view without_default_port(std::string_view authority, bool is_https) {
  const std::string_view port = is_https ? ":443" : ":80";
  if (authority.size() > port.size() && authority.substr(authority.size() - port.size()) == port) {
    authority.remove_suffix(port.size());
  }
  return authority;
}

std::optional<ReadError> apply_host(std::string& bytes, const FramingFields& found,
                                    const ReadLimits& limits, RequestHead& out) {
  if (found.host_count > 1) {
    return refuse(400, "two_hosts", "the request has more than one Host",
                  out.fields[found.host_index].name);
  }
  const bool is_absolute = out.target.front() != '/' && out.target != "*";
  if (found.host_count == 0 && out.version_minor > 0) {
    if (!limits.lenient.has(Leniency::kMissingHost)) {
      return refuse(400, "no_host", "the request has no Host field");
    }
    out.lenient.add(Leniency::kMissingHost);
  }
  if (found.host_count == 1) {
    out.authority = out.fields[found.host_index].value;
    if (!is_authority(out.authority)) {
      return refuse(400, "bad_host", "the Host field is not host[:port]",
                    out.fields[found.host_index].value);
    }
  }
  if (!is_absolute) return std::nullopt;
  const std::string_view host = out.authority;
  const bool is_https = starts_with_ignoring_case(out.target, "https");
  if (auto error = split_absolute_target(bytes, out)) return error;
  if (found.host_count == 0) return std::nullopt;
  if (!equal_ignoring_case(without_default_port(host, is_https),
                           without_default_port(out.authority, is_https))) {
    if (!limits.lenient.has(Leniency::kAbsoluteTargetOverHost)) {
      return refuse(400, "host_mismatch", "the request target and Host name different hosts", host);
    }
    out.lenient.add(Leniency::kAbsoluteTargetOverHost);
  }
  out.fields[found.host_index].value = out.authority;
  return std::nullopt;
}

std::optional<ReadError> parse_field(std::string_view line, bool is_first, FieldRules& rules,
                                     Header& out) {
  if (line.front() == ' ' || line.front() == '\t') {
    return is_first ? refuse(400, "space_before_field", "white space before the first field", line)
                    : refuse(400, "obs_fold", "a field line is folded", line);
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) {
    return refuse(400, "no_colon", "a field line has no colon", line);
  }
  out.name = line.substr(0, colon);
  const bool has_space = !out.name.empty() && (out.name.back() == ' ' || out.name.back() == '\t');
  if (has_space && rules.excuses_space) {
    rules.had_space = true;
    out.name = trim(out.name);
  }
  if (!is_token(out.name)) {
    return has_space ? refuse(400, "space_before_colon", "white space before a field's colon", line)
                     : refuse(400, "bad_field_name", "a field name is empty or no token", line);
  }
  out.value = trim(line.substr(colon + 1));
  if (!is_field_value(out.value)) {
    const auto bad = std::find_if(out.value.begin(), out.value.end(),
                                  [](char c) { return !internal::is_of(c, internal::kValue); });
    const std::string_view at = out.value.substr(static_cast<std::size_t>(bad - out.value.begin()));
    return out.value.find('\r') != std::string_view::npos
               ? refuse(400, "bare_cr", "a carriage return without a line feed", at)
               : refuse(400, "bad_field_value", "a field value holds a control byte", at);
  }
  return std::nullopt;
}

// Takes the next line off `lines`, without its CRLF.
std::string_view take_line(std::string_view& lines) {
  const std::size_t end = lines.find('\n');
  const std::string_view line = lines.substr(0, end - 1);
  lines.remove_prefix(end + 1);
  return line;
}

// Reads a field line of the usual form in one pass: a name of letters, digits and "-", its colon, a
// value without control bytes, CRLF. The bytes of the line, or 0 where it has another form or lies
// too near the end for whole vectors: then parse_field() reads it, and says what is wrong.
std::size_t take_usual_field(std::string_view lines, Header& out) {
#if BANYAN_HAS_VECTOR16
  const char* const begin = lines.data();
  const char* const end = begin + lines.size();
  const char* at = begin;
  unsigned other = 0;
  for (;; at += 16) {
    if (end - at < 16) return 0;
    const int plain = _mm_movemask_epi8(internal::plain_name_lanes(load_16(at)));
    other = ~static_cast<unsigned>(plain) & 0xFFFFU;
    if (other != 0) break;
  }
  at += __builtin_ctz(other);
  if (*at != ':' || at == begin) return 0;
  out.name = std::string_view(begin, static_cast<std::size_t>(at - begin));
  ++at;
  while (at != end && (*at == ' ' || *at == '\t')) ++at;
  const char* const value = at;
  for (;;) {
    if (end - at < 16) {
      while (at != end && internal::is_of(*at, internal::kValue)) ++at;
      break;
    }
    const int bad = _mm_movemask_epi8(internal::no_value_lanes(load_16(at)));
    if (bad != 0) {
      at += __builtin_ctz(static_cast<unsigned>(bad));
      break;
    }
    at += 16;
  }
  if (end - at < 2 || at[0] != '\r' || at[1] != '\n') return 0;
  const char* last = at;
  while (last != value && (last[-1] == ' ' || last[-1] == '\t')) --last;
  out.value = std::string_view(value, static_cast<std::size_t>(last - value));
  return static_cast<std::size_t>(at - begin) + 2;
#else
  (void)lines, (void)out;
  return 0;
#endif
}

bool is_dec_octets(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

// Where a message ends and who it is for must not depend on a repair.
bool may_be_folded(std::string_view line) {
  const std::string_view name = trim(line.substr(0, line.find(':')));
  for (const std::string_view fixed :
       {"Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Expect"}) {
    if (equal_ignoring_case(name, fixed)) return false;
  }
  return true;
}

// RFC 9112 section 5.2: a fold becomes spaces, so that lines are fields again. The number of folds;
// those under a field that must not be repaired stay, and are refused later.
[[gnu::cold]] std::size_t unfold(std::string& bytes) {
  std::size_t folds = 0;
  std::size_t field = bytes.find('\n') + 1;  // of the line that began the present field
  for (std::size_t end = bytes.find('\n', field); end != std::string::npos;
       end = bytes.find('\n', end + 1)) {
    const std::size_t next = end + 1;
    if (next >= bytes.size()) break;
    const bool is_fold = (bytes[next] == ' ' || bytes[next] == '\t') && next > field + 2;
    if (!is_fold) {
      field = next;
    } else if (may_be_folded(std::string_view(bytes).substr(field, end - field))) {
      bytes[end - 1] = bytes[end] = ' ';
      ++folds;
    }
  }
  return folds;
}

// The head that llhttp gets to read where ours was excused something: what will be sent on.
template <typename Head>
[[gnu::cold]] std::string repaired(std::string first_line, const Head& head) {
  first_line.append("\r\n");
  for (const Header& field : head.fields) {
    first_line.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  return first_line.append("\r\n");
}

[[gnu::cold]] std::string repaired_request_line(const RequestHead& head) {
  // A method and bytes that llhttp does not know stand for ones that it knows: neither changes how
  // the rest is read.
  std::string line(head.lenient.has(Leniency::kUnknownMethods) ? "POST" : head.method);
  line.append(" ");
  for (const char c : head.target) line.push_back(static_cast<unsigned char>(c) < 0x80 ? c : '~');
  return line.append(head.version_minor == 0 ? " HTTP/1.0" : " HTTP/1.1");
}

[[gnu::cold]] bool is_known_to_llhttp(const RequestHead& head) {
  const std::string bytes =
      std::string(head.method) + " / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
  RequestHead probe;
  probe.fields.resize(2);
  return !check_request_with_llhttp(bytes, probe);
}

std::optional<ReadError> check_request(std::string_view bytes, const ReadLimits& limits,
                                       RequestHead& out) {
  if (limits.lenient.has(Leniency::kUnknownMethods) && !is_known_to_llhttp(out)) {
    out.lenient.add(Leniency::kUnknownMethods);
  }
  if (out.lenient.is_empty()) return check_request_with_llhttp(bytes, out);
  return check_request_with_llhttp(repaired(repaired_request_line(out), out), out);
}

}  // namespace

ReadError refuse(int status, std::string_view code, std::string_view message, std::string_view at) {
  ReadError error;
  error.status = status;
  error.code = code;
  error.message = message;
  error.at = at;
  return error;
}

bool is_authority(std::string_view text) {
  std::string_view port;
  if (!text.empty() && text.front() == '[') {
    const auto end = text.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    const auto address = text.substr(1, end - 1);
    if (!std::all_of(address.begin(), address.end(),
                     [](char c) { return is_hex_digit(c) || c == ':' || c == '.'; })) {
      return false;
    }
    port = text.substr(end + 1);
  } else {
    const auto end = std::min(text.find(':'), text.size());
    const auto host = text.substr(0, end);
    if (host.empty()) return false;
    // The marks that RFC 3986 would also allow in a name (! $ & ' ( ) * + , ; =) are refused: no
    // real name has them, and they are read differently by different servers.
    if (!std::all_of(host.begin(), host.end(), [](char c) {
          return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
                 c == '.' || c == '_' || c == '~' || c == '%';
        })) {
      return false;
    }
    port = text.substr(end);
  }
  if (port.empty()) return true;
  if (port.front() != ':') return false;
  port.remove_prefix(1);
  if (port.empty()) return true;
  if (port.size() > 5 || !is_dec_octets(port)) return false;
  return *parse_u64(port) <= 65535;
}

std::optional<ReadError> parse_request_line(std::string_view line, const ReadLimits& limits,
                                            RequestLine& out) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == 0) {
    return refuse(400, "bad_request_line", "the request line is not METHOD TARGET VERSION", line);
  }
  out.method = line.substr(0, first);
  if (!is_token(out.method)) {
    return refuse(400, "bad_method", "the method is no token", out.method);
  }
  if (first == last) {
    return refuse(400, "no_version", "the request line has no HTTP version", line);
  }
  out.target = line.substr(first + 1, last - first - 1);
  if (out.target.size() > limits.target_bytes_max) {
    return refuse(414, "target_too_long", "the request target is over its limit", out.target);
  }
  if (auto error = parse_version(line.substr(last + 1), out.version_minor)) {
    error->at = line.substr(last + 1);
    return error;
  }
  if (out.method == "CONNECT") {
    return refuse(501, "connect", "CONNECT is not supported", line);
  }
  return check_target(out.method, out.target, limits, out.has_high_bytes);
}

std::optional<ReadError> parse_fields(std::string_view lines, FieldRules& rules, HeaderList& out) {
  for (;;) {
    Header field;
    const std::size_t usual = out.size() < rules.fields_max ? take_usual_field(lines, field) : 0;
    if (usual > 0) {
      lines.remove_prefix(usual);
      out.push_back(field);
      continue;
    }
    const std::string_view line = take_line(lines);
    if (line.empty()) return std::nullopt;
    if (out.size() >= rules.fields_max) {
      return refuse(431, "too_many_fields", "the message has more fields than its limit", line);
    }
    if (auto error = parse_field(line, out.empty(), rules, field)) return error;
    rules.has_underscore = rules.has_underscore || field.name.find('_') != std::string_view::npos;
    out.push_back(field);
  }
}

std::optional<ReadError> parse_request_head(std::string& bytes, std::size_t line_count,
                                            const ReadLimits& limits, RequestHead& out) {
  if (limits.lenient.has(Leniency::kFoldsInRequests)) {
    if (const std::size_t folds = unfold(bytes); folds > 0) {
      line_count -= folds;
      out.lenient.add(Leniency::kFoldsInRequests);
    }
  }
  std::string_view lines(bytes);
  const std::string_view line = take_line(lines);
  RequestLine request_line;
  if (auto error = parse_request_line(line, limits, request_line)) return error;
  out.method = request_line.method;
  out.target = request_line.target;
  out.version_minor = request_line.version_minor;
  if (request_line.has_high_bytes) out.lenient.add(Leniency::kHighBytesInTarget);
  if (line.back() > '1') bytes[line.size() - 1] = '1';
  if (line_count - 2 > limits.fields_max) {
    return refuse(431, "too_many_fields", "the message has more fields than its limit", lines);
  }
  out.fields.reserve(line_count - 2);
  FieldRules rules;
  rules.fields_max = limits.fields_max;
  if (auto error = parse_fields(lines, rules, out.fields)) return error;

  FramingFields found = find_framing_fields(out.fields, rules.has_underscore);
  if (auto error = apply_request_framing(found, limits, out)) return error;
  // llhttp reads the bytes as they came, so before an absolute target is split in place.
  if (auto error = check_request(bytes, limits, out)) return error;
  // Repairs may have taken a twin out, and with it moved Host.
  if (!out.lenient.is_empty()) found = find_framing_fields(out.fields);
  return apply_host(bytes, found, limits, out);
}

namespace {

std::optional<ReadError> parse_status_line(std::string_view line, ResponseHead& out) {
  if (auto error = parse_version(line.substr(0, 8), out.version_minor)) {
    error->at = line;
    return error;
  }
  const bool has_status = line.size() >= 12 && line[8] == ' ' && is_digit(line[9]) &&
                          is_digit(line[10]) && is_digit(line[11]) &&
                          (line.size() == 12 || line[12] == ' ');
  if (!has_status) {
    return refuse(502, "bad_status_line", "the status line is malformed", line);
  }
  out.status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  out.reason = line.size() > 13 ? line.substr(13) : std::string_view();
  if (out.status < 100 || out.status > 599) {
    return refuse(502, "bad_status", "the status is not from 100 to 599", line);
  }
  if (!is_field_value(out.reason)) {
    return refuse(502, "bad_reason", "the reason phrase holds a control byte", out.reason);
  }
  return std::nullopt;
}

}  // namespace

std::optional<ReadError> parse_response_head(std::string& bytes, std::size_t line_count,
                                             const ReadLimits& limits, bool answers_head,
                                             ResponseHead& out) {
  if (limits.lenient.has(Leniency::kFoldsInAnswers)) {
    if (const std::size_t folds = unfold(bytes); folds > 0) {
      line_count -= folds;
      out.lenient.add(Leniency::kFoldsInAnswers);
    }
  }
  std::string_view lines(bytes);
  const std::string_view line = take_line(lines);
  if (auto error = parse_status_line(line, out)) return error;
  if (line[7] > '1') bytes[7] = '1';
  out.fields.reserve(std::min(line_count - 2, limits.fields_max));
  FieldRules rules;
  rules.fields_max = limits.fields_max;
  rules.excuses_space = limits.lenient.has(Leniency::kSpaceBeforeColonInAnswers);
  if (auto error = parse_fields(lines, rules, out.fields)) return error;
  if (rules.had_space) out.lenient.add(Leniency::kSpaceBeforeColonInAnswers);
  const FramingFields found = find_framing_fields(out.fields, rules.has_underscore);
  if (auto error = apply_response_framing(found, limits, answers_head, out)) return error;
  if (out.lenient.is_empty()) return check_response_with_llhttp(bytes, out);
  return check_response_with_llhttp(repaired(std::string(line), out), out);
}

bool is_allowed_in_trailers(std::string_view name) {
  static constexpr std::array<std::string_view, 32> kRefused{"Content-Length",
                                                             "Host",
                                                             "Authorization",
                                                             "Proxy-Authorization",
                                                             "Proxy-Authenticate",
                                                             "WWW-Authenticate",
                                                             "Cookie",
                                                             "Set-Cookie",
                                                             "Content-Encoding",
                                                             "Content-Type",
                                                             "Content-Range",
                                                             "Range",
                                                             "If-Match",
                                                             "If-None-Match",
                                                             "If-Modified-Since",
                                                             "If-Unmodified-Since",
                                                             "If-Range",
                                                             "Expect",
                                                             "Max-Forwards",
                                                             "Cache-Control",
                                                             "Pragma",
                                                             "Age",
                                                             "Expires",
                                                             "Date",
                                                             "Location",
                                                             "Retry-After",
                                                             "Vary",
                                                             "Forwarded",
                                                             "Via",
                                                             "X-Request-Id",
                                                             "Idempotency-Key",
                                                             "Traceparent"};
  if (is_hop_by_hop(name)) return false;
  if (starts_with_ignoring_case(name, "X-Forwarded-") ||
      starts_with_ignoring_case(name, "Banyan-")) {
    return false;
  }
  return std::none_of(kRefused.begin(), kRefused.end(),
                      [&](std::string_view refused) { return equal_ignoring_case(refused, name); });
}

}  // namespace banyan::http
