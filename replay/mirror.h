// SPDX-License-Identifier: Apache-2.0
//
// The live mirror: replay at the log's tail, run 0. Runs on the sender loop (in the background).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/base/clock.h"
#include "core/model/record_io.h"
#include "core/model/redaction.h"
#include "core/net/upstream.h"
#include "replay/options.h"

namespace banyan::replay {

// What the mirror asks of routing while it runs; app wires it to RoutingControl. Any thread.
class MirrorPolicy {
 public:
  virtual ~MirrorPolicy() = default;
  // False: mirror_percent of the route is 0 now: reads are skipped route_off, writes stay pending.
  virtual bool is_mirrored(std::string_view route) const = 0;
  // True: the route mirrors writes now; reconcile then also looks at writes that were skipped
  // `write`.
  virtual bool mirrors_writes(std::string_view route) const {
    (void)route;
    return false;
  }
};

// The two systems as a sender of copies sees them.
struct SystemsOptions {
  net::UpstreamOptions legacy, candidate;
  // Host of a copy, as the proxy's: "" keeps the client's.
  std::string legacy_host, candidate_host;
  std::uint64_t digest_seed = 0;  // KeyRing::digest_seed(), so that digests of both answers compare
  // A second instance of legacy, asked by witnesses alone; "twin" in their runs.
  std::optional<net::UpstreamOptions> twin = std::nullopt;
  std::string twin_host = "";
};

// Of witnesses (docs/noise.md).
struct WitnessStats {
  std::uint64_t confirmations = 0, controls = 0;                        // exchanges asked for again
  std::uint64_t asked_legacy = 0, asked_candidate = 0, asked_twin = 0;  // questions
  std::uint64_t waiting = 0;                         // exchanges that wait for theirs
  std::map<std::string, std::uint64_t> passed_over;  // exchanges that were chosen, by reason
};

struct MirrorStats {
  bool is_paused = false;
  std::uint64_t pending = 0, pending_writes = 0, in_flight = 0;
  std::uint64_t mirrored = 0, no_answer = 0;
  std::uint64_t equal_bodies = 0, equal_body_bytes = 0;  // not stored again
  std::map<std::string, std::uint64_t> skipped, dropped;
  std::uint64_t lag_records = 0;
  std::int64_t lag_ns = 0;  // age of the oldest copy not yet ended
  WitnessStats witnesses;
  std::string waiting_for;  // "" or why nothing moves: "candidate: connect_failed", "paused" …
};

class Mirror {
 public:
  // Goes on from its cursor; an exchange that already has a SHADOW or SKIP of run 0 is not sent
  // again.
  static Result<std::unique_ptr<Mirror>> open(Clock& clock, model::LogAccess& log,
                                              std::unique_ptr<model::RecordSink> sink,
                                              const model::Redactor& redactor,
                                              const MirrorPolicy& policy, SystemsOptions systems,
                                              MirrorOptions options);
  ~Mirror();
  void start();
  // Ends copies in flight within `patience_ns`, commits the cursor, ends.
  void stop(std::int64_t patience_ns);
  // Other systems and bounds for copies from now on; those in flight end as they began. Any thread.
  void reconfigure(SystemsOptions systems, const MirrorOptions& options, bool renews_connections);
  void pause(bool paused);  // any thread; `mirror pause|resume`
  MirrorStats stats() const;
  // Wired to Recorder::set_retention_listener; any thread.
  void on_retention(std::string_view stream, Offset first, Offset end);

 private:
  Mirror();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace banyan::replay
