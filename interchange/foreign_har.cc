// SPDX-License-Identifier: Apache-2.0
#include "interchange/foreign_har.h"

#include <algorithm>
#include <utility>

#include "core/base/text.h"
#include "core/http/message.h"
#include "interchange/exchange_check.h"
#include "interchange/facts_json.h"
#include "interchange/http_payload.h"

namespace banyan::interchange {
namespace {

using json::Value;

constexpr double kNsPerMs = 1e6;
constexpr double kTimeMsMax = 1e12;

std::string escape_invisible(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 0xF]);
    }
  }
  return out;
}

struct Url {
  bool is_secure = false;
  std::string host;
  std::string target;
};

Result<Url> parse_url(std::string_view text) {
  Url url;
  url.is_secure = starts_with_ignoring_case(text, "https://");
  if (!url.is_secure && !starts_with_ignoring_case(text, "http://")) {
    return malformed("request.url is no http:// or https:// URL");
  }
  text.remove_prefix(url.is_secure ? 8 : 7);
  text = text.substr(0, text.find('#'));
  const auto end = std::min(text.find_first_of("/?"), text.size());
  url.host = text.substr(0, end);
  if (const auto user = url.host.rfind('@'); user != std::string::npos) url.host.erase(0, user + 1);
  if (url.host.empty()) return malformed("request.url has no host");
  url.target = escape_invisible(text.substr(end));
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  return url;
}

std::uint8_t version_of(std::string_view name) {
  if (equal_ignoring_case(name, "HTTP/1.0")) return 0;
  // "h2", "HTTP/2", "http/2.0"; HTTP/3 says the same in the same order.
  const bool is_newer =
      starts_with_ignoring_case(name, "h2") || starts_with_ignoring_case(name, "h3") ||
      starts_with_ignoring_case(name, "HTTP/2") || starts_with_ignoring_case(name, "HTTP/3");
  return is_newer ? 20 : 1;
}

// Without pseudo fields and those of the connection; equal fields that were joined by line ends are
// taken apart.
Fields clean_fields(const Fields& fields) {
  Fields apart;
  for (const Field& field : fields) {
    if (field.name.starts_with(':')) continue;
    for (const std::string_view line : split(field.value, '\n')) {
      std::string_view value = line;
      if (value.ends_with('\r')) value.remove_suffix(1);
      apart.push_back({field.name, std::string(trim(value))});
    }
  }
  return end_to_end(views_of(apart));
}

void remove_field(Fields& fields, std::string_view name) {
  std::erase_if(fields, [&](const Field& field) { return equal_ignoring_case(field.name, name); });
}

void remove_wrong_length(Fields& fields, const StoredBody& body, Tally& losses) {
  if (body.held != Held::kAll) return;
  const std::string_view told = value_of(fields, "Content-Length");
  if (told.empty() || told == std::to_string(body.bytes.size())) return;
  remove_field(fields, "Content-Length");
  losses.count("messages have a Content-Length that their body in the file does not have; removed");
}

std::string form_of(const Value& params) {
  std::string form;
  for (const Value& pair : params.items) {
    if (!form.empty()) form.push_back('&');
    form.append(pair.string_or("name", ""));
    form.push_back('=');
    form.append(pair.string_or("value", ""));
  }
  return form;
}

Status read_request(const Value& request, Exchange& out, Tally& losses) {
  auto url = parse_url(request.string_or("url", ""));
  if (!url.ok()) return url.error();
  out.method = request.string_or("method", "");
  out.target = std::move(url->target);
  out.http_version = version_of(request.string_or("httpVersion", ""));
  Fields fields;
  BANYAN_RETURN_IF_ERROR(read_fields(request.find("headers"), "request.headers", fields));
  const std::string authority(value_of(fields, ":authority"));
  out.fields = clean_fields(fields);
  if (!has_field(out.fields, "Host")) {
    out.fields.insert(out.fields.begin(), {"Host", authority.empty() ? url->host : authority});
  }
  if (url->is_secure && !has_field(out.fields, "X-Forwarded-Proto")) {
    out.fields.push_back({"X-Forwarded-Proto", "https"});
  }
  const Value* post = request.find("postData");
  std::string body;
  BANYAN_RETURN_IF_ERROR(read_har_text(post, "request.postData", body));
  if (body.empty() && post != nullptr) {
    if (const Value* params = post->find("params"); params != nullptr && !params->items.empty()) {
      body = form_of(*params);
      losses.count("requests have their body as parameters alone; it is put together from them");
    }
  }
  out.body = whole_body(std::move(body));
  if (out.body.bytes.empty() && request.number_or("bodySize", 0) > 0) {
    out.body.held = Held::kNone;
    losses.count("request bodies are not in the file");
  }
  remove_wrong_length(out.fields, out.body, losses);
  return {};
}

