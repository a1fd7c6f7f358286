// SPDX-License-Identifier: Apache-2.0
//
// The one engine that sends copies, for the live mirror and for runs: builds the copy of a recorded
// request, sends it, captures the answer and encodes its SHADOW. When to send, in which order and
// what to do when nothing could be sent are the owner's business.
// Confined to the loop it was made for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/model/record_io.h"
#include "core/model/redaction.h"
#include "core/net/event_loop.h"
#include "core/net/upstream.h"
#include "replay/copy_request.h"
#include "replay/mirror.h"

namespace banyan::replay {

struct CopyJob {
  const model::RequestRecord* request = nullptr;  // valid while the call lives
  std::string_view stream;                        // where the REQUEST lies, for a body in chunks
  Offset offset;
  RunId run;
  System to = System::kCandidate;
  StreamedBody body;
  // What is known of the primary's body, now or by the time the answer is whole; kind kNone while
  // nothing is. Valid while the call lives. Null: the SHADOW holds its body in any case.
  const model::Body* primary_body = nullptr;
  bool records_unavailable = false;  // a 503 is an answer like any other
};

enum class CopyEndKind {
  kAnswered,     // `shadow` is to be appended
  kNoAnswer,     // bytes were sent and no whole answer came; likewise
  kNotSent,      // no connection: not one byte went out
  kUnavailable,  // 503
  kLost,         // the recorded body is not (all) there any more
};

struct CopyEnd {
  CopyEndKind kind = CopyEndKind::kNotSent;
  std::uint16_t status = 0;
  std::string_view shadow;         // an encoded SHADOW; valid during on_copy_end
  std::string_view cause;          // stable word; static or valid during on_copy_end
  std::uint64_t spared_bytes = 0;  // of a body that stands in the RESPONSE alone
};

class CopyCall;
// Gives the call back to its sender, which uses it again.
struct CopyCallReturn {
  void operator()(CopyCall* call) const;
};
using CopyCallPtr = std::unique_ptr<CopyCall, CopyCallReturn>;

class CopyOwner {
 public:
  virtual ~CopyOwner() = default;
  // Exactly once per call, never inside Sender::start(). The call may be given back inside.
  virtual void on_copy_end(CopyCall& call, const CopyEnd& end) = 0;
};

// One copy under way; giving it back cancels.
class CopyCall {
 public:
  virtual ~CopyCall() = default;
  // The owner's deadline passed: ends it as kNoAnswer, or as kNotSent if nothing went out.
  virtual void expire() = 0;

 private:
  friend struct CopyCallReturn;
  virtual void give_back() = 0;
};

class Sender {
 public:
  // `connections_max` bounds each system's pool. Its calls must be given back before it dies.
  Sender(net::EventLoop& loop, Clock& clock, model::LogAccess& log, model::RecordSink& sink,
         const model::Redactor& redactor, SystemsOptions systems, std::size_t connections_max,
         std::uint64_t body_bytes_max);
  ~Sender();
  // For calls from now on; see UpstreamPool::reconfigure.
  void reconfigure(SystemsOptions systems, std::size_t connections_max,
                   std::uint64_t body_bytes_max, bool renews_connections);
  // An error: this copy can never be built (see build_copy).
  Result<CopyCallPtr> start(const CopyJob& job, CopyOwner& owner);

 private:
  class Call;
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace banyan::replay
