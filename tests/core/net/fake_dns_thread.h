// SPDX-License-Identifier: Apache-2.0
//
// A scripted DNS server for code that blocks: its loop has a thread of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/core/net/fake_dns.h"

namespace banyan::net {

class FakeDnsThread {
 public:
  // `answer`: the reply to a question, on that thread; "" for silence.
  explicit FakeDnsThread(std::function<std::string(const DnsQuestion&)> answer)
      : loop_(std::move(EventLoop::create()).value()),
        dns_(std::make_unique<FakeDns>(*loop_,
                                       [answer = std::move(answer)](const DnsQuestion& question) {
                                         std::string reply = answer(question);
                                         return reply.empty()
                                                    ? std::vector<std::string>()
                                                    : std::vector<std::string>{std::move(reply)};
                                       })),
        address_(dns_->address()),
        thread_([this] { loop_->run(); }) {}
  ~FakeDnsThread() {
    loop_->stop();
    thread_.join();
  }
  const std::string& address() const { return address_; }

 private:
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<FakeDns> dns_;
  const std::string address_;
  std::thread thread_;
};

}  // namespace banyan::net
