// SPDX-License-Identifier: Apache-2.0
//
// [limits], [timeouts], [mirror] and [noise]: sizes, times and rates.
#include <string>

#include "config/loaders.h"
#include "config/units.h"
#include "core/base/text.h"
#include "core/http/leniency.h"

namespace banyan::config {
namespace {

void load_http2_limits(TableReader table, net::Http2Options& http2) {
  table.read_integer("streams", http2.streams_max, {1, 10'000});
  table.read_size("stream_window", http2.stream_window_bytes, {64 * kKiB, 16 * kMiB});
  table.read_size("connection_window", http2.connection_window_bytes, {64 * kKiB, 64 * kMiB});
  table.read_integer("continuations", http2.continuations_max, {1, 1000});
  table.read_integer("control_frames", http2.control_frames_max, {50, 1'000'000});
  table.read_integer("control_frames_per_second", http2.control_frames_per_second, {0, 1'000'000});
  table.read_integer("resets", http2.resets_max, {1, 1'000'000});
  table.read_integer("resets_per_second", http2.resets_per_second, {0, 1'000'000});
  table.finish();
  if (http2.stream_window_bytes > http2.connection_window_bytes) {
    const Node* at = table.node().find("stream_window");
    table.problems().error(
        at != nullptr ? *at : *table.node().find("connection_window"),
        "limits.http2.stream_window must fit into limits.http2.connection_window (" +
            format_size(http2.connection_window_bytes) + ")");
  }
}

}  // namespace

void load_limits(TableReader& root, Config& config) {
  TableReader table = root.table("limits");
  proxy::LimitOptions& limits = config.proxy.limits;
  table.read_size("head", limits.head_bytes_max, {kKiB, kMiB});
  table.read_integer("fields", limits.fields_max, {10, 10'000});
  table.read_size("target", limits.target_bytes_max, {64, kMiB});
  table.read_size("line", limits.line_bytes_max, {256, kMiB});
  table.read_size("body", limits.body_bytes_max, {0, kTiB});
  table.read_size("body_captured", limits.body_captured_max, {0, kTiB});
  table.read_integer("connections", limits.connections_max, {1, 1'000'000});
  limits.connections_per_client_max = limits.connections_max;
  table.read_integer("connections_per_client", limits.connections_per_client_max, {1, 1'000'000});
  table.read_integer("requests_per_connection", limits.requests_per_connection_max,
                     {0, 1'000'000'000});
  table.read_size("rate_floor", limits.rate_floor, {0, kMiB});
  load_http2_limits(table.table("http2"), limits.http2);
  table.finish();
  limits.http2.section_bytes_max = limits.head_bytes_max;
  if (limits.target_bytes_max > limits.head_bytes_max) {
    const Node* at = table.node().find("target");
    table.problems().error(
        at != nullptr ? *at : *table.node().find("head"),
        "limits.target must fit into limits.head (" + format_size(limits.head_bytes_max) + ")");
  }
  for (proxy::SystemOptions* system :
       {&config.proxy.legacy, &config.proxy.candidate, &config.twin}) {
    system->upstream.limits.head_bytes_max = limits.head_bytes_max;
    system->upstream.limits.fields_max = limits.fields_max;
    system->upstream.limits.target_bytes_max = limits.target_bytes_max;
    system->upstream.limits.line_bytes_max = limits.line_bytes_max;
  }
  config.mirror.body_bytes_max = limits.body_captured_max;
}

// Both systems are read by the same rules: else a difference could be the reader's.
void load_http(TableReader& root, Config& config) {
  TableReader table = root.table("http");
  std::vector<std::string> names;
  if (table.read_strings("lenient", names)) {
    const Node& node = *table.node().find("lenient");
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (const auto one = http::leniency_of(names[i])) {
        config.proxy.lenient.add(*one);
        continue;
      }
      std::string known;
      for (const std::string_view name : http::kLeniencyNames) {
        known.append(known.empty() ? "" : ", ").append(name);
      }
      table.problems().error(node.items[i], "not a leniency", "one of " + known);
    }
  }
  table.finish();
  for (proxy::SystemOptions* system :
       {&config.proxy.legacy, &config.proxy.candidate, &config.twin}) {
    system->upstream.limits.lenient = config.proxy.lenient;
  }
}

void load_timeouts(TableReader& root, Config& config) {
  TableReader table = root.table("timeouts");
  proxy::TimeoutOptions& timeouts = config.proxy.timeouts;
  constexpr NumberRange kRange = {kMillisecond, 3600 * kSecond};
  table.read_duration("handshake", timeouts.handshake_ns, kRange);
  table.read_duration("head", timeouts.head_ns, kRange);
  table.read_duration("body", timeouts.body_ns, kRange);
  table.read_duration("keep_alive", timeouts.keep_alive_ns, kRange);
  table.read_duration("write", timeouts.write_ns, kRange);
  table.read_duration("drain", timeouts.drain_ns, {0, 3600 * kSecond});
  table.read_duration("rate_grace", timeouts.rate_grace_ns, kRange);
  table.finish();
}

void load_mirror(TableReader& root, Config& config) {
  TableReader table = root.table("mirror");
  replay::MirrorOptions& mirror = config.mirror;
  table.read_integer("in_flight", mirror.in_flight_max, {1, 65'536});
  table.read_duration("deadline", mirror.deadline_ns, {kMillisecond, 3600 * kSecond});
  table.read_duration("read_staleness", mirror.read_staleness_ns, {0, 365 * kDay});
  table.read_number("rate", mirror.rate_per_second, 0, 1e9);
  table.read_number("catch_up", mirror.catch_up, 1, 1000);
  table.finish();
}

void load_noise(TableReader& root, Config& config) {
  constexpr double kShareMax = 0.5;  // above it legacy would do its work nearly twice
  TableReader table = root.table("noise");
  replay::NoiseOptions& noise = config.mirror.noise;
  table.read_integer("confirm", noise.confirm, {0, 5});
  table.read_number("legacy_budget", noise.legacy_budget, 0, kShareMax);
  table.read_number("legacy_floor", noise.legacy_floor, 0, 1000);
  table.read_number("control", noise.control, 0, kShareMax);
  table.read_number("twin", noise.twin, 0, 1);
  table.read_integer("queue", noise.queue_max, {1, 65'536});
  table.read_integer("in_flight", noise.in_flight_max, {1, 1024});
  table.finish();
}

}  // namespace banyan::config
