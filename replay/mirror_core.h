// SPDX-License-Identifier: Apache-2.0
//
// The live mirror without its thread: reads the log, decides when and in which order copies go, and
// records how each one ended. Inside of mirror.h; not for other rooms.
//
// A selected exchange becomes a Copy, which moves from stage to stage until a SHADOW or a SKIP of
// it is appended; from then on only its place in the log is kept, until that record is durable.
// Confined to the loop, but for the few members marked "any thread".
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/mutex.h"
#include "core/model/record_io.h"
#include "core/net/event_loop.h"
#include "replay/exchange_table.h"
#include "replay/linked_list.h"
#include "replay/mirror.h"
#include "replay/pacer.h"
#include "replay/primary_end.h"
#include "replay/record_fetcher.h"
#include "replay/resume_scan.h"
#include "replay/sender.h"
#include "replay/session_order.h"
#include "replay/stage_line.h"
#include "replay/turn_clock.h"

namespace banyan::replay {

class MirrorCore {
 public:
  static constexpr std::string_view kConsumer = "mirror";

  MirrorCore(net::EventLoop& loop, Clock& clock, model::LogAccess& log, model::RecordSink& sink,
             const model::Redactor& redactor, const MirrorPolicy& policy, SystemsOptions systems,
             MirrorOptions options);
  ~MirrorCore();
  // Loads the cursor, looks at what is behind it, opens the source. Before the loop runs.
  Status open();

  // On the loop.
  void on_published();
  void on_tick();
  void on_turn_end();
  void reconfigure(SystemsOptions systems, const MirrorOptions& options, bool renews_connections);
  void set_paused(bool paused);
  void on_retention(const std::string& stream, Offset end);
  // Sends nothing more; true once nothing is in flight.
  void drain() { is_draining_ = true; }
  bool is_idle() const { return line(Stage::kInFlight).empty(); }
  void close();                 // commits the cursor
  std::int64_t lag_ns() const;  // age of the oldest copy not yet ended
  // How soon on_tick() wants to be called; 0: not before something is published.
  std::int64_t tick_after_ns() const;

  // What on_published() has use for.
  model::RecordKinds wanted() const;

  // Any thread.
  MirrorStats stats() const;

 private:
  enum class Stage : std::uint8_t {
    kGathering,  // a write waits for its primary, or a body in chunks for its end
    kArrived,    // may go as far as it knows; the order is looked at once the log was read on
    kAwaitingDurable,
    kWaiting,  // for an earlier write of its session
    kReadyLegacy,
    kReadyCandidate,
    kDelayed,  // after a 503
    kParked,   // a write whose route is not mirrored now
    kInFlight,
    kUnrecorded,  // ended, but the log refused the record; tried again
    kEnded,       // its object waits for the next exchange
  };
  static constexpr int kStages = 11;

  struct Copy;
  struct Stream;
  struct Route {
    std::string name;
    std::uint64_t asked_in_turn = 0;
    bool is_mirrored = true;
  };
  // What is new with each exchange that a Copy serves.
  struct CopyState {
    ExchangeId exchange;
    Stream* stream = nullptr;
    Offset offset;          // of the REQUEST
    Offset closing_offset;  // of the record after which nothing of it is missing
    std::int64_t append_wall_ns = 0;
    Instant started;
    Route* route = nullptr;
    System to = System::kCandidate;
    Stage stage = Stage::kGathering;
    bool is_write = false;
    bool is_past = false;  // recorded before this start of the mirror
    bool has_chunks = false, chunks_ended = false, chunks_complete = false;
    StreamedBody body;
    PrimaryEnd end;
    model::Body primary_body;    // its length and digest; kind kNone until the RESPONSE was read
    std::size_t kept_bytes = 0;  // of it, what counts in kept_bytes_
    std::uint32_t attempts = 0;
  };
  // Used again by a later exchange, with the memory it holds.
  struct Copy final : OrderedCopy, CopyOwner, CopyState {
    explicit Copy(MirrorCore& owner) : core(owner) {}
    void on_copy_end(CopyCall&, const CopyEnd& how) override { core.on_copy_end(*this, how); }
    void clear();

    MirrorCore& core;
    Link<Copy> log_link;      // in its stream
    Link<Copy> stage_link;    // in the line of its stage
    LinePlace place;          // likewise
    Copy* chained = nullptr;  // in pending_
    CopyCallPtr call;
    std::string request;           // encoded REQUEST; "" when it is read again from the log
    model::RequestRecord decoded;  // views `request`; valid while that is there
    std::string unrecorded;
  };
  struct Stream {
    std::string name;
    LinkedList<Copy, &Copy::log_link> copies;  // not ended, in log order
    Offset retention_end;                      // what is before it goes away now
  };
  // Exchanges of one stream that ended in one turn, whose SHADOWs and SKIPs a crash could still
  // undo.
  struct Ended {
    const Stream* stream = nullptr;
    std::uint64_t turn = 0;
    Offset first;          // least of the REQUESTs
    model::Ticket ticket;  // of the last record
    std::size_t count = 0;
  };
  // What is known of one system: reachable, or probed by one copy at a time.
  struct Gate {
    int failures = 0;
    std::int64_t retry_at_ns = 0;
    Copy* probe = nullptr;
    int unavailable_in_a_row = 0;
    std::string cause;
  };
  using Line = StageLine<Copy, &Copy::stage_link>;
  // Copies that wait for the next exchange; more are freed.
  static constexpr std::size_t kSpareMax = 1024;

