// SPDX-License-Identifier: Apache-2.0
//
// The inline proxy: N workers with one loop each and SO_REUSEPORT listeners. The client waits for
// the primary (and for the durability its route asks for), for nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/model/record_io.h"
#include "core/model/redaction.h"
#include "core/net/socket.h"
#include "core/obs/metrics.h"
#include "proxy/access_entry.h"
#include "proxy/options.h"
#include "proxy/refusals.h"
#include "recorder/recorder.h"
#include "routing/routing_table.h"

namespace banyan::crypto {
class SubjectKeys;
}

namespace banyan::proxy {

struct ProxyStats {
  std::uint64_t connections_open = 0, connections_accepted = 0, exchanges_open = 0;
  std::uint64_t exchanges = 0, refused = 0;
  std::uint64_t durable_waits = 0, durable_timeouts = 0;
};

// Told of requests refused before admission (ledger). Any worker.
using RefusedListener = std::function<void(int status)>;

// What the workers need of the recorder; the seam for tests with a sink of their own.
struct LogDoor {
  std::uint16_t node = 0;
  Epoch epoch;
  std::string log_uuid;  // names this Banyan in the loop guard
  std::function<std::uint16_t()> next_lane_number;
  std::function<std::unique_ptr<model::RecordSink>(std::function<void()> wake)> open_lane;
};
LogDoor log_door(recorder::Recorder& recorder);

// What not every proxy has.
struct ProxyExtras {
  AccessSink* access = nullptr;  // outlives the proxy
  // Listening sockets that somebody else opened; a listener takes those of its address. One that
  // nobody takes is an error.
  std::vector<net::Listening> inherited = {};
  // Keys of subjects, where options.subject names some; the lanes of the log seal by them. Outlives
  // the proxy.
  crypto::SubjectKeys* subjects = nullptr;
};

class Proxy {
 public:
  // Binds every listener (a port in use is an error that names it), starts nothing yet.
  static Result<std::unique_ptr<Proxy>> open(ProxyOptions options, Clock& clock,
                                             routing::RoutingCell& routing,
                                             recorder::Recorder& recorder,
                                             const model::Redactor& redactor,
                                             const crypto::KeyRing& keys, obs::Metrics& metrics,
                                             RefusedListener on_refused, ProxyExtras extras = {});
  static Result<std::unique_ptr<Proxy>> open(ProxyOptions options, Clock& clock,
                                             routing::RoutingCell& routing, LogDoor log,
                                             const model::Redactor& redactor,
                                             const crypto::KeyRing& keys, obs::Metrics& metrics,
                                             RefusedListener on_refused, ProxyExtras extras = {});
  ~Proxy();
  void start();
  // Stops accepting, closes idle connections, waits at most `drain_ns` for the rest; then cuts.
  // abort_drain() from another thread ends the wait at once.
  void stop(std::int64_t drain_ns);
  void abort_drain();
  // Cuts exchanges whose primary is the candidate on this route ("" = all): `rollback --cut`.
  void cut(std::string_view route);
  // Other options while serving, in two steps: what can fail (sockets, files), and what cannot.
  // `workers` stays as it was. Not while stop() runs.
  class Change;
  Result<std::shared_ptr<Change>> prepare(const ProxyOptions& next, bool renews_upstreams);
  // `at_standstill` runs while no worker does anything; then all go on by the new options. False,
  // and nothing has happened, where a worker did not come to a standstill within kStandstillNs.
  bool apply(std::shared_ptr<Change> change, const std::function<void()>& at_standstill);
  static constexpr std::int64_t kStandstillNs = 2'000'000'000;

  // For a watchdog: asks every worker, and whether all have answered since.
  void ask_beat();
  bool has_answered_beat() const;

  std::vector<std::string> addresses() const;  // as bound: "127.0.0.1:43121"
  ProxyStats stats() const;
  // Refused messages by reason, with masked samples. Any thread.
  std::vector<Refusals::Reason> refusals() const;

 private:
  Proxy();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace banyan::proxy
