// SPDX-License-Identifier: Apache-2.0
//
// The keys that seal TLS session tickets. They rotate, so that a stolen one opens little.
// Internal to core/net.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/base/clock.h"
#include "core/base/mutex.h"

namespace banyan::net {

// Any thread: shared by all workers of a listener, and by the contexts that follow one another at
// reloads.
class TicketKeys {
 public:
  struct Key {
    std::array<unsigned char, 16> name{};
    std::array<unsigned char, 32> cipher{};  // AES-256-CBC
    std::array<unsigned char, 32> mac{};     // HMAC-SHA256
    std::int64_t since_ns = 0;               // monotonic
  };

  explicit TicketKeys(const Clock& clock) : clock_(clock) {}
  ~TicketKeys();

  // The key that seals now; a new one where the last has sealed for long enough. False without
  // randomness.
  bool current(Key& out);
  // The key of this name, if tickets under it are still good.
  bool find(const unsigned char* name, Key& out);

  static constexpr std::int64_t kSealsForNs = 3'600'000'000'000;  // one hour
  static constexpr std::size_t kKeysMax = 3;                      // the current one included

 private:
  const Clock& clock_;
  Mutex mutex_;
  std::vector<Key> keys_ GUARDED_BY(mutex_);  // the newest first
};

}  // namespace banyan::net
