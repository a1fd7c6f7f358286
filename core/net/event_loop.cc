// SPDX-License-Identifier: Apache-2.0
#include "core/net/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <limits>
#include <map>
#include <vector>

#include "core/base/mutex.h"
#include "core/obs/log.h"

namespace banyan::net {
namespace {

// Of what a turn may serve, so many may be watches that look again without being told.
constexpr std::size_t kTurnLooksMax = EventLoop::kTurnEventsMax / 2;
// The nearest time that a timer is armed for: timers that start timers leave room for the rest.
constexpr std::int64_t kTimerNsMin = 1'000'000;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kWaitMsMax = 3'600'000;

constexpr std::uint32_t kFailed = EPOLLERR | EPOLLHUP;
// Behind the bytes that are there lies what no later change tells of: an end, an error, or what
// comes behind an urgent byte, at which a receive stops short.
constexpr std::uint32_t kEnding = EPOLLRDHUP | EPOLLPRI | kFailed;

}  // namespace

struct EventLoop::TurnEndHook::Entry {
  std::function<void()> hook;
  bool is_alive = true;
};

struct EventLoop::Impl {
  UniqueFd epoll;
  UniqueFd wake_fd;
  std::array<epoll_event, kTurnEventsMax> ready{};

  std::atomic<bool> is_stopping{false};
  Mutex mutex;
  std::vector<std::function<void()>> posted GUARDED_BY(mutex);
  bool is_ended GUARDED_BY(mutex) = false;

  std::vector<std::function<void()>> running;
  std::vector<std::shared_ptr<void>> doomed;
  using Hooks = std::vector<std::shared_ptr<TurnEndHook::Entry>>;
  Hooks working, sending;

  std::vector<FdWatch::Impl*> looks;  // in the next turn, without being told
  std::vector<FdWatch::Impl*> looking;
  using Timers = std::multimap<std::int64_t, Timer::Impl*>;
  Timers timers;  // by the monotonic time that each is armed for

  // The clock is read at the first question of a turn, so that a turn nobody asks in costs nothing.
  Instant turn_time;
  bool has_turn_time = false;
  std::uint64_t turn = 1;
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

  const Instant& now() {
    if (!has_turn_time) {
      turn_time = SystemClock::instance().now();
      has_turn_time = true;
    }
    return turn_time;
  }
  void begin_turn() {
    has_turn_time = false;
    ++turn;
  }

  // 0, or why not. `watch` null: wake_fd.
  int control(int operation, int fd, std::uint32_t events, FdWatch::Impl* watch);
  int patience_ms(std::int64_t patience_ns) const;
  std::size_t serve_looks();
  void serve_ready(int patience, std::size_t sockets_max);
  void run_timers();
  // Waits for so long where nothing is ready.
  void work(std::int64_t patience_ns) {
    begin_turn();
    const int patience = patience_ms(patience_ns);
    serve_ready(patience, kTurnEventsMax - serve_looks());
    run_timers();
    end_turn();
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
  impl.epoll.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!impl.epoll.is_open()) {
    return error_from_errno(errno, ErrorOrigin::kInternal, "cannot make an epoll descriptor");
  }
  impl.wake_fd.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!impl.wake_fd.is_open()) {
    return error_from_errno(errno, ErrorOrigin::kInternal, "cannot make an eventfd");
  }
  if (const int failed = impl.control(EPOLL_CTL_ADD, impl.wake_fd.get(), EPOLLIN, nullptr)) {
    return error_from_errno(failed, ErrorOrigin::kInternal, "cannot watch an eventfd");
  }
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
}

void EventLoop::run() {
  while (!impl_->is_stopping.load(std::memory_order_acquire)) impl_->work(kNever);
  // What was posted before stop() still runs; from here on nothing enters.
  {
    MutexLock lock(impl_->mutex);
    impl_->is_ended = true;
  }
  impl_->end_turn();
}

void EventLoop::run_once_for_test(std::int64_t patience_ns) { impl_->work(patience_ns); }

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

Instant EventLoop::now() const { return impl_->now(); }

