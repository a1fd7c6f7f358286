// SPDX-License-Identifier: Apache-2.0
#include "core/http/http2_head.h"

#include <utility>

#include "core/base/text.h"
#include "core/http/char_classes.h"
#include "core/http/framing.h"
#include "core/http/head_parser.h"
#include "core/http/llhttp_check.h"

namespace banyan::http {
namespace {

constexpr std::size_t kFieldOverhead = 32;  // RFC 9113 section 6.5.2
constexpr std::string_view kCrumbEnd = "; ";

struct Pseudo {
  std::string_view method, scheme, authority, path;
  bool has_authority = false;
};

std::optional<ReadError> take_pseudo(const Header& field, Pseudo& pseudo) {
  std::string_view* place = nullptr;
  if (field.name == ":method") place = &pseudo.method;
  if (field.name == ":scheme") place = &pseudo.scheme;
  if (field.name == ":path") place = &pseudo.path;
  if (field.name == ":authority") {
    if (pseudo.has_authority) {
      return refuse(400, "two_pseudo_fields", "a pseudo field stands twice", field.name);
    }
    pseudo.has_authority = true;
    pseudo.authority = field.value;
    return std::nullopt;
  }
  if (place == nullptr) {
    return refuse(400, "bad_pseudo_field", "a pseudo field is not one of a request", field.name);
  }
  if (!place->empty()) {
    return refuse(400, "two_pseudo_fields", "a pseudo field stands twice", field.name);
  }
  if (field.value.empty()) {
    return refuse(400, "empty_pseudo_field", "a pseudo field is empty", field.name);
  }
  *place = field.value;
  return std::nullopt;
}

bool is_lower_token(std::string_view name) {
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') return false;
  }
  return is_token(name);
}

// RFC 9113 section 8.2.2: what frames or belongs to one connection may not stand in a section.
bool is_of_connection(std::string_view name) {
  switch (name.size()) {
    case 7: return name == "upgrade";
    case 10: return name == "connection" || name == "keep-alive";
    case 14: return name == "http2-settings";
    case 16: return name == "proxy-connection";
    case 17: return name == "transfer-encoding";
    default: return false;
  }
}

std::optional<ReadError> check_field(const Header& field) {
  if (!is_lower_token(field.name)) {
    return refuse(400, "bad_field_name", "a field name is empty, in upper case or no token",
                  field.name);
  }
  if (!is_field_value(field.value)) {
    return refuse(400, "bad_field_value", "a field value holds a control byte", field.value);
  }
  if (trim(field.value).size() != field.value.size()) {
    return refuse(400, "space_around_value", "a field value begins or ends with white space",
                  field.value);
  }
  if (is_of_connection(field.name)) {
    return refuse(400, "connection_field", "a field of the connection stands in HTTP/2",
                  field.name);
  }
  if (field.name == "te" && field.value != "trailers") {
    return refuse(400, "bad_te", "TE says something else than trailers", field.value);
  }
  return std::nullopt;
}

std::optional<ReadError> apply_pseudo(const Pseudo& pseudo, const ReadLimits& limits,
                                      RequestHead& out) {
  if (pseudo.method.empty()) return refuse(400, "no_method", "the request has no :method");
  out.method = pseudo.method;
  if (!is_token(out.method)) return refuse(400, "bad_method", "the method is no token");
  if (out.method == "CONNECT") {
    return refuse(501, "connect_unsupported", "CONNECT is not supported");
  }
  if (!is_known_method(out.method)) {
    if (!limits.lenient.has(Leniency::kUnknownMethods)) {
      return refuse(501, "unknown_method", "the method is not known here", out.method);
    }
    out.lenient.add(Leniency::kUnknownMethods);
  }
  if (pseudo.scheme.empty()) return refuse(400, "no_scheme", "the request has no :scheme");
  if (!equal_ignoring_case(pseudo.scheme, "http") && !equal_ignoring_case(pseudo.scheme, "https")) {
    return refuse(400, "bad_scheme", "the scheme is neither http nor https", pseudo.scheme);
  }
  if (pseudo.path.empty()) return refuse(400, "no_path", "the request has no :path");
  out.target = pseudo.path;
  if (out.target.size() > limits.target_bytes_max) {
    return refuse(414, "target_too_long", "the request target is over its limit");
  }
  if (out.target.find('#') != std::string_view::npos) {
    return refuse(400, "fragment_in_target", "the request target holds a fragment", out.target);
  }
  const bool is_star = out.target == "*" && out.method == "OPTIONS";
  if (!is_target(out.target) || (out.target.front() != '/' && !is_star)) {
    return refuse(400, "bad_target", "the request target is no path, or holds a bad byte",
                  out.target);
  }
  return std::nullopt;
}

// :authority and Host are one thing said twice; where they differ, two readers would differ.
std::optional<ReadError> apply_authority(const Pseudo& pseudo, const FramingFields& found,
                                         RequestHead& out) {
  if (found.host_count > 1) return refuse(400, "two_hosts", "the request has more than one Host");
  if (!pseudo.has_authority && found.host_count == 0) {
    return refuse(400, "no_host", "the request has neither :authority nor Host");
  }
  out.authority = pseudo.has_authority ? pseudo.authority : out.fields[found.host_index].value;
  if (!is_authority(out.authority)) {
    return refuse(400, "bad_host", "the authority is not host[:port]", out.authority);
  }
  if (found.host_count == 1 &&
      !equal_ignoring_case(out.fields[found.host_index].value, out.authority)) {
    return refuse(400, "two_authorities", "Host says something else than :authority",
                  out.fields[found.host_index].value);
  }
  if (found.host_count == 0) out.fields.push_back({"host", out.authority});
  return std::nullopt;
}

std::optional<ReadError> apply_length(const FramingFields& found, bool has_body,
                                      const ReadLimits& limits, RequestHead& out) {
  if (found.length_count == 0) {
    out.framing = has_body ? BodyFraming::kChunked : BodyFraming::kNone;
    return std::nullopt;
  }
  constexpr std::size_t kDigitsMax = 18;  // an exabyte less one
  const auto length =
      found.length.size() <= kDigitsMax ? parse_u64(found.length) : std::optional<std::uint64_t>();
  if (found.length_count > 1 || !length) {
    return refuse(400, "bad_length", "Content-Length is malformed or stands twice", found.length);
  }
  if (!has_body && *length > 0) {
    return refuse(400, "length_without_body", "Content-Length names a body that does not follow");
  }
  if (limits.body_bytes_max > 0 && *length > limits.body_bytes_max) {
    return refuse(413, "body_too_large", "the body is over its limit");
  }
  out.content_length = *length;
  // With a length of 0 the end may still stand in a frame of its own.
  out.framing = *length > 0 ? BodyFraming::kContentLength : BodyFraming::kNone;
  return std::nullopt;
}

// Crumbs of Cookie become one field (RFC 9113 section 8.2.3).
void join_cookies(HeaderList& fields, std::string& storage) {
  std::size_t count = 0, first = 0, size = 0;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].name != "cookie") continue;
    if (count++ == 0) first = i;
    size += fields[i].value.size() + kCrumbEnd.size();
  }
  if (count < 2) return;
  storage.reserve(size);
  std::size_t kept = first + 1;
  storage.append(fields[first].value);
  for (std::size_t i = first + 1; i < fields.size(); ++i) {
    if (fields[i].name == "cookie") {
      storage.append(kCrumbEnd).append(fields[i].value);
    } else {
      fields[kept++] = fields[i];
    }
  }
  fields.resize(kept);
  fields[first].value = storage;
}

}  // namespace

