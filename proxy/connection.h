// SPDX-License-Identifier: Apache-2.0
//
// What a worker keeps of one accepted socket, whatever is spoken on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "proxy/forward_head.h"

namespace banyan::proxy {

// Of a connection's or a stream's buffers; what grew larger is given back after its exchange.
inline constexpr std::size_t kKeptCapacity = 16 * 1024;
// What is read and thrown away behind an answer that ends the connection, so that the client gets
// to see it (RFC 9112, section 9.6).
inline constexpr std::int64_t kLingerNs = 2'000'000'000;
inline constexpr std::uint64_t kLingerBytesMax = 1024 * 1024;
// How long a stop waits for the first request of who has connected within the same time.
inline constexpr std::int64_t kFreshNs = 500'000'000;

// Loop-confined. Its worker owns it; after close() it is destroyed at the end of the turn, and the
// only question it then answers is is_closed(). A connection that finds out what is spoken on its
// socket gives its place to another one (Worker::replace).
class Connection {
 public:
  Connection(Peer peer, std::uint64_t number) : peer_(std::move(peer)), number_(number) {}
  virtual ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // One of both, once.
  virtual void start() = 0;
  virtual void refuse_over_limit() = 0;
  // Deadlines.
  virtual void on_tick(std::int64_t now_ns) = 0;
  // After Worker::add_to_turn_end().
  virtual void on_turn_end() = 0;
  // No exchange after the present ones; closes if there are none.
  virtual void drain() = 0;
  // Ends every exchange with its records, then closes.
  virtual void shut_down() = 0;
  virtual void cut_if_candidate(std::string_view route) = 0;
  // Drops everything without a record; only when the process ends without its records anyway.
  virtual void abandon() = 0;

  bool is_closed() const { return is_closed_; }
  bool is_draining() const { return is_draining_; }
  const Peer& peer() const { return peer_; }
  std::uint64_t number() const { return number_; }

  // The worker's notes.
  std::size_t slot = 0;  // in its list
  bool is_in_turn_end_list = false;
  bool counts_as_open = false;  // holds a place among the connections

 protected:
  bool is_closed_ = false;
  bool is_draining_ = false;

 private:
  const Peer peer_;
  const std::uint64_t number_;
};

}  // namespace banyan::proxy