std::uint64_t EventLoop::turn() const { return impl_->turn; }

char* EventLoop::scratch() {
  if (!impl_->scratch) impl_->scratch = std::make_unique<char[]>(kScratchBytes);
  return impl_->scratch.get();
}

EventLoop::TurnEndHook::~TurnEndHook() {
  // The loop drops its entry after the hooks of this turn; this one may be running right now.
  entry_->is_alive = false;
}

// The loop's entry is for some time at or before the deadline. When it comes up too early, because
// the deadline moved away meanwhile, it is made again for the rest.
struct Timer::Impl {
  explicit Impl(EventLoop::Impl& owner) : loop(owner) {}

  // First what every restart looks at.
  EventLoop::Impl& loop;
  std::int64_t deadline_ns = 0;
  std::int64_t armed_for_ns = 0;
  bool is_armed = false;
  bool is_running = false;
  std::function<void()> on_fire;
  EventLoop::Impl::Timers::iterator entry;  // where armed

  void arm() {
    disarm();
    armed_for_ns = std::max(deadline_ns, loop.now().mono_ns + kTimerNsMin);
    entry = loop.timers.emplace(armed_for_ns, this);
    is_armed = true;
  }
  void disarm() {
    if (std::exchange(is_armed, false)) loop.timers.erase(entry);
  }
  void came_up() {
    disarm();
    if (!is_running) return;
    if (deadline_ns > loop.now().mono_ns) {
      arm();
      return;
    }
    is_running = false;
    on_fire();
  }
};

Timer::Timer(EventLoop& loop, std::function<void()> on_fire)
    : loop_(loop), impl_(std::make_unique<Impl>(*loop.impl_)) {
  impl_->on_fire = std::move(on_fire);
}

Timer::~Timer() {
  impl_->disarm();
  // The callback of this very timer may be on the stack, so its closure dies at the turn's end.
  loop_.destroy_later(std::move(impl_));
}

void Timer::start(std::int64_t delay_ns) {
  impl_->deadline_ns = impl_->loop.now().mono_ns + std::max<std::int64_t>(delay_ns, 0);
  impl_->is_running = true;
  if (!impl_->is_armed || impl_->deadline_ns < impl_->armed_for_ns) impl_->arm();
}

void Timer::stop() { impl_->is_running = false; }

bool Timer::is_running() const { return impl_->is_running; }

struct FdWatch::Impl {
  Impl(EventLoop::Impl& owner, int watched, Receives receives)
      : loop(owner), fd(watched), is_told(receives == Receives::kTold) {}

  // First what every event looks at.
  EventLoop::Impl& loop;
  const int fd;
  std::uint32_t wanted = 0;  // EPOLLIN, EPOLLOUT
  const bool is_told;
  bool is_watched = false;  // by epoll
  bool has_told = false;    // since it was last called to read
  bool is_ending = false;
  bool looks_again = false;  // is in the loop's list
  std::function<void(Ready)> on_ready;

  // Who waits for room to write hears of it until it has written all, so changes would not do.
  bool hears_changes() const { return is_told && wanted == EPOLLIN; }

  void want(std::uint32_t kind, bool is_wanted) {
    if (((wanted & kind) != 0) == is_wanted) return;
    wanted ^= kind;
    if (!hears_changes()) stop_looking();
    watch();
  }
  // Whatever is ready now is told, also of changes that were told before.
  void watch() {
    const int operation = wanted == 0 ? EPOLL_CTL_DEL : is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    const std::uint32_t how = hears_changes() ? EPOLLET | EPOLLRDHUP | EPOLLPRI : 0;
    const int failed = loop.control(operation, fd, wanted | how, this);
    is_watched = wanted != 0;
    if (failed == 0 || wanted == 0) return;
    // Its owner's deadlines will end it.
    obs::log_error(
        "net", error_from_errno(failed, ErrorOrigin::kInternal, "cannot watch a socket").message);
    is_watched = false;
  }

