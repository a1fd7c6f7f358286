// SPDX-License-Identifier: Apache-2.0
#include "core/net/channel.h"

#include <utility>

#include "core/base/check.h"

namespace banyan::net {

Channel::Channel(UniqueFd fd, std::unique_ptr<TlsSession> tls) : fd_(std::move(fd)) {
  start_tls(std::move(tls));
}

Channel& Channel::operator=(Channel&& other) noexcept {
  if (this == &other) return *this;
  close();
  fd_ = std::move(other.fd_);
  tls_ = std::move(other.tls_);
  resets_on_close_ = std::exchange(other.resets_on_close_, false);
  return *this;
}

void Channel::start_tls(std::unique_ptr<TlsSession> tls) {
  CHECK(tls_ == nullptr);
  tls_ = std::move(tls);
  if (tls_ != nullptr) tls_->attach(fd_.get());
}

HandshakeOutcome Channel::handshake() {
  return tls_ == nullptr ? HandshakeOutcome::kDone : tls_->handshake();
}

Sent Channel::send(const iovec* pieces, std::size_t count) {
  if (tls_ != nullptr) return tls_->send(pieces, count);
  return send_pieces(fd_.get(), pieces, count);
}

void Channel::shut_down_sending() {
  if (tls_ != nullptr) tls_->close_notify();
  net::shut_down_sending(fd_.get());
}

void Channel::set_reset_on_close() {
  resets_on_close_ = true;
  if (fd_.is_open()) net::set_reset_on_close(fd_.get());
}

void Channel::close() {
  if (!fd_.is_open()) return;
  if (tls_ != nullptr) {
    if (!resets_on_close_) tls_->close_notify();
    tls_.reset();
  }
  fd_.reset();
  resets_on_close_ = false;
}

}  // namespace banyan::net