void FieldSection::add(std::string_view name, std::string_view value, std::size_t bytes_max) {
  list_bytes_ += name.size() + value.size() + kFieldOverhead;
  if (list_bytes_ > bytes_max) {
    is_over_limit_ = true;
    return;
  }
  bytes_.append(name).append(value);
  spans_.push_back(
      {static_cast<std::uint32_t>(name.size()), static_cast<std::uint32_t>(value.size())});
}

void FieldSection::list(HeaderList& out) const {
  out.clear();
  out.reserve(spans_.size() + 1);
  std::string_view rest = bytes_;
  for (const Span& span : spans_) {
    out.push_back(
        {rest.substr(0, span.name_bytes), rest.substr(span.name_bytes, span.value_bytes)});
    rest.remove_prefix(span.name_bytes + std::size_t{span.value_bytes});
  }
}

void FieldSection::clear() {
  bytes_.clear();
  spans_.clear();
  list_bytes_ = 0;
  is_over_limit_ = false;
}

void FieldSection::swap(FieldSection& other) noexcept {
  bytes_.swap(other.bytes_);
  spans_.swap(other.spans_);
  std::swap(list_bytes_, other.list_bytes_);
  std::swap(is_over_limit_, other.is_over_limit_);
}

std::optional<ReadError> parse_http2_request(const FieldSection& section, bool has_body,
                                             const ReadLimits& limits, std::string& storage,
                                             RequestHead& out) {
  HeaderList fields = std::move(out.fields);  // for its room
  out = RequestHead();
  out.version_major = 2;
  out.version_minor = 0;
  storage.clear();
  section.list(fields);
  out.fields = std::move(fields);
  Pseudo pseudo;
  std::size_t pseudo_count = 0;
  while (pseudo_count < out.fields.size() && out.fields[pseudo_count].name.substr(0, 1) == ":") {
    if (auto error = take_pseudo(out.fields[pseudo_count++], pseudo)) return error;
  }
  out.fields.erase(out.fields.begin(), out.fields.begin() + static_cast<long>(pseudo_count));
  if (section.is_over_limit()) {
    return refuse(431, "head_too_large", "the field section is over its limit");
  }
  for (const Header& field : out.fields) {
    if (auto error = check_field(field)) return error;
    if (field.name.size() + field.value.size() + 2 > limits.line_bytes_max) {
      return refuse(431, "line_too_long", "a field line is over its limit", field.name);
    }
  }
  if (auto error = apply_pseudo(pseudo, limits, out)) return error;
  join_cookies(out.fields, storage);
  if (out.fields.size() > limits.fields_max) {
    return refuse(431, "too_many_fields", "the message has more fields than its limit");
  }
  const FramingFields found = find_framing_fields(out.fields);
  if (!found.disguised.empty()) {
    if (!limits.lenient.has(Leniency::kUnderscoreNames)) {
      return refuse(400, "underscore_name",
                    "a field name can be taken for another one where _ is read as -",
                    found.disguised);
    }
    out.lenient.add(Leniency::kUnderscoreNames);
  }
  if (auto error = apply_authority(pseudo, found, out)) return error;
  if (auto error = apply_length(found, has_body, limits, out)) return error;
  out.expects_continue = found.has_expect && !found.has_other_expect;
  return std::nullopt;
}

std::optional<ReadError> parse_http2_trailers(const FieldSection& section, const ReadLimits& limits,
                                              HeaderList& out) {
  section.list(out);
  if (section.is_over_limit() || section.list_bytes() > limits.trailer_bytes_max) {
    return refuse(431, "trailers_too_large", "the trailer section is over its limit");
  }
  if (out.size() > limits.fields_max) {
    return refuse(431, "too_many_fields", "the trailer section has more fields than its limit");
  }
  for (const Header& field : out) {
    if (auto error = check_field(field)) return error;
  }
  return std::nullopt;
}

}  // namespace banyan::http