  // mirror_intake.cc: from records to copies that may go.
  void read();
  bool has_room() const;
  Status apply(const model::SourcedRecord& record);
  Status on_request(const model::SourcedRecord& sourced);
  void on_chunk(Copy& copy, const model::SourcedRecord& sourced);
  void on_primary_end(Copy& copy, const model::SourcedRecord& sourced);
  void note_primary_body(Copy& copy, const model::SourcedRecord& sourced);
  void on_gap(const model::GapRecord& gap);
  void on_hole(const model::SourcedRecord& hole);
  std::unique_ptr<Copy> new_copy();
  void spare(std::unique_ptr<Copy> copy);
  Result<bool> fill(Copy& copy, const model::SourcedRecord& sourced);
  void enter(Copy& copy);
  void settle(Copy& copy);
  void release_durable();
  void release_arrived();
  void admit(Copy& copy);
  Stream& stream_of(std::string_view name);
  Route* route_of(std::string_view name);

  // mirror_dispatch.cc: from copies that may go to records.
  void dispatch();
  void dispatch_to(System to);
  bool may_send(System to) const;
  void start(Copy& copy);
  bool is_stale(const Copy& copy) const;
  bool is_mirrored(Route& route);
  bool load_request(Copy& copy);
  void count_kept(Copy& copy);
  void on_copy_end(Copy& copy, const CopyEnd& end);
  void on_not_sent(Copy& copy, std::string_view cause);
  void on_unavailable(Copy& copy);
  void on_reached(Copy& copy);
  void skip(Copy& copy, SkipReason reason);
  void record(Copy& copy, std::string_view encoded);
  void finish(Copy& copy, model::Ticket ticket);
  void note_ended(const Copy& copy, model::Ticket ticket);
  void retry_unrecorded();

  // mirror_core.cc
  void act();
  void move_to(Copy& copy, Stage stage, std::int64_t key = 0);
  void make_ready(Copy& copy);
  Line& line(Stage stage) { return lines_[static_cast<std::size_t>(stage)]; }
  const Line& line(Stage stage) const { return lines_[static_cast<std::size_t>(stage)]; }
  Line& ready(System to) {
    return line(to == System::kLegacy ? Stage::kReadyLegacy : Stage::kReadyCandidate);
  }
  std::int64_t age_ns(const Copy& copy) const;
  void expire_overdue();
  void release_delayed();
  void sweep();
  void forget_durable();
  void commit_cursor();
  void update_gauges();
  void update_lag();
  void set_waiting_for(std::string text);

  net::EventLoop& loop_;
  Clock& clock_;
  model::LogAccess& log_;
  model::RecordSink& sink_;
  const MirrorPolicy& policy_;
  MirrorOptions options_;
  Sender sender_;
  RecordFetcher fetcher_;
  ResumeScan resume_;
  Pacer pacer_;
  SessionOrder order_;
  std::unique_ptr<model::RecordSource> source_;

  std::map<std::string, Stream, std::less<>> streams_;
  std::map<std::string, Route, std::less<>> routes_;
  ExchangeTable<Copy> pending_;  // not ended
  std::array<Line, kStages> lines_;
  std::deque<Ended> ended_;
  std::size_t ended_count_ = 0;  // exchanges in it
  std::vector<std::unique_ptr<Copy>> spare_;
  std::string encoded_skip_;
  model::ResponseRecord response_head_;
  std::array<Gate, 2> gates_;
  std::uint64_t sequence_ = 0;
  std::uint64_t turn_ = 0;
  std::size_t kept_bytes_ = 0;
  std::int64_t last_append_wall_ns_ = 0;
  TurnClock turn_clock_;
  Instant now_;
  std::int64_t swept_ns_ = 0;
  std::int64_t committed_ns_ = 0;
  model::Cursor committed_;
  bool is_exhausted_ = false;  // the source had nothing more
  bool was_selected_ = true;   // the REQUEST read last
  bool is_read_posted_ = false;
  bool is_paused_ = false;
  bool is_draining_ = false;
  bool needs_dispatch_ = false;

  std::atomic<std::uint64_t> equal_bodies_{0}, equal_body_bytes_{0};
  std::atomic<std::uint64_t> mirrored_{0}, no_answer_{0}, pending_count_{0}, pending_writes_{0},
      in_flight_count_{0}, position_sum_{0};
  std::array<std::atomic<std::uint64_t>, 64> skipped_{};
  std::atomic<std::int64_t> oldest_wall_ns_{0};
  std::atomic<bool> paused_flag_{false};
  mutable Mutex mutex_;
  std::string waiting_for_ GUARDED_BY(mutex_);
};

}  // namespace banyan::replay
