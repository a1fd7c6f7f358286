// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "app/watchdog.h"
#include "proxy/proxy.h"
#include "recorder/recorder.h"

namespace banyan::app {

// The proxy's workers turn their loops.
class ProxyPulse final : public Pulse {
 public:
  explicit ProxyPulse(proxy::Proxy& proxy) : proxy_(proxy) {}
  void ask() override { proxy_.ask_beat(); }
  bool has_answered() const override { return proxy_.has_answered_beat(); }
  const char* name() const override { return "a proxy worker"; }

 private:
  proxy::Proxy& proxy_;
};

// The recorder thread turns, or waits for a disk: a restart would not heal that, and would take a
// proxy down that serves on without its log.
class RecorderPulse final : public Pulse {
 public:
  explicit RecorderPulse(recorder::Recorder& recorder) : recorder_(recorder) {}
  void ask() override {
    asked_at_ = recorder_.beats();
    recorder_.ask_beat();
  }
  bool has_answered() const override {
    return recorder_.beats() != asked_at_ || recorder_.is_at_disk();
  }
  const char* name() const override { return "the recorder"; }

 private:
  recorder::Recorder& recorder_;
  std::atomic<std::uint64_t> asked_at_{0};
};

}  // namespace banyan::app
