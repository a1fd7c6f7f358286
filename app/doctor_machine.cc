// SPDX-License-Identifier: Apache-2.0
//
// Ports, descriptors, clock, disk and kernel.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>

#include "app/doctor.h"
#include "core/base/file_system.h"
#include "core/base/text.h"
#include "core/net/socket.h"

namespace banyan::app {
namespace {

constexpr std::uint64_t kOwnDescriptors = 256;  // log, state, loops, admin, libraries
constexpr std::size_t kBacklog = 1024;          // of net::listen_on
constexpr std::uint64_t kReadBytesMax = 4096;

// The numbers in a small file of /proc; empty where it cannot be read.
std::vector<std::uint64_t> numbers_in(const std::string& path) {
  std::vector<std::uint64_t> numbers;
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return numbers;
  char text[kReadBytesMax] = "";
  const std::size_t size = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  std::string word;
  for (std::size_t i = 0; i <= size; ++i) {
    if (i < size && text[i] >= '0' && text[i] <= '9') {
      word += text[i];
    } else if (!word.empty()) {
      numbers.push_back(parse_u64(word).value_or(0));
      word.clear();
    }
  }
  return numbers;
}

void check_port(const char* what, const std::string& address, bool is_running, Findings& findings) {
  const auto listening = net::listen_on(address, false, 1);
  if (listening.ok()) {
    findings.ok("ports", std::string(what) + " " + address + " is free");
  } else if (listening.error().system_errno == EADDRINUSE && is_running) {
    findings.ok("ports", std::string(what) + " " + address + " is held by the running Banyan");
  } else if (listening.error().system_errno == EADDRINUSE) {
    findings.fail("ports", std::string(what) + " " + address + " is in use by another program",
                  "`ss -ltnp` shows by which; a socket unit of systemd holds its ports, too");
  } else if (listening.error().system_errno == EACCES) {
    findings.fail("ports", std::string(what) + " " + address + " may not be bound",
                  "ports below 1024 need CAP_NET_BIND_SERVICE or socket activation; see "
                  "docs/operations.md");
  } else {
    findings.fail("ports", std::string(what) + ": " + listening.error().message,
                  "is the address one of this machine?");
  }
}

std::string name_of_file_system(long type) {
  switch (static_cast<unsigned long>(type)) {
    case 0xEF53: return "ext4";
    case 0x58465342: return "xfs";
    case 0x9123683E: return "btrfs";
    case 0x01021994: return "tmpfs";
    case 0x6969: return "nfs";
    case 0x794C7630: return "overlayfs";
    case 0xFF534D42: return "cifs";
    case 0x65735546: return "fuse";
    default: return "type " + hex_of_u64(static_cast<std::uint64_t>(type)).substr(8);
  }
}

// The folder itself, or the nearest one above it that exists.
std::string existing_folder(std::string path) {
  while (!path.empty() && ::access(path.c_str(), F_OK) != 0) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    path.resize(slash == 0 ? 1 : slash);
    if (slash == 0) break;
  }
  return path.empty() ? "." : path;
}

void check_file_system(const std::string& folder, Findings& findings) {
  struct statfs facts {};
  if (::statfs(folder.c_str(), &facts) != 0) {
    findings.warn("disk", error_from_errno(errno, ErrorOrigin::kDisk, folder).message, "");
    return;
  }
  const std::string name = name_of_file_system(facts.f_type);
  if (name == "tmpfs") {
    findings.warn("disk", folder + " lies in memory (tmpfs): a reboot takes the log along",
                  "put data_dir on a disk");
  } else if (name == "nfs" || name == "cifs" || name == "fuse") {
    findings.warn("disk", folder + " lies on a " + name + " file system",
                  "syncs over a network take long and may lie; put data_dir on a local disk");
  } else {
    findings.ok("disk", folder + " lies on " + name);
  }
}

}  // namespace

void check_ports(const config::Config& config, bool is_running, Findings& findings) {
  for (const proxy::ListenerOptions& listener : config.proxy.listeners) {
    check_port("listener", listener.address, is_running, findings);
  }
  check_port("admin", config.admin.address, is_running, findings);
}

void check_descriptors(const config::Config& config, std::uint64_t limit, Findings& findings) {
  // Each client may hold one connection to a system as well.
  const std::uint64_t wanted =
      config.proxy.limits.connections_max + config.proxy.legacy.upstream.connections_max +
      config.proxy.candidate.upstream.connections_max * 2 + kOwnDescriptors;
  const std::string text = "up to " + std::to_string(wanted) + " descriptors are needed, " +
                           std::to_string(limit) + " are allowed";
  if (limit >= wanted) {
    findings.ok("descriptors", text);
  } else {
    findings.warn("descriptors", text,
                  "raise LimitNOFILE= (or ulimit -Hn), or lower limits.connections; past the limit "
                  "accepting pauses");
  }
}

