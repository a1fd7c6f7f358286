// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <thread>

#include "app/exit_codes.h"
#include "app/inherited_sockets.h"
#include "app/server.h"
#include "core/obs/log.h"

namespace banyan::app {
namespace {

constexpr int kLargeBufferBytes = 1 << 20;

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP}) sigaddset(&set, signal);
  return set;
}

void prepare_process() {
  std::signal(SIGPIPE, SIG_IGN);
  umask(077);
  // A burst's large buffers go back to the system instead of staying in the heap; without a fixed
  // threshold the allocator keeps ever larger ones.
  mallopt(M_MMAP_THRESHOLD, kLargeBufferBytes);
  // Memory holds live secrets; a core file would carry them to disk.
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

int fail(const Error& error) {
  std::fprintf(stderr, "banyan: %s\n", error.message.c_str());
  return exit_code_of(error);
}

// Serves until a signal asks to stop.
void wait_for_stop(Server& server, const sigset_t& signals) {
  for (;;) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (signal == SIGUSR2) {
      server.roll_back_all("signal", "SIGUSR2");
    } else if (signal == SIGUSR1) {
      server.reopen_access_log();
    } else if (signal == SIGHUP) {
      server.request_reload("SIGHUP");
    } else {
      return;
    }
  }
}

}  // namespace

int serve(ConfigSource source, config::Config config, const Roles& roles) {
  prepare_process();
  auto inherited = take_inherited_sockets();
  if (!inherited.ok()) return fail(inherited.error());
  const ServiceNotifier notifier = ServiceNotifier::of_process();
  // Before any thread starts, so that all inherit it and only this one takes signals.
  const sigset_t signals = handled_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  auto opened =
      Server::open({std::move(source), std::move(config), roles, *std::move(inherited)}, notifier);
  if (!opened.ok()) return fail(opened.error());
  Server& server = **opened;
  server.start();
  std::fprintf(stderr, "%s\n", server.ready_line().c_str());
  notifier.ready(server.ready_line());
  wait_for_stop(server, signals);

  obs::log_info("app", "stopping: no new connections, finishing what runs");
  notifier.stopping("finishing what runs");
  // Stays reachable while draining: a rollback is still a rollback, a second stop ends at once.
  std::thread watcher([&] {
    for (;;) {
      int signal = 0;
      if (sigwait(&signals, &signal) != 0) continue;
      if (signal == SIGUSR2) server.roll_back_all("signal", "SIGUSR2");
      if (signal == SIGUSR1) server.reopen_access_log();
      if (signal == SIGTERM || signal == SIGINT) {
        server.hurry();
        return;
      }
    }
  });
  server.stop();
  // Lets the watcher go; if a person's second signal came first, it is gone already.
  pthread_kill(watcher.native_handle(), SIGTERM);
  watcher.join();
  obs::log_info("app", "stopped");
  return kDone;
}

}  // namespace banyan::app
