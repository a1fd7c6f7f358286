// SPDX-License-Identifier: Apache-2.0
//
// Tells the service manager (systemd, Type=notify-reload) how we are: one datagram to NOTIFY_SOCKET
// per message, without libsystemd. Where nobody listens, nothing is sent. Never blocks. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/net/socket.h"

namespace banyan::app {

class ServiceNotifier {
 public:
  // `address`: an absolute path, "@name" for an abstract socket, or "" for none. kInvalidArgument
  // for others.
  static Result<ServiceNotifier> open(std::string_view address);
  // From NOTIFY_SOCKET; a bad one is a warning, since serving does not depend on it.
  static ServiceNotifier of_process();

  bool is_on() const { return fd_.is_open(); }
  void ready(std::string_view status) const;
  void reloading(std::int64_t monotonic_us) const;
  void stopping(std::string_view status) const;
  void status(std::string_view status) const;
  void alive() const;

 private:
  ServiceNotifier() = default;
  void send(const std::string& message) const;

  net::UniqueFd fd_;
  std::string address_;  // the bytes of a sockaddr_un
};

// WATCHDOG_USEC, where it is meant for this process; 0: no watchdog.
std::int64_t watchdog_period_ns(const char* watchdog_usec, const char* watchdog_pid, long own_pid);

}  // namespace banyan::app
