// SPDX-License-Identifier: Apache-2.0
//
// Preloaded by bench/instructions.py: for the program time passes SLOW_TIME times as slowly. Under
// Callgrind a request takes some fifty times as long; with its clocks slowed down as much, threads
// that act by time (the recorder's linger, a consumer's pace) meet as many records at once as they
// do in earnest.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long factor(void) {
  static long known;
  if (known == 0) {
    const char* text = getenv("SLOW_TIME");
    known = text != NULL && atol(text) > 0 ? atol(text) : 1;
  }
  return known;
}

static const long long kSecond = 1000000000LL;

static long long ns_of(const struct timespec* time) { return time->tv_sec * kSecond + time->tv_nsec; }

static struct timespec time_of(long long ns) {
  struct timespec time = {ns / kSecond, ns % kSecond};
  return time;
}

static long long real_ns(clockid_t clock) {
  struct timespec now;
  syscall(SYS_clock_gettime, clock, &now);
  return ns_of(&now);
}

// Wall and monotonic time go on from where they were when they were first asked for.
static long long origin_of(clockid_t clock) {
  static long long origins[2];
  long long* const origin = &origins[clock == CLOCK_REALTIME ? 0 : 1];
  if (*origin == 0) *origin = real_ns(clock == CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC);
  return *origin;
}

static int is_slowed(clockid_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE;
}

int clock_gettime(clockid_t clock, struct timespec* out) {
  if (!is_slowed(clock)) return (int)syscall(SYS_clock_gettime, clock, out);
  const long long origin = origin_of(clock);
  const long long now = real_ns(clock == CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC);
  *out = time_of(origin + (now - origin) / factor());
  return 0;
}

static struct timespec real_deadline(clockid_t clock, const struct timespec* deadline) {
  const long long origin = origin_of(clock);
  return time_of(origin + (ns_of(deadline) - origin) * factor());
}

int pthread_cond_clockwait(pthread_cond_t* cond, pthread_mutex_t* mutex, clockid_t clock,
                           const struct timespec* deadline) {
  static int (*next)(pthread_cond_t*, pthread_mutex_t*, clockid_t, const struct timespec*);
  if (next == NULL) next = dlsym(RTLD_NEXT, "pthread_cond_clockwait");
  const struct timespec real = real_deadline(clock, deadline);
  return next(cond, mutex, clock, &real);
}

int pthread_cond_timedwait(pthread_cond_t* cond, pthread_mutex_t* mutex,
                           const struct timespec* deadline) {
  static int (*next)(pthread_cond_t*, pthread_mutex_t*, const struct timespec*);
  if (next == NULL) next = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
  const struct timespec real = real_deadline(CLOCK_REALTIME, deadline);
  return next(cond, mutex, &real);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec* time, struct timespec* left) {
  const struct timespec real = (flags & TIMER_ABSTIME) != 0 ? real_deadline(clock, time)
                                                            : time_of(ns_of(time) * factor());
  return syscall(SYS_clock_nanosleep, clock, flags, &real, left) == 0 ? 0 : errno;
}

int nanosleep(const struct timespec* time, struct timespec* left) {
  const struct timespec real = time_of(ns_of(time) * factor());
  return (int)syscall(SYS_nanosleep, &real, left);
}

int epoll_wait(int epoll, struct epoll_event* events, int events_max, int timeout_ms) {
  static int (*next)(int, struct epoll_event*, int, int);
  if (next == NULL) next = dlsym(RTLD_NEXT, "epoll_wait");
  return next(epoll, events, events_max, timeout_ms > 0 ? (int)(timeout_ms * factor()) : timeout_ms);
}