void check_clock(Findings& findings) {
  timespec coarse{}, fine{};
  if (clock_gettime(CLOCK_REALTIME, &fine) != 0 || clock_getres(CLOCK_MONOTONIC, &coarse) != 0) {
    findings.fail("clock", "the system has no usable clock", "");
    return;
  }
  constexpr std::time_t k2024 = 1'704'067'200;
  if (fine.tv_sec < k2024) {
    findings.fail("clock", "the wall clock is before 2024", "set it, and run an NTP client");
    return;
  }
  timex facts{};
  const int state = adjtimex(&facts);
  if (state < 0) {
    findings.warn("clock", "whether the clock is synchronised cannot be told", "");
  } else if (state == TIME_ERROR || (facts.status & STA_UNSYNC) != 0) {
    findings.warn("clock", "the wall clock is not synchronised",
                  "run an NTP client; order in the log does not depend on it, times in it do");
  } else {
    findings.ok("clock", "the wall clock is synchronised, error at most " +
                             format_duration_ns(facts.maxerror * 1000));
  }
  if (coarse.tv_sec > 0 || coarse.tv_nsec > 10'000'000) {
    findings.warn("clock", "the monotonic clock is coarser than 10 ms", "timeouts will be late");
  }
}

void check_data_directory(const config::Config& config, Findings& findings) {
  const std::string folder = existing_folder(config.data_dir);
  const bool exists = folder == config.data_dir;
  check_file_system(folder, findings);
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    findings.fail("disk", folder + " cannot be written by this user",
                  "give it to the user that runs Banyan");
    return;
  }
  struct stat facts {};
  if (exists && ::stat(folder.c_str(), &facts) == 0 && (facts.st_mode & 0077) != 0) {
    findings.warn(
        "disk",
        folder + " can be read by others (mode " + std::to_string((facts.st_mode >> 6) & 7) +
            std::to_string((facts.st_mode >> 3) & 7) + std::to_string(facts.st_mode & 7) + ")",
        "chmod 700: it holds recorded traffic and keys");
  }
  const auto space = FileSystem::posix().space(folder);
  if (!space.ok()) {
    findings.warn("disk", space.error().message, "");
    return;
  }
  const recorder::RecorderOptions& log = config.recorder;
  const auto floor = log.min_free_bytes > 0
                         ? log.min_free_bytes
                         : static_cast<std::uint64_t>(static_cast<double>(space->total_bytes) *
                                                      log.min_free_ratio);
  const std::string text = format_size(space->free_bytes) + " free of " +
                           format_size(space->total_bytes) + " for " + config.data_dir;
  if (space->free_bytes < floor) {
    findings.fail("disk", text + ", below log.retention.min_free (" + format_size(floor) + ")",
                  "make room, or the log keeps next to nothing");
  } else if (space->free_bytes - floor < log.segment_bytes * 2) {
    findings.warn("disk", text + ": not two segments above log.retention.min_free",
                  "make room, or lower log.segment_size");
  } else if (!exists && space->free_bytes < log.retention_bytes) {
    findings.warn(
        "disk", text + ", less than log.retention.size (" + format_size(log.retention_bytes) + ")",
        "the free-space floor will end segments before their size does");
  } else {
    findings.ok("disk", text);
  }
}

void check_kernel(const config::Config& config, Findings& findings) {
  const auto backlog = numbers_in("/proc/sys/net/core/somaxconn");
  if (!backlog.empty()) {
    const std::string text = "net.core.somaxconn is " + std::to_string(backlog[0]);
    if (backlog[0] < kBacklog) {
      findings.warn(
          "kernel",
          text + ": bursts of connections wait in a shorter line than " + std::to_string(kBacklog),
          "sysctl -w net.core.somaxconn=4096");
    } else {
      findings.ok("kernel", text);
    }
  }
  const auto ports = numbers_in("/proc/sys/net/ipv4/ip_local_port_range");
  if (ports.size() == 2 && ports[1] > ports[0]) {
    const std::uint64_t count = ports[1] - ports[0];
    const std::size_t wanted = std::max(config.proxy.legacy.upstream.connections_max,
                                        config.proxy.candidate.upstream.connections_max) *
                               2;
    const std::string text =
        std::to_string(count) + " local ports for connections to one address of a system";
    if (count < wanted) {
      findings.warn("kernel", text, "widen net.ipv4.ip_local_port_range");
    } else {
      findings.ok("kernel", text);
    }
  }
}

}  // namespace banyan::app
