// SPDX-License-Identifier: Apache-2.0
//
// One exchange a line: the fields of the Elastic Common Schema that say something about it, and
// everything else under `banyan` (facts_json.h), so that a line reads back exactly.
#include <utility>

#include "core/base/text.h"
#include "core/json/json_writer.h"
#include "core/model/record.h"
#include "interchange/exchange_writer.h"
#include "interchange/facts_json.h"
#include "interchange/request_url.h"

namespace banyan::interchange {
namespace {

using json::JsonWriter;

constexpr std::string_view kEcsVersion = "8.11.0";

void write_body(JsonWriter& json, const StoredBody& body) {
  json.key("body").begin_object().member("bytes", body.length);
  // What is no text stands under banyan, in base64.
  if (!body.bytes.empty() && is_utf8(body.bytes)) json.member("content", body.bytes);
  json.end_object();
}

void write_mime_type(JsonWriter& json, const Fields& fields) {
  const std::string_view type = value_of(fields, "Content-Type");
  if (!type.empty()) json.member("mime_type", trim(type.substr(0, type.find(';'))));
}

std::string_view outcome_of(const Exchange& exchange) {
  if (!exchange.answer) return exchange.outcome ? "failure" : "unknown";
  return exchange.answer->status < 400 ? "success" : "failure";
}

const Instant* end_of(const Exchange& exchange) {
  if (exchange.answer) return &exchange.answer->ended;
  return exchange.outcome ? &exchange.outcome->ended : nullptr;
}

// The client nearest to us: the last address that was added.
std::string_view client_of(const Exchange& exchange) {
  const std::string_view chain = value_of(exchange.fields, "X-Forwarded-For");
  const auto comma = chain.rfind(',');
  return trim(comma == std::string_view::npos ? chain : chain.substr(comma + 1));
}

void write_event(JsonWriter& json, const Exchange& exchange) {
  json.key("event").begin_object().member("kind", "event").key("category").begin_array();
  json.string("web").end_array().member("dataset", "banyan.exchange");
  json.member("id", exchange.id.to_string()).member("outcome", outcome_of(exchange));
  json.member("start", format_time(exchange.started.wall_ns));
  if (const Instant* const end = end_of(exchange)) {
    json.member("end", format_time(end->wall_ns));
    json.member("duration", end->mono_ns - exchange.started.mono_ns);
  }
  json.end_object();
}

void write_http(JsonWriter& json, const Exchange& exchange) {
  json.key("http").begin_object();
  json.member("version", model::http_version_name(exchange.http_version).substr(5));
  json.key("request").begin_object().member("method", exchange.method);
  write_mime_type(json, exchange.fields);
  write_body(json, exchange.body);
  json.end_object();
  if (exchange.answer) {
    json.key("response").begin_object().member("status_code", int{exchange.answer->status});
    write_mime_type(json, exchange.answer->fields);
    write_body(json, exchange.answer->body);
    json.end_object();
  }
  json.end_object();
}

void write_url(JsonWriter& json, const Exchange& exchange) {
  const std::string_view target = exchange.target;
  json.key("url").begin_object().member("original", target);
  json.member("scheme", scheme_of(exchange)).member("domain", host_of(exchange));
  json.member("path", target.substr(0, target.find('?')));
  if (const std::string_view query = query_of(target); !query.empty()) json.member("query", query);
  json.end_object();
}

class NdjsonWriter final : public ExchangeWriter {
 public:
  bool write(const Exchange& exchange, std::string& out) override {
    count_bodies(exchange);
    JsonWriter json(out);
    json.begin_object().member("@timestamp", format_time(exchange.started.wall_ns));
    json.key("ecs").begin_object().member("version", kEcsVersion).end_object();
    write_event(json, exchange);
    write_http(json, exchange);
    write_url(json, exchange);
    if (const std::string_view client = client_of(exchange); !client.empty()) {
      json.key("client").begin_object().member("ip", client).end_object();
    }
    if (const auto agent = value_of(exchange.fields, "User-Agent"); !agent.empty()) {
      json.key("user_agent").begin_object().member("original", agent).end_object();
    }
    json.key("labels").begin_object().member("route", exchange.route);
    json.member("primary", to_string(exchange.primary));
    if (exchange.verdict) json.member("verdict", to_string(*exchange.verdict));
    json.end_object().key("banyan");
    write_facts(json, exchange, FactsStyle{true});
    json.end_object();
    out.push_back('\n');
    return true;
  }
};

}  // namespace

std::unique_ptr<ExchangeWriter> make_ndjson_writer() { return std::make_unique<NdjsonWriter>(); }

}  // namespace banyan::interchange
