// SPDX-License-Identifier: Apache-2.0
//
// Keeps the addresses of one name current: asks for both families, again when the answer's time is
// up, with some jitter; after a failure sooner, with back-off. What DNS cannot tell any more stays:
// old addresses are given up only for new ones. Confined to its loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/net/endpoints.h"
#include "core/net/event_loop.h"
#include "core/net/resolver.h"

namespace banyan::net {

class NameWatch {
 public:
  // `where` names it in the operator's log: "systems.legacy". `on_news` runs on the loop whenever
  // addresses or status changed, never inside the constructor. It may not destroy the watch.
  NameWatch(EventLoop& loop, Resolver& resolver, std::string where, std::string name,
            std::function<void()> on_news);
  ~NameWatch();
  void start();

  const std::string& name() const { return status_.name; }
  // IPv4 first, each in the order of the answer.
  std::vector<std::string> addresses() const;
  // The first lookup has ended, one way or the other.
  bool is_settled() const { return is_settled_; }
  const NameStatus& status() const { return status_; }

 private:
  void look_up();
  void answered(AddressFamily family, NameAnswer answer);
  void take_what_there_is();
  void conclude();
  void went_well();
  void went_wrong(std::string why);
  std::int64_t spread(std::int64_t delay_ns, int from_percent, int to_percent);
  NameAnswer& answer_of(AddressFamily family) { return answers_[static_cast<int>(family)]; }

  EventLoop& loop_;
  Resolver& resolver_;
  const std::string where_;
  const std::function<void()> on_news_;
  NameStatus status_;
  bool is_settled_ = false;
  std::vector<std::string> addresses_[2];  // by family
  NameAnswer answers_[2];                  // of this lookup
  int waits_for_ = 0;                      // families
  Dice dice_;
  Timer next_;
  Timer patience_;
  std::shared_ptr<int> alive_;  // what questions under way hold weakly
};

}  // namespace banyan::net
