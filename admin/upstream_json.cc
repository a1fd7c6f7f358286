// SPDX-License-Identifier: Apache-2.0
#include "admin/upstream_json.h"

#include "admin/json_shapes.h"

namespace banyan::admin {
namespace {

void write_address(json::JsonWriter& json, const net::EndpointStatus& status) {
  json.begin_object().member("address", status.address).member("state", status.state);
  json.member("health", status.health).member("reason", status.reason);
  json.member("ejected_for", seconds(status.ejected_for_ns)).member("share", status.share);
  json.member("in_flight", status.in_flight).member("connections", status.connections);
  json.member("requests", status.requests).member("failures", status.failures);
  json.member("failures_in_a_row", status.failures_in_a_row);
  json.member("ejections", status.ejections).end_object();
}

}  // namespace

void write_upstream(json::JsonWriter& json, const net::EndpointsStatus& status) {
  json.member("circuit", status.circuit).member("circuit_openings", status.circuit_openings);
  json.member("overloaded", status.overloaded);
  json.member("addresses_left_out", status.addresses_left_out);
  json.key("addresses").begin_array();
  for (const net::EndpointStatus& address : status.endpoints) write_address(json, address);
  json.end_array().key("names").begin_array();
  for (const net::NameStatus& name : status.names) {
    json.begin_object().member("name", name.name);
    json.member("addresses", static_cast<std::uint64_t>(name.addresses));
    json.member("lookups", name.lookups).member("failures", name.failures);
    json.member("error", name.error).end_object();
  }
  json.end_array();
}

}  // namespace banyan::admin