Status read_response(const Value& response, StoredAnswer& out, Tally& losses) {
  BANYAN_RETURN_IF_ERROR(read_har_status(response, out));
  out.http_version = version_of(response.string_or("httpVersion", ""));
  Fields fields;
  BANYAN_RETURN_IF_ERROR(read_fields(response.find("headers"), "response.headers", fields));
  out.fields = clean_fields(fields);
  const Value* content = response.find("content");
  std::string body;
  BANYAN_RETURN_IF_ERROR(read_har_text(content, "response.content", body));
  out.body = whole_body(std::move(body));
  if (out.body.bytes.empty() && content != nullptr && content->number_or("size", 0) > 0) {
    out.body.held = Held::kNone;
    losses.count("answers' bodies are not in the file");
    return {};
  }
  if (!out.body.bytes.empty() && has_field(out.fields, "Content-Encoding")) {
    remove_field(out.fields, "Content-Encoding");
    losses.count("answers' bodies are decoded in the file; their Content-Encoding is removed");
  }
  remove_wrong_length(out.fields, out.body, losses);
  return {};
}

std::int64_t nanoseconds(const Value& object, std::string_view name) {
  const double milliseconds = object.number_or(name, 0);
  if (!(milliseconds > 0) || milliseconds > kTimeMsMax) return 0;
  return static_cast<std::int64_t>(milliseconds * kNsPerMs);
}

}  // namespace

Status read_har_text(const Value* object, const std::string& where, std::string& out) {
  out.clear();
  if (object == nullptr || !object->is_object()) return {};
  const std::string_view text = object->string_or("text", "");
  const std::string_view encoding =
      object->string_or("encoding", object->string_or("_encoding", ""));
  if (encoding.empty()) {
    out = text;
    return {};
  }
  if (encoding != "base64") return malformed(where + ".encoding is not base64");
  auto bytes = bytes_of_base64(text);
  if (!bytes) return malformed(where + ".text is not base64");
  out = *std::move(bytes);
  return {};
}

Status read_har_status(const Value& response, StoredAnswer& out) {
  const double status = response.number_or("status", 0);
  if (!(status >= 100 && status <= 999)) {
    return malformed("response.status is not between 100 and 999");
  }
  out.status = static_cast<std::uint16_t>(status);
  return {};
}

Status read_foreign_entry(const Value& entry, Exchange& out, Tally& losses) {
  const auto started = parse_time(entry.string_or("startedDateTime", ""), 0);
  if (!started) return malformed("startedDateTime is no time as RFC 3339 has them");
  out.started = Instant{*started, *started};
  const Value* request = entry.find("request");
  if (request == nullptr) return malformed("request is missing");
  BANYAN_RETURN_IF_ERROR(read_request(*request, out, losses));
  const Value* response = entry.find("response");
  if (response == nullptr || response->number_or("status", 0) <= 0) {
    losses.count("requests have no answer in the file");
    return {};
  }
  StoredAnswer answer;
  BANYAN_RETURN_IF_ERROR(read_response(*response, answer, losses));
  const std::int64_t ended = *started + nanoseconds(entry, "time");
  const Value* timings = entry.find("timings");
  const std::int64_t receive = timings == nullptr ? 0 : nanoseconds(*timings, "receive");
  const std::int64_t first = std::max(*started, ended - receive);
  answer.ended = Instant{ended, ended};
  answer.first_byte = Instant{first, first};
  out.answer = std::move(answer);
  return {};
}

}  // namespace banyan::interchange