  void became(std::uint32_t events) {
    if ((events & (EPOLLIN | kEnding)) != 0 && (wanted & EPOLLIN) != 0) {
      is_ending = is_ending || (events & kEnding) != 0;
      call_reader();
    }
    if ((events & (EPOLLOUT | kFailed)) != 0 && (wanted & EPOLLOUT) != 0) on_ready(Ready::kWrite);
  }
  void call_reader() {
    stop_looking();
    has_told = false;
    on_ready(Ready::kRead);
    if (!has_told) look_again();
  }
  void look_again() {
    if (looks_again || !hears_changes()) return;
    looks_again = true;
    loop.looks.push_back(this);
  }
  void stop_looking() {
    if (std::exchange(looks_again, false)) std::erase(loop.looks, this);
  }
};

FdWatch::FdWatch(EventLoop& loop, int fd, std::function<void(Ready)> on_ready, Receives receives)
    : loop_(loop), impl_(std::make_unique<Impl>(*loop.impl_, fd, receives)) {
  impl_->on_ready = std::move(on_ready);
}

FdWatch::~FdWatch() {
  want_read(false);
  want_write(false);
  // Its callback may be on the stack, and the turn may still come to what was ready of it.
  loop_.destroy_later(std::move(impl_));
}

void FdWatch::want_read(bool wanted) { impl_->want(EPOLLIN, wanted); }

void FdWatch::want_write(bool wanted) { impl_->want(EPOLLOUT, wanted); }

void FdWatch::note_receive(std::size_t asked_bytes, const Received& received) {
  Impl& impl = *impl_;
  impl.has_told = true;
  const bool was_short =
      received.outcome == ReceiveOutcome::kBytes && received.bytes.size() < asked_bytes;
  if (received.outcome == ReceiveOutcome::kWouldBlock || (was_short && !impl.is_ending)) {
    impl.stop_looking();
  } else {
    impl.look_again();
  }
}

int EventLoop::Impl::control(int operation, int fd, std::uint32_t events, FdWatch::Impl* watch) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = watch;
  return ::epoll_ctl(epoll.get(), operation, fd, &event) == 0 ? 0 : errno;
}

// Rounded up, so that no timer is early. It counts from the turn before, so one may be late by as
// much as that took.
int EventLoop::Impl::patience_ms(std::int64_t patience_ns) const {
  if (!looks.empty()) return 0;
  if (!timers.empty()) {
    const std::int64_t left_ns = timers.begin()->first - turn_time.mono_ns;
    patience_ns = std::min(patience_ns, std::max<std::int64_t>(left_ns, 0));
  }
  if (patience_ns == kNever) return -1;
  constexpr std::int64_t kMs = 1'000'000;
  return static_cast<int>(
      std::min(patience_ns / kMs + (patience_ns % kMs > 0 ? 1 : 0), kWaitMsMax));
}

// Says how many it called. Who must wait comes before who asks meanwhile.
std::size_t EventLoop::Impl::serve_looks() {
  looking.swap(looks);
  if (looking.size() > kTurnLooksMax) {
    looks.assign(looking.begin() + kTurnLooksMax, looking.end());
    looking.resize(kTurnLooksMax);
  }
  std::size_t called = 0;
  for (FdWatch::Impl* const watch : looking) {
    if (!watch->looks_again) continue;  // It wants nothing any more.
    watch->call_reader();
    ++called;
  }
  looking.clear();
  return called;
}

void EventLoop::Impl::serve_ready(int patience, std::size_t sockets_max) {
  const int count =
      ::epoll_wait(epoll.get(), ready.data(), static_cast<int>(sockets_max), patience);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = ready[static_cast<std::size_t>(i)];
    if (event.data.ptr == nullptr) {
      drain_wake();
    } else {
      static_cast<FdWatch::Impl*>(event.data.ptr)->became(event.events);
    }
  }
}

void EventLoop::Impl::run_timers() {
  if (timers.empty()) return;
  const std::int64_t now_ns = now().mono_ns;
  while (!timers.empty() && timers.begin()->first <= now_ns) timers.begin()->second->came_up();
}

}  // namespace banyan::net
