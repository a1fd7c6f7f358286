// SPDX-License-Identifier: Apache-2.0
#include "core/net/event_loop.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <vector>

#include "core/base/mutex.h"
#include "core/net/socket.h"

namespace banyan::net {

struct EventLoop::TurnEndHook::Entry {
  std::function<void()> hook;
  bool is_alive = true;
};

struct EventLoop::Impl {
  event_base* base = nullptr;
  UniqueFd wake_fd;
  event wake_event{};
  bool has_wake_event = false;

  std::atomic<bool> is_stopping{false};
  Mutex mutex;
  std::vector<std::function<void()>> posted GUARDED_BY(mutex);
  bool is_ended GUARDED_BY(mutex) = false;

  std::vector<std::function<void()>> running;
  std::vector<std::shared_ptr<void>> doomed;
  using Hooks = std::vector<std::shared_ptr<TurnEndHook::Entry>>;
  Hooks working, sending;

  // The clock is read at the first question of a turn, so that a turn nobody asks in costs nothing.
  mutable Instant turn_time;
  mutable bool has_turn_time = false;
  std::uint64_t turn = 1;
  int events_left = kTurnEventsMax;
  std::unique_ptr<char[]> scratch;

  void wake() {
    const std::uint64_t one = 1;
    // A full counter (EAGAIN) means that a wake-up is already due.
    while (::write(wake_fd.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
  }
  void drain_wake() {
    std::uint64_t count = 0;
    while (::read(wake_fd.get(), &count, sizeof count) < 0 && errno == EINTR) {
    }
  }
  static void on_wake(evutil_socket_t, short, void* self) {
    static_cast<Impl*>(self)->drain_wake();
  }

  void begin_turn() {
    has_turn_time = false;
    ++turn;
    events_left = kTurnEventsMax;
  }
  // Behind the last one libevent leaves; it has the others at hand when it is asked again.
  void count_event() {
    if (--events_left == 0) event_base_loopbreak(base);
  }
  void run_posted() {
    {
      MutexLock lock(mutex);
      running.swap(posted);
    }
    for (auto& task : running) {
      task();
      task = nullptr;  // What a task captured must not outlive its run by a turn.
    }
    running.clear();
  }
  // A destructor may doom further objects; each is a child of the last, so this ends.
  void destroy_doomed() {
    while (!doomed.empty()) {
      auto batch = std::move(doomed);
      doomed.clear();
      batch.clear();
    }
  }
  static void run_hooks(Hooks& hooks) {
    // By index: a hook may add hooks.
    for (std::size_t i = 0; i < hooks.size(); ++i) {
      const auto entry = hooks[i];
      if (entry->is_alive) entry->hook();
    }
    std::erase_if(hooks, [](const auto& entry) { return !entry->is_alive; });
  }
  void end_turn() {
    run_posted();
    destroy_doomed();
    run_hooks(working);
    destroy_doomed();
    run_hooks(sending);
    destroy_doomed();
    begin_turn();
  }
};

EventLoop::EventLoop() : impl_(std::make_unique<Impl>()) {}

Result<std::unique_ptr<EventLoop>> EventLoop::create() {
  std::unique_ptr<EventLoop> loop(new EventLoop());
  Impl& impl = *loop->impl_;
  event_config* config = event_config_new();
  if (config != nullptr) {
    // Only the loop's own thread touches the base; post() has its own lock and descriptor.
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    impl.base = event_base_new_with_config(config);
    event_config_free(config);
  }
  if (impl.base == nullptr) {
    return error_from_errno(errno, ErrorOrigin::kInternal, "cannot make an event loop");
  }
  impl.wake_fd.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!impl.wake_fd.is_open()) {
    return error_from_errno(errno, ErrorOrigin::kInternal, "cannot make an eventfd");
  }
  event_assign(&impl.wake_event, impl.base, impl.wake_fd.get(), EV_READ | EV_PERSIST,
               &Impl::on_wake, &impl);
  if (event_add(&impl.wake_event, nullptr) != 0) {
    return error_from_errno(errno, ErrorOrigin::kInternal, "cannot watch an eventfd");
  }
  impl.has_wake_event = true;
  return loop;
}

EventLoop::~EventLoop() {
  {
    MutexLock lock(impl_->mutex);
    impl_->is_ended = true;
    impl_->running.swap(impl_->posted);
  }
  impl_->running.clear();
  impl_->destroy_doomed();
  if (impl_->has_wake_event) event_del(&impl_->wake_event);
  if (impl_->base != nullptr) event_base_free(impl_->base);
}

void EventLoop::run() {
  while (!impl_->is_stopping.load(std::memory_order_acquire)) {
    impl_->begin_turn();
    event_base_loop(impl_->base, EVLOOP_ONCE);
    impl_->end_turn();
  }
  // What was posted before stop() still runs; from here on nothing enters.
  {
    MutexLock lock(impl_->mutex);
    impl_->is_ended = true;
  }
  impl_->end_turn();
}

void EventLoop::run_once_for_test(std::int64_t patience_ns) {
  impl_->begin_turn();
  if (patience_ns > 0) {
    Timer limit(*this, [] {});
    limit.start(patience_ns);
    event_base_loop(impl_->base, EVLOOP_ONCE);
  } else {
    event_base_loop(impl_->base, EVLOOP_NONBLOCK);
  }
  impl_->end_turn();
}

void EventLoop::stop() {
  impl_->is_stopping.store(true, std::memory_order_release);
  impl_->wake();
}

bool EventLoop::post(std::function<void()> task) {
  bool was_empty = false;
  {
    MutexLock lock(impl_->mutex);
    if (impl_->is_ended || impl_->posted.size() >= kPostedMax) return false;
    was_empty = impl_->posted.empty();
    impl_->posted.push_back(std::move(task));
  }
  if (was_empty) impl_->wake();
  return true;
}

void EventLoop::destroy_later_erased(std::shared_ptr<void> object) {
  impl_->doomed.push_back(std::move(object));
}

std::unique_ptr<EventLoop::TurnEndHook> EventLoop::at_turn_end(std::function<void()> hook,
                                                               TurnEnd step) {
  auto entry = std::make_shared<TurnEndHook::Entry>();
  entry->hook = std::move(hook);
  (step == TurnEnd::kSend ? impl_->sending : impl_->working).push_back(entry);
  return std::unique_ptr<TurnEndHook>(new TurnEndHook(std::move(entry)));
}

Instant EventLoop::now() const {
  if (!impl_->has_turn_time) {
    impl_->turn_time = SystemClock::instance().now();
    impl_->has_turn_time = true;
  }
  return impl_->turn_time;
}

std::uint64_t EventLoop::turn() const { return impl_->turn; }

event_base* EventLoop::base() const { return impl_->base; }

char* EventLoop::scratch() {
  if (!impl_->scratch) impl_->scratch = std::make_unique<char[]>(kScratchBytes);
  return impl_->scratch.get();
}

EventLoop::TurnEndHook::~TurnEndHook() {
  // The loop drops its entry after the hooks of this turn; this one may be running right now.
  entry_->is_alive = false;
}

// libevent's timer is armed for some time at or before the deadline. When it fires too early,
// because the deadline moved away meanwhile, it is armed again for the rest.
struct Timer::Impl {
  explicit Impl(EventLoop& owner) : loop(owner) {}
  ~Impl() { event_del(&timer); }

