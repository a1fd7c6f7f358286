// SPDX-License-Identifier: Apache-2.0
//
// Names to addresses without blocking (c-ares over our loop): /etc/hosts first, then DNS. One
// family at a time, so that trouble with one of them never hides the other. The settings of the
// machine (resolv.conf) are read again for every burst of questions.
// Confined to its loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/net/event_loop.h"

namespace banyan::net {

struct DnsOptions {
  std::vector<std::string> servers;         // "10.0.0.2:53", "[::1]:53"; none: those of resolv.conf
  std::string resolv_conf;                  // "" = /etc/resolv.conf
  std::int64_t timeout_ns = 2'000'000'000;  // of the first try; later ones are given more
  int tries = 3;                            // per server
  std::int64_t ttl_min_ns = 5'000'000'000;  // a name is asked for again no sooner
  std::int64_t ttl_max_ns = 3'600'000'000'000;  // … and no later
  std::int64_t retry_ns = 1'000'000'000;        // after a failure; doubles with each
  std::int64_t retry_max_ns = 30'000'000'000;   // … up to here
  std::size_t addresses_max = 64;               // of one name and family; more are left out
};

enum class AddressFamily { kIpv4, kIpv6 };

struct NameAnswer {
  enum class Outcome {
    kAddresses,
    kNone,    // the name has no address of this family, or does not exist
    kFailed,  // nobody knows: no answer, a server that failed, nonsense
  };
  Outcome outcome = Outcome::kFailed;
  std::vector<std::string> addresses;  // "10.1.2.3", "2001:db8::1"
  std::size_t left_out = 0;            // past addresses_max
  std::int64_t ttl_ns = 0;             // the shortest of the answer; 0 for /etc/hosts
  std::string message;                 // for people, unless there are addresses
};

class Resolver {
 public:
  Resolver(EventLoop& loop, DnsOptions options);
  ~Resolver();  // asks nobody any more; no callback runs
  // Runs `done` on the loop, once, maybe before it returns.
  using Done = std::function<void(NameAnswer)>;
  void resolve(const std::string& name, AddressFamily family, Done done);
  // For what is asked from here on.
  void set_options(DnsOptions options);
  const DnsOptions& options() const;

  // "" or what is wrong with a server as configured.
  static std::string problem_with_server(std::string_view server);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace banyan::net
