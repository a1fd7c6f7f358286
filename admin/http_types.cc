// SPDX-License-Identifier: Apache-2.0
#include "admin/http_types.h"

#include "core/base/text.h"
#include "core/json/json_writer.h"

namespace banyan::admin {
namespace {

Error bad_target(std::string message) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient, std::move(message));
}

bool has_control_bytes(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return true;
  }
  return false;
}

Result<std::string> decode(std::string_view text) {
  auto decoded = percent_decode(text);
  if (!decoded) return bad_target("the target holds a % that is not followed by two hex digits");
  if (has_control_bytes(*decoded) || !is_utf8(*decoded)) {
    return bad_target("the target holds control bytes or is not UTF-8");
  }
  return *std::move(decoded);
}

Result<std::string> decode_parameter(std::string_view text) {
  std::string spaced(text);
  for (char& c : spaced) {
    if (c == '+') c = ' ';
  }
  return decode(spaced);
}

Status parse_path(std::string_view path, Target& out) {
  if (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  if (path == "/") return {};
  for (const std::string_view raw : split(path.substr(1), '/')) {
    auto segment = decode(raw);
    if (!segment.ok()) return segment.error();
    if (segment->empty() || *segment == "." || *segment == "..") {
      return bad_target("empty, \".\" and \"..\" path segments are refused");
    }
    if (out.segments.size() == kSegmentsMax) return bad_target("the path has too many segments");
    out.segments.push_back(*std::move(segment));
  }
  return {};
}

Status parse_query(std::string_view query, Target& out) {
  for (const std::string_view pair : split(query, '&')) {
    if (pair.empty()) continue;
    if (out.query.size() == kParametersMax) return bad_target("the query has too many parameters");
    const std::size_t equals = pair.find('=');
    auto name = decode_parameter(pair.substr(0, equals));
    if (!name.ok()) return name.error();
    auto value = decode_parameter(equals == std::string_view::npos ? std::string_view()
                                                                   : pair.substr(equals + 1));
    if (!value.ok()) return value.error();
    out.query.emplace_back(*std::move(name), *std::move(value));
  }
  return {};
}

}  // namespace

std::optional<std::string_view> HttpRequest::field(std::string_view name) const {
  for (const auto& [key, value] : fields) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return std::nullopt;
}

std::size_t HttpRequest::count_field(std::string_view name) const {
  std::size_t count = 0;
  for (const auto& [key, value] : fields) {
    if (equal_ignoring_case(key, name)) ++count;
  }
  return count;
}

std::string_view Target::parameter(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return {};
}

Result<Target> parse_target(std::string_view target) {
  if (target.empty() || target[0] != '/') return bad_target("the target must start with /");
  Target out;
  const std::size_t question = target.find('?');
  BANYAN_RETURN_IF_ERROR(parse_path(target.substr(0, question), out));
  if (question != std::string_view::npos) {
    BANYAN_RETURN_IF_ERROR(parse_query(target.substr(question + 1), out));
  }
  return out;
}

HttpResponse error_response(int status, std::string_view code, std::string_view message,
                            std::string_view hint) {
  HttpResponse response;
  response.status = status;
  json::JsonWriter json(response.body);
  json.begin_object().key("error").begin_object();
  json.member("code", code).member("message", message).member("hint", hint);
  json.end_object().end_object();
  return response;
}

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return 400;
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kAlreadyExists: return 409;
    case ErrorCode::kPermissionDenied: return 403;
    case ErrorCode::kUnavailable: return 503;
    case ErrorCode::kTimeout: return 504;
    case ErrorCode::kExhausted: return 503;
    case ErrorCode::kDamaged: return 500;
    case ErrorCode::kUnsupported: return 501;
    case ErrorCode::kIo: return 500;
    case ErrorCode::kCancelled: return 409;
    case ErrorCode::kInternal: return 500;
  }
  return 500;
}

HttpResponse invalid_argument(std::string_view message, std::string_view hint) {
  return error_response(400, "invalid_argument", message, hint);
}

HttpResponse error_response(const Error& error) {
  return error_response(status_of(error.code), to_string(error.code), error.message,
                        error.may_retry ? "try again" : "");
}

}  // namespace banyan::admin
