// SPDX-License-Identifier: Apache-2.0
#include "access_log/format.h"

#include <ctime>

#include "core/base/text.h"
#include "core/json/json_writer.h"

namespace banyan::access_log {
namespace {

using proxy::AccessEntry;

constexpr std::string_view kEllipsis = "\xE2\x80\xA6";

double seconds(std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }

// Writes at most `bytes_max` bytes of a value that a peer chose.
class Bounded {
 public:
  Bounded(std::string_view value, std::size_t bytes_max) {
    if (value.size() <= bytes_max) {
      view_ = value;
      return;
    }
    // Not in the middle of a character, so that a cut adds no broken one.
    std::size_t end = bytes_max;
    while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0) == 0x80) --end;
    cut_.assign(value.substr(0, end)).append(kEllipsis);
    view_ = cut_;
  }
  Bounded(const Bounded&) = delete;
  Bounded& operator=(const Bounded&) = delete;
  std::string_view view() const { return view_; }

 private:
  std::string cut_;
  std::string_view view_;
};

void member_if(json::JsonWriter& json, std::string_view name, std::string_view value,
               std::size_t bytes_max = kFieldBytesMax) {
  if (value.empty()) return;
  const Bounded bounded(value, bytes_max);
  json.member(name, bounded.view());
}

// What Banyan alone knows of an exchange: the same members in JSON and in ECS.
void append_decision(const AccessEntry& entry, json::JsonWriter& json) {
  member_if(json, "route", entry.route);
  member_if(json, "primary", entry.primary);
  member_if(json, "answered_by", entry.answered_by);
  member_if(json, "upstream", entry.upstream);
  member_if(json, "error", entry.error);
  member_if(json, "mirror", entry.mirror);
}

void append_how_it_ended(const AccessEntry& entry, json::JsonWriter& json) {
  if (entry.is_truncated) json.member("truncated", true);
  if (entry.was_aborted) json.member("aborted", true);
}

void append_json(const AccessEntry& entry, std::string& out) {
  json::JsonWriter json(out);
  json.begin_object().member("time", format_time(entry.started_wall_ns));
  member_if(json, "exchange", entry.exchange);
  member_if(json, "client", entry.client);
  if (entry.peer != entry.client) member_if(json, "peer", entry.peer);
  member_if(json, "method", entry.method);
  member_if(json, "target", entry.target, kTargetBytesMax);
  member_if(json, "host", entry.host);
  member_if(json, "protocol", entry.protocol);
  json.member("status", entry.status);
  append_decision(entry, json);
  json.member("duration", seconds(entry.duration_ns));
  if (entry.first_byte_ns >= 0) json.member("first_byte", seconds(entry.first_byte_ns));
  json.member("request_bytes", entry.request_bytes).member("bytes", entry.answer_bytes);
  append_how_it_ended(entry, json);
  member_if(json, "referer", entry.referer);
  member_if(json, "user_agent", entry.user_agent);
  if (!entry.tls_version.empty()) {
    json.key("tls").begin_object().member("version", entry.tls_version);
    member_if(json, "cipher", entry.tls_cipher);
    member_if(json, "server_name", entry.server_name);
    json.end_object();
  }
  json.end_object();
}

// ---- Elastic Common Schema, as far as it has a place for what we know

std::string_view ecs_outcome(const AccessEntry& entry) {
  if (entry.status == 0 || entry.is_truncated || entry.was_aborted) return "unknown";
  return entry.status < 400 ? "success" : "failure";
}

void append_ecs_http(const AccessEntry& entry, json::JsonWriter& json) {
  json.key("http").begin_object();
  if (entry.protocol.rfind("HTTP/", 0) == 0) json.member("version", entry.protocol.substr(5));
  json.key("request").begin_object();
  member_if(json, "method", entry.method);
  member_if(json, "referrer", entry.referer);
  member_if(json, "id", entry.exchange);
  json.key("body").begin_object().member("bytes", entry.request_bytes).end_object().end_object();
  json.key("response").begin_object();
  if (entry.status != 0) json.member("status_code", entry.status);
  json.key("body").begin_object().member("bytes", entry.answer_bytes).end_object().end_object();
  json.end_object();
}

void append_ecs_url(const AccessEntry& entry, json::JsonWriter& json) {
  if (entry.target.empty()) return;
  const Bounded target(entry.target, kTargetBytesMax);
  json.key("url").begin_object().member("original", target.view());
  const std::size_t mark = target.view().find('?');
  json.member("path", target.view().substr(0, mark));
  if (mark != std::string_view::npos) json.member("query", target.view().substr(mark + 1));
  member_if(json, "domain", entry.host);
  json.member("scheme", entry.tls_version.empty() ? "http" : "https").end_object();
}

