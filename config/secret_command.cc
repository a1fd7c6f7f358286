// SPDX-License-Identifier: Apache-2.0
#include "config/secret_command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "core/base/text.h"

extern "C" char** environ;

namespace banyan::config {
namespace {

using Clock = std::chrono::steady_clock;

Error failed(const std::vector<std::string>& words, const std::string& why) {
  return make_error(ErrorCode::kUnavailable, ErrorOrigin::kConfig,
                    escape_for_terminal(words.front(), 200) + " " + why);
}

int milliseconds_until(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  return left.count() <= 0 ? 0 : static_cast<int>(left.count()) + 1;
}

// What comes out of the pipe until it closes; "" and false past the deadline or the bound.
bool read_until_closed(int fd, Clock::time_point deadline, std::string& out) {
  std::array<char, 512> piece;
  while (out.size() <= kSecretBytesMax) {
    pollfd ready{fd, POLLIN, 0};
    const int polled = ::poll(&ready, 1, milliseconds_until(deadline));
    if (polled == 0) return false;
    if (polled < 0 && errno != EINTR) return false;
    if (polled < 0) continue;
    const ssize_t got = ::read(fd, piece.data(), piece.size());
    if (got == 0) return true;
    if (got < 0 && errno != EINTR) return false;
    if (got > 0) out.append(piece.data(), static_cast<std::size_t>(got));
  }
  return false;
}

// The exit status; -1 where it had to be killed.
int wait_for_end(pid_t child, Clock::time_point deadline) {
  int status = 0;
  while (true) {
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (ended < 0 && errno != EINTR) return -1;
    if (Clock::now() >= deadline) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ::kill(child, SIGKILL);
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return -1;
}

}  // namespace

Result<std::string> output_of_command(const std::vector<std::string>& words) {
  std::array<int, 2> pipe_ends;
  if (::pipe2(pipe_ends.data(), O_CLOEXEC) != 0) {
    return failed(words, std::string("cannot be run: ") + std::strerror(errno));
  }
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  pid_t child = 0;
  const int spawned =
      ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe_ends[1]);
  std::string out;
  const auto deadline = Clock::now() + std::chrono::seconds(kSecretCommandSecondsMax);
  const bool is_closed = spawned == 0 && read_until_closed(pipe_ends[0], deadline, out);
  ::close(pipe_ends[0]);
  if (spawned != 0) {
    return failed(words, std::string("cannot be run: ") + std::strerror(spawned));
  }
  // Who prints too much or too slowly is not waited for.
  const int status = wait_for_end(child, is_closed ? deadline : Clock::now());
  if (out.size() > kSecretBytesMax) return failed(words, "printed more than 4096 bytes");
  if (!is_closed || status < 0) return failed(words, "did not end in order within 10 s");
  if (status != 0) return failed(words, "ended with status " + std::to_string(status));
  while (!out.empty() && (out.back() == '\n' || out.back() == '\r')) out.pop_back();
  if (out.empty()) return failed(words, "printed nothing");
  return out;
}

}  // namespace banyan::config
