// SPDX-License-Identifier: Apache-2.0
//
// The inside of Proxy, shared by its sources: proxy.cc (life), proxy_listeners.cc (sockets) and
// proxy_reload.cc.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/mutex.h"
#include "core/net/socket.h"
#include "proxy/proxy.h"
#include "proxy/shared.h"
#include "proxy/worker.h"

namespace banyan::proxy {

struct Proxy::Impl {
  // A listener as it is in force.
  struct Bound {
    ListenerOptions options;
    std::string address;  // with the real port
    std::shared_ptr<ListenerFacts> facts;
  };

  std::unique_ptr<Shared> shared;
  std::vector<net::Listening> inherited;  // kept, so that a listener can go and come back
  std::vector<std::unique_ptr<Worker>> workers;
  bool is_started = false;
  std::atomic<bool> is_stopping{false};
  std::atomic<std::uint64_t> beats_asked{0};
  mutable Mutex mutex;
  std::condition_variable changed;
  std::vector<Bound> bound GUARDED_BY(mutex);
  bool is_drain_aborted GUARDED_BY(mutex) = false;

  // One socket per worker for this listener: the inherited ones of its address, or new ones that
  // share the port.
  struct Sockets {
    std::vector<net::UniqueFd> fds;
    std::string address;
    bool is_inherited = false;
  };
  Result<Sockets> open_sockets(const ListenerOptions& options) const;
  Status bind();
  // To the metrics: the listeners' certificates, as they are from now on.
  void publish_tls();
  bool have_all_ended() const {
    for (const auto& worker : workers) {
      if (!worker->has_ended()) return false;
    }
    return true;
  }
  void wait_for_end(std::int64_t patience_ns, bool heeds_abort);
};

}  // namespace banyan::proxy
