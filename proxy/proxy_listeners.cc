// SPDX-License-Identifier: Apache-2.0
//
// Listening sockets: new ones, or those that somebody handed over.
#include <algorithm>
#include <utility>

#include "core/net/inherited_socket.h"
#include "core/obs/log.h"
#include "proxy/listener_tls.h"
#include "proxy/proxy_impl.h"

namespace banyan::proxy {

Result<Proxy::Impl::Sockets> Proxy::Impl::open_sockets(const ListenerOptions& options) const {
  Sockets sockets;
  sockets.address = options.address;
  std::vector<int> handed_over;
  for (const net::Listening& socket : inherited) {
    if (socket.address == options.address) handed_over.push_back(socket.fd.get());
  }
  if (!handed_over.empty()) {
    sockets.is_inherited = true;
    // Every socket has a worker and every worker a socket, whichever are more. (A worker with
    // several gets them as further plans of the same name.)
    const std::size_t count = std::max(workers.size(), handed_over.size());
    for (std::size_t i = 0; i < count; ++i) {
      auto copy = net::duplicate(handed_over[i % handed_over.size()]);
      if (!copy.ok()) return copy.error();
      sockets.fds.push_back(std::move(*copy));
    }
    return sockets;
  }
  // Sockets that share a port also share it with another Banyan of the same user. A socket that
  // does not share finds out whether the port is free.
  const auto parts = net::split_host_port(options.address);
  if (!parts.ok()) return parts.error();
  if (parts->port != "0") {
    const auto probe = net::listen_on(options.address, false);
    if (!probe.ok()) return probe.error();
  }
  for (std::size_t i = 0; i < workers.size(); ++i) {
    auto listening = net::listen_on(sockets.address, true);
    if (!listening.ok()) return listening.error();
    sockets.address = listening->address;  // The first one chooses where the port is 0.
    sockets.fds.push_back(std::move(listening->fd));
  }
  return sockets;
}

Status Proxy::Impl::bind() {
  std::vector<std::string> names;
  for (const ListenerOptions& options : shared->options.listeners) {
    names.push_back(options.address);
    auto facts = make_facts(options);
    if (!facts.ok()) return facts.error();
    auto sockets = open_sockets(options);
    if (!sockets.ok()) return sockets.error();
    if (!inherited.empty() && !sockets->is_inherited) {
      obs::log_warning("proxy", "no socket was handed over for " + options.address +
                                    ": clients are refused there during a restart");
    }
    for (std::size_t i = 0; i < sockets->fds.size(); ++i) {
      workers[i % workers.size()]->add_listener(
          {options.address, *facts, std::move(sockets->fds[i]), sockets->is_inherited});
    }
    MutexLock lock(mutex);
    bound.push_back({options, std::move(sockets->address), std::move(*facts)});
  }
  for (const net::Listening& socket : inherited) {
    if (std::find(names.begin(), names.end(), socket.address) != names.end()) continue;
    std::string known;
    for (const std::string& name : names) known += (known.empty() ? "" : ", ") + name;
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                      "socket activation: a socket for " + socket.address +
                          " was handed over, but no [[listeners]] has this address (they have " +
                          known + "); make ListenStream= and address the same");
  }
  return {};
}

void Proxy::Impl::publish_tls() {
  std::vector<ListenerCell> cells;
  {
    MutexLock lock(mutex);
    for (const Bound& one : bound) {
      if (one.facts->tls != nullptr) cells.push_back({one.options.address, one.facts->tls});
    }
  }
  publish_certificates(shared->metrics, std::move(cells));
}

}  // namespace banyan::proxy