  // First what every restart looks at.
  EventLoop& loop;
  std::int64_t deadline_ns = 0;
  std::int64_t armed_for_ns = 0;
  bool is_armed = false;
  bool is_running = false;
  std::function<void()> on_fire;
  event timer{};

  void arm(std::int64_t delay_ns) {
    const std::int64_t delay_us = std::max<std::int64_t>(delay_ns / 1000, 1000);
    timeval delay{};
    delay.tv_sec = static_cast<decltype(delay.tv_sec)>(delay_us / 1'000'000);
    delay.tv_usec = static_cast<decltype(delay.tv_usec)>(delay_us % 1'000'000);
    armed_for_ns = deadline_ns;
    is_armed = event_add(&timer, &delay) == 0;
  }
  static void on_timeout(evutil_socket_t, short, void* self) { static_cast<Impl*>(self)->fired(); }
  void fired() {
    is_armed = false;
    if (!is_running) return;
    const std::int64_t left = deadline_ns - loop.now().mono_ns;
    if (left > 0) {
      arm(left);
      return;
    }
    is_running = false;
    on_fire();
  }
};

Timer::Timer(EventLoop& loop, std::function<void()> on_fire) : impl_(std::make_unique<Impl>(loop)) {
  impl_->on_fire = std::move(on_fire);
  evtimer_assign(&impl_->timer, loop.base(), &Impl::on_timeout, impl_.get());
}

Timer::~Timer() {
  // The callback of this very timer may be on the stack, so its closure dies at the turn's end.
  event_del(&impl_->timer);
  EventLoop& loop = impl_->loop;
  loop.destroy_later(std::move(impl_));
}

void Timer::start(std::int64_t delay_ns) {
  impl_->deadline_ns = impl_->loop.now().mono_ns + std::max<std::int64_t>(delay_ns, 0);
  impl_->is_running = true;
  if (!impl_->is_armed || impl_->deadline_ns < impl_->armed_for_ns) impl_->arm(delay_ns);
}

void Timer::stop() { impl_->is_running = false; }

bool Timer::is_running() const { return impl_->is_running; }

struct FdWatch::Impl {
  explicit Impl(EventLoop::Impl& owner) : loop(owner) {}

  // First what every request looks at.
  EventLoop::Impl& loop;
  bool wants_read = false;
  bool wants_write = false;
  std::function<void(Ready)> on_ready;
  event read_event{};
  event write_event{};

  void became(Ready ready) {
    loop.count_event();
    on_ready(ready);
  }
  static void on_read(evutil_socket_t, short, void* self) {
    static_cast<Impl*>(self)->became(Ready::kRead);
  }
  static void on_write(evutil_socket_t, short, void* self) {
    static_cast<Impl*>(self)->became(Ready::kWrite);
  }
  static void want(event& which, bool& is_wanted, bool wanted) {
    if (is_wanted == wanted) return;
    is_wanted = wanted;
    if (wanted) {
      event_add(&which, nullptr);
    } else {
      event_del(&which);
    }
  }
};

FdWatch::FdWatch(EventLoop& loop, int fd, std::function<void(Ready)> on_ready)
    : loop_(loop), impl_(std::make_unique<Impl>(*loop.impl_)) {
  impl_->on_ready = std::move(on_ready);
  event_assign(&impl_->read_event, loop.base(), fd, EV_READ | EV_PERSIST, &Impl::on_read,
               impl_.get());
  event_assign(&impl_->write_event, loop.base(), fd, EV_WRITE | EV_PERSIST, &Impl::on_write,
               impl_.get());
}

FdWatch::~FdWatch() {
  want_read(false);
  want_write(false);
  loop_.destroy_later(std::move(impl_));
}

void FdWatch::want_read(bool wanted) { Impl::want(impl_->read_event, impl_->wants_read, wanted); }

void FdWatch::want_write(bool wanted) {
  Impl::want(impl_->write_event, impl_->wants_write, wanted);
}

}  // namespace banyan::net
