// SPDX-License-Identifier: Apache-2.0
#include "replay/session_order.h"

#include <utility>

#include "core/base/check.h"

namespace banyan::replay {

SessionOrder::Key SessionOrder::begin_of(const OrderedCopy& copy) {
  return {copy.epoch, copy.started_mono_ns, copy.sequence};
}

SessionOrder::Key SessionOrder::end_of(const OrderedCopy& copy) {
  return {copy.epoch, copy.ended_mono_ns, copy.sequence};
}

bool SessionOrder::is_held(const Session& session, const OrderedCopy& copy) {
  if (session.holding.empty()) return false;
  // The write that ended first decides: if even it overlapped with this copy, all others did.
  const auto& [epoch, ended, sequence] = *session.holding.begin();
  (void)sequence;
  return epoch < copy.epoch || (epoch == copy.epoch && ended < copy.started_mono_ns);
}

void SessionOrder::hold(OrderedCopy& copy) {
  if (copy.session == 0) return;
  CHECK(!copy.is_holding);
  sessions_[copy.session].holding.insert(end_of(copy));
  copy.is_holding = true;
}

bool SessionOrder::must_wait(const OrderedCopy& copy) const {
  const auto found = sessions_.find(copy.session);
  return found != sessions_.end() && is_held(found->second, copy);
}

void SessionOrder::wait(OrderedCopy& copy) {
  CHECK(!copy.is_waiting && copy.session != 0);
  sessions_[copy.session].waiting.insert({begin_of(copy), &copy});
  copy.is_waiting = true;
}

void SessionOrder::release(OrderedCopy& copy, std::vector<OrderedCopy*>& freed) {
  if (!copy.is_holding && !copy.is_waiting) return;
  const auto found = sessions_.find(copy.session);
  CHECK(found != sessions_.end());
  Session& session = found->second;
  if (copy.is_holding) session.holding.erase(end_of(copy));
  if (copy.is_waiting) session.waiting.erase({begin_of(copy), &copy});
  copy.is_holding = copy.is_waiting = false;
  while (!session.waiting.empty()) {
    OrderedCopy* const first = session.waiting.begin()->second;
    if (is_held(session, *first)) break;
    session.waiting.erase(session.waiting.begin());
    first->is_waiting = false;
    freed.push_back(first);
  }
  if (session.holding.empty() && session.waiting.empty()) sessions_.erase(found);
}

}  // namespace banyan::replay
