// SPDX-License-Identifier: Apache-2.0
#include "app/service_notifier.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "core/base/text.h"
#include "core/obs/log.h"

namespace banyan::app {
namespace {

constexpr std::size_t kStatusBytesMax = 512;
constexpr std::uint64_t kWatchdogUsecMax = 86'400ULL * 1'000'000;

// One line, whatever it says.
std::string status_line(std::string_view status) {
  return "STATUS=" + escape_for_terminal(status, kStatusBytesMax);
}

}  // namespace

Result<ServiceNotifier> ServiceNotifier::open(std::string_view address) {
  ServiceNotifier notifier;
  if (address.empty()) return notifier;
  sockaddr_un target{};
  target.sun_family = AF_UNIX;
  const bool is_abstract = address.front() == '@';
  if ((!is_abstract && address.front() != '/') || address.size() < 2 ||
      address.size() >= sizeof target.sun_path) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                      "NOTIFY_SOCKET=\"" + escape_for_terminal(address, 200) +
                          "\" is neither an absolute path nor @name");
  }
  std::memcpy(target.sun_path, address.data(), address.size());
  if (is_abstract) target.sun_path[0] = '\0';
  // An abstract name ends with its bytes, a path with its zero.
  const std::size_t size = offsetof(sockaddr_un, sun_path) + address.size() + (is_abstract ? 0 : 1);
  notifier.address_.assign(reinterpret_cast<const char*>(&target), size);
  notifier.fd_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!notifier.fd_.is_open()) {
    return error_from_errno(errno, ErrorOrigin::kInternal, "cannot make a socket to NOTIFY_SOCKET");
  }
  return notifier;
}

ServiceNotifier ServiceNotifier::of_process() {
  const char* address = std::getenv("NOTIFY_SOCKET");
  auto opened = open(address == nullptr ? std::string_view() : std::string_view(address));
  if (opened.ok()) return *std::move(opened);
  obs::log_warning("app", opened.error().message + "; the service manager hears nothing");
  return ServiceNotifier();
}

void ServiceNotifier::send(const std::string& message) const {
  if (!is_on()) return;
  const auto* target = reinterpret_cast<const sockaddr*>(address_.data());
  // What cannot be told now is not worth waiting for; the next message may get through.
  (void)::sendto(fd_.get(), message.data(), message.size(), MSG_NOSIGNAL, target,
                 static_cast<socklen_t>(address_.size()));
}

void ServiceNotifier::ready(std::string_view status) const {
  send("READY=1\n" + status_line(status));
}

void ServiceNotifier::reloading(std::int64_t monotonic_us) const {
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_us) + "\n" +
       status_line("reloading the config"));
}

void ServiceNotifier::stopping(std::string_view status) const {
  send("STOPPING=1\n" + status_line(status));
}

void ServiceNotifier::status(std::string_view status) const { send(status_line(status)); }
void ServiceNotifier::alive() const { send("WATCHDOG=1"); }

std::int64_t watchdog_period_ns(const char* watchdog_usec, const char* watchdog_pid, long own_pid) {
  if (watchdog_usec == nullptr) return 0;
  const auto period = parse_u64(watchdog_usec);
  if (!period || *period == 0 || *period > kWatchdogUsecMax) return 0;
  if (watchdog_pid != nullptr) {
    const auto pid = parse_u64(watchdog_pid);
    if (!pid || *pid != static_cast<std::uint64_t>(own_pid)) return 0;
  }
  return static_cast<std::int64_t>(*period) * 1000;
}

}  // namespace banyan::app
