// SPDX-License-Identifier: Apache-2.0
#include "core/obs/log.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <mutex>
#include <string>

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

#include "core/base/text.h"

namespace banyan::obs {
namespace {

// Writes whole lines to a descriptor that may be a pipe nobody reads. It waits for room only once:
// after a lost line the following ones do not wait until one got through again.
class PatientSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void redirect(int fd) { fd_.store(fd < 0 ? STDERR_FILENO : fd); }
  std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t formatted;
    formatter_->format(message, formatted);
    std::string line(formatted.data(), formatted.size());
    if (line.size() > kLogLineBytesMax) {
      line.resize(kLogLineBytesMax - 1);
      line.push_back('\n');
    }
    const int fd = fd_.load();
    pollfd ready{fd, POLLOUT, 0};
    const int patience_ms = is_stuck_ ? 0 : static_cast<int>(kLogPatience.count());
    if (::poll(&ready, 1, patience_ms) != 1 || (ready.revents & POLLOUT) == 0) return lose();
    ssize_t written = -1;
    do {
      written = ::write(fd, line.data(), line.size());
    } while (written < 0 && errno == EINTR);
    if (written < 0) return lose();
    is_stuck_ = false;
  }
  void flush_() override {}

 private:
  void lose() {
    is_stuck_ = true;
    lost_.fetch_add(1, std::memory_order_relaxed);
  }
  std::atomic<int> fd_{STDERR_FILENO};
  std::atomic<std::uint64_t> lost_{0};
  bool is_stuck_ = false;  // under the sink's mutex
};

spdlog::level::level_enum level_of(Level level) {
  switch (level) {
    case Level::kDebug: return spdlog::level::debug;
    case Level::kInfo: return spdlog::level::info;
    case Level::kWarning: return spdlog::level::warn;
    case Level::kError: return spdlog::level::err;
  }
  return spdlog::level::err;
}

struct Logger {
  std::shared_ptr<PatientSink> sink = std::make_shared<PatientSink>();
  spdlog::logger logger{"banyan", sink};
  Logger() {
    logger.set_formatter(std::make_unique<spdlog::pattern_formatter>(
        "%Y-%m-%dT%H:%M:%S.%fZ %-7l %v", spdlog::pattern_time_type::utc, "\n"));
    logger.set_level(spdlog::level::info);
  }
};

// Never destroyed: threads may log while the program ends.
Logger& instance() {
  static Logger* const logger = new Logger();
  return *logger;
}

}  // namespace

void set_log_level(Level level) { instance().logger.set_level(level_of(level)); }

void log(Level level, std::string_view where, std::string_view message) {
  Logger& logger = instance();
  if (!logger.logger.should_log(level_of(level))) return;
  std::string line = escape_for_terminal(where, 64);
  line += ": ";
  line += escape_for_terminal(message, kLogMessageBytesMax);
  logger.logger.log(level_of(level), spdlog::string_view_t(line.data(), line.size()));
}

std::uint64_t log_lines_lost() { return instance().sink->lost(); }

void set_log_descriptor_for_test(int fd) { instance().sink->redirect(fd); }

}  // namespace banyan::obs
