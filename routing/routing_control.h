// SPDX-License-Identifier: Apache-2.0
//
// Changes of the dials and their truth on disk (data_dir/state/routing). A move to legacy acts in
// memory first and is persisted after; a move to the candidate acts only after it is persisted.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/file_system.h"
#include "core/model/record_io.h"
#include "routing/routing_table.h"

namespace banyan::routing {

struct DialsPatch {
  std::optional<std::uint32_t> candidate_share;  // hundredths of a percent
  std::optional<std::uint32_t> mirror_share;
  std::optional<bool> mirror_writes;
};

struct RouteStatus {
  std::string name;
  model::Dials dials;
  model::Dials configured;
  std::string stage;            // observe parallel_run canary cutover retired
  std::string conflict;         // "" or what differs between config and run time, in words
  bool is_rolled_back = false;  // latched until a person raises it
  std::int64_t changed_wall_ns = 0;
  std::string changed_by, changed_reason;
};
std::string_view stage_of(const model::Dials& dials);

class RoutingControl {
 public:
  // The first start takes the config's dials. Later a missing or damaged state file means legacy
  // everywhere, latched and loudly (`warnings`). Fails for routes that cannot be compiled, or a
  // state file of another version. `files`, `keys` and `sink` (may be null) must outlive this;
  // `files` also a call that hangs in it.
  static Result<std::unique_ptr<RoutingControl>> open(FileSystem& files, Clock& clock,
                                                      RoutingOptions options,
                                                      const crypto::KeyRing& keys,
                                                      model::RecordSink* sink,
                                                      std::vector<std::string>& warnings);
  ~RoutingControl();  // tries once more to persist, within persist_wait_ns

  RoutingCell& cell();
  // Blocks on the disk (at most persist_wait_ns, then kUnavailable and nothing changed) when it
  // moves anything towards the candidate; kCancelled when a rollback came meanwhile. Any thread but
  // a proxy worker's.
  Result<RouteStatus> set(std::string_view route, const DialsPatch& patch, std::string_view by,
                          std::string_view reason);
  // Sets candidate_share to 0 on one or on all ("" = all). Never blocks, never fails for a known
  // route; async-safe it is not: signals come by the main thread. Any thread.
  Result<std::vector<RouteStatus>> rollback(std::string_view route, std::string_view by,
                                            std::string_view reason);
  // Back to the configured dials; waits like set() where that raises candidate_share.
  Result<RouteStatus> reset(std::string_view route, std::string_view by, std::string_view reason);
  // The config's routes in place of those in force, as a whole or not at all. What people set at
  // run time stays, by the rules of a restart: it beats the file until `reset`, and where the file
  // changed since, the lower candidate_share holds. Waits like set() where a share rises.
  // `commit` gets a function that puts the new table in force, and calls it when the rest of the
  // config is ready; where it answers false it has not, and the reload is off (kUnavailable). A
  // rollback that comes meanwhile stands. Any thread but a proxy worker's.
  using Publish = std::function<void()>;
  Status reload(RoutingOptions next, const std::function<bool(const Publish&)>& commit,
                std::vector<std::string>& warnings);
  std::vector<RouteStatus> list() const;
  std::uint64_t epoch() const;
  bool has_unpersisted_change() const;  // an alarm in status and metrics
  std::string persist_error() const;    // why, "" where the disk has not refused
  std::uint64_t persist_failures() const;

  // Called on the changing thread after a change is in force (route name). For events and metrics.
  void set_change_listener(std::function<void(const RouteStatus&)> listener);

 private:
  struct Impl;
  explicit RoutingControl(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace banyan::routing
