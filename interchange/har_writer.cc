// SPDX-License-Identifier: Apache-2.0
//
// HTTP Archive 1.2. What it has no place for stands in members that begin with `_`, as the format
// asks: `_banyan` of an entry (facts_json.h), `_encoding` of a request's body, `_value_base64` of a
// field's value.
#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "core/base/text.h"
#include "core/http/message.h"
#include "core/json/json_writer.h"
#include "core/model/record.h"
#include "interchange/exchange_writer.h"
#include "interchange/facts_json.h"
#include "interchange/request_url.h"

namespace banyan::interchange {
namespace {

using json::JsonWriter;

constexpr std::string_view kNoType = "application/octet-stream";

double milliseconds(std::int64_t nanoseconds) {
  return static_cast<double>(std::max<std::int64_t>(nanoseconds, 0)) / 1e6;
}

std::string_view type_of(const Fields& fields) {
  const std::string_view type = value_of(fields, "Content-Type");
  return type.empty() ? kNoType : type;
}

// "a=1; b=2" of Cookie, or the first pair of a Set-Cookie. Browsers show these; headers hold them
// as they were.
void write_cookies(JsonWriter& json, const Fields& fields, std::string_view name) {
  json.key("cookies").begin_array();
  for (const Field& field : fields) {
    if (!equal_ignoring_case(field.name, name)) continue;
    for (const std::string_view pair : split(field.value, ';')) {
      const auto equals = pair.find('=');
      if (equals != std::string_view::npos) {
        json.begin_object().member("name", trim(pair.substr(0, equals)));
        json.member("value", trim(pair.substr(equals + 1))).end_object();
      }
      if (name == "Set-Cookie") break;
    }
  }
  json.end_array();
}

void write_query(JsonWriter& json, std::string_view target) {
  json.key("queryString").begin_array();
  const std::string_view query = query_of(target);
  if (!query.empty()) {
    for (const std::string_view pair : split(query, '&')) {
      const auto equals = pair.find('=');
      const std::string_view name = pair.substr(0, equals);
      const std::string_view value =
          equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
      json.begin_object().member("name", percent_decode(name).value_or(std::string(name)));
      json.member("value", percent_decode(value).value_or(std::string(value))).end_object();
    }
  }
  json.end_array();
}

// "text", and in base64 where it is none.
void write_text(JsonWriter& json, std::string_view bytes, std::string_view encoding_member) {
  if (is_utf8(bytes)) {
    json.member("text", bytes);
  } else {
    json.member("text", base64_of_bytes(bytes)).member(encoding_member, "base64");
  }
}

void write_request(JsonWriter& json, const Exchange& exchange) {
  json.key("request").begin_object().member("method", exchange.method);
  json.member("url", url_of(exchange));
  json.member("httpVersion", model::http_version_name(exchange.http_version));
  write_cookies(json, exchange.fields, "Cookie");
  write_fields(json, "headers", exchange.fields);
  write_query(json, exchange.target);
  if (!exchange.body.bytes.empty()) {
    json.key("postData").begin_object().member("mimeType", type_of(exchange.fields));
    json.key("params").begin_array().end_array();
    write_text(json, exchange.body.bytes, "_encoding");
    json.end_object();
  }
  json.member("headersSize", -1).member("bodySize", exchange.body.length).end_object();
}

void write_response(JsonWriter& json, const StoredAnswer& answer) {
  json.key("response").begin_object().member("status", int{answer.status});
  json.member("statusText", http::reason_phrase(answer.status));
  json.member("httpVersion", model::http_version_name(answer.http_version));
  write_cookies(json, answer.fields, "Set-Cookie");
  write_fields(json, "headers", answer.fields);
  json.key("content").begin_object().member("size", answer.body.length);
  json.member("mimeType", type_of(answer.fields));
  if (!answer.body.bytes.empty()) write_text(json, answer.body.bytes, "encoding");
  json.end_object().member("redirectURL", value_of(answer.fields, "Location"));
  json.member("headersSize", -1).member("bodySize", answer.body.length).end_object();
}

// As browsers write an exchange that nobody answered.
void write_no_response(JsonWriter& json) {
  json.key("response").begin_object().member("status", 0).member("statusText", "");
  json.member("httpVersion", "unknown").key("cookies").begin_array().end_array();
  json.key("headers").begin_array().end_array().key("content").begin_object();
  json.member("size", 0).member("mimeType", "x-unknown").end_object();
  json.member("redirectURL", "").member("headersSize", -1).member("bodySize", -1).end_object();
}

void write_timings(JsonWriter& json, const Exchange& exchange) {
  double wait = 0;
  double receive = 0;
  if (exchange.answer) {
    wait = milliseconds(exchange.answer->first_byte.mono_ns - exchange.started.mono_ns);
    receive = milliseconds(exchange.answer->ended.mono_ns - exchange.answer->first_byte.mono_ns);
  } else if (exchange.outcome) {
    wait = milliseconds(exchange.outcome->ended.mono_ns - exchange.started.mono_ns);
  }
  json.member("time", wait + receive).key("cache").begin_object().end_object();
  json.key("timings").begin_object().member("blocked", -1).member("dns", -1);
  json.member("connect", -1).member("ssl", -1).member("send", 0);
  json.member("wait", wait).member("receive", receive).end_object();
}

class HarWriter final : public ExchangeWriter {
 public:
  void begin(std::string& out) override {
    out += R"({"log":{"version":"1.2","creator":{"name":"Banyan","version":")" BANYAN_VERSION
           R"("},"entries":[)";
  }

  bool write(const Exchange& exchange, std::string& out) override {
    count_bodies(exchange);
    out += is_first_ ? "\n" : ",\n";
    is_first_ = false;
    JsonWriter json(out);
    json.begin_object().member("startedDateTime", format_time(exchange.started.wall_ns));
    write_timings(json, exchange);
    write_request(json, exchange);
    if (exchange.answer) {
      write_response(json, *exchange.answer);
    } else {
      write_no_response(json);
    }
    json.key("_banyan");
    write_facts(json, exchange, FactsStyle{});
    json.end_object();
    return true;
  }

  void end(std::string& out) override { out += "\n]}}\n"; }

 private:
  bool is_first_ = true;
};

}  // namespace

std::unique_ptr<ExchangeWriter> make_har_writer() { return std::make_unique<HarWriter>(); }

}  // namespace banyan::interchange