void append_ecs_tls(const AccessEntry& entry, json::JsonWriter& json) {
  if (entry.tls_version.empty()) return;
  const bool has_prefix = entry.tls_version.rfind("TLSv", 0) == 0;
  json.key("tls").begin_object();
  json.member("version", has_prefix ? entry.tls_version.substr(4) : entry.tls_version);
  json.member("version_protocol", "tls");
  member_if(json, "cipher", entry.tls_cipher);
  if (!entry.server_name.empty()) {
    json.key("client").begin_object();
    member_if(json, "server_name", entry.server_name);
    json.end_object();
  }
  json.end_object();
}

void append_ecs(const AccessEntry& entry, std::string& out) {
  json::JsonWriter json(out);
  json.begin_object().member("@timestamp", format_time(entry.started_wall_ns));
  json.key("ecs").begin_object().member("version", "8.11.0").end_object();
  json.key("event").begin_object().member("kind", "event").member("dataset", "banyan.access");
  json.key("category").begin_array().string("web").end_array();
  json.key("type").begin_array().string("access").end_array();
  json.member("outcome", ecs_outcome(entry)).member("duration", entry.duration_ns).end_object();
  json.key("service").begin_object().member("type", "banyan").end_object();
  if (!entry.client.empty()) {
    json.key("client").begin_object().member("ip", entry.client).end_object();
    json.key("source").begin_object().member("ip", entry.peer).end_object();
  }
  append_ecs_http(entry, json);
  append_ecs_url(entry, json);
  if (!entry.user_agent.empty()) {
    json.key("user_agent").begin_object();
    member_if(json, "original", entry.user_agent);
    json.end_object();
  }
  append_ecs_tls(entry, json);
  json.key("banyan").begin_object();
  member_if(json, "exchange", entry.exchange);
  append_decision(entry, json);
  if (entry.first_byte_ns >= 0) json.member("first_byte", entry.first_byte_ns);
  append_how_it_ended(entry, json);
  json.end_object().end_object();
}

// ---- Common and combined log format

// Bytes that could end a field or a line, and all that are not ASCII, become \xNN.
void append_escaped(std::string_view value, std::size_t bytes_max, std::string& out) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  const Bounded bounded(value, bytes_max);
  for (const char c : bounded.view()) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\') {
      out += "\\x";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 0xf];
    } else {
      out += c;
    }
  }
}

void append_quoted(std::string_view value, std::string& out) {
  out += '"';
  if (value.empty()) {
    out += '-';
  } else {
    append_escaped(value, kFieldBytesMax, out);
  }
  out += '"';
}

// [10/Oct/2000:13:55:36 +0000]
void append_common_time(std::int64_t wall_ns, std::string& out) {
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t whole = static_cast<std::time_t>(wall_ns / 1'000'000'000);
  std::tm parts{};
  gmtime_r(&whole, &parts);
  const auto two = [&out](int value) {
    out += static_cast<char>('0' + value / 10 % 10);
    out += static_cast<char>('0' + value % 10);
  };
  out += '[';
  two(parts.tm_mday);
  out.append("/").append(kMonths[parts.tm_mon]).append("/");
  out += std::to_string(parts.tm_year + 1900);
  for (const int value : {parts.tm_hour, parts.tm_min, parts.tm_sec}) {
    out += ':';
    two(value);
  }
  out += " +0000]";
}

void append_common(const AccessEntry& entry, std::string& out) {
  if (entry.client.empty()) {
    out += '-';
  } else {
    append_escaped(entry.client, 64, out);
  }
  out += " - - ";
  append_common_time(entry.started_wall_ns, out);
  out += " \"";
  if (entry.method.empty()) {
    out += '-';
  } else {
    append_escaped(entry.method, 64, out);
    out += ' ';
    append_escaped(entry.target, kTargetBytesMax, out);
    out += ' ';
    append_escaped(entry.protocol, 16, out);
  }
  out += "\" ";
  // No answer left: as other servers write it.
  out += std::to_string(entry.status != 0 ? entry.status : 499);
  out += ' ';
  out += entry.answer_bytes == 0 ? "-" : std::to_string(entry.answer_bytes);
}

}  // namespace

void append_line(Format format, const AccessEntry& entry, std::string& out) {
  switch (format) {
    case Format::kJson: append_json(entry, out); break;
    case Format::kEcs: append_ecs(entry, out); break;
    case Format::kCommon: append_common(entry, out); break;
    case Format::kCombined:
      append_common(entry, out);
      out += ' ';
      append_quoted(entry.referer, out);
      out += ' ';
      append_quoted(entry.user_agent, out);
      break;
  }
  out += '\n';
}

}  // namespace banyan::access_log
