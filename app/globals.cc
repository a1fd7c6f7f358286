// SPDX-License-Identifier: Apache-2.0
#include "app/globals.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "app/exit_codes.h"
#include "app/offline_log.h"
#include "config/config.h"
#include "core/base/text.h"
#include "recorder/recorder.h"

namespace banyan::app {
namespace {

// Columns a terminal needs for UTF-8 text (good enough for our own words and escaped values).
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

int exit_code_of_status(int status) {
  switch (status) {
    case 401:
    case 403:
    case 429: return kNotReachable;
    case 400:
    case 404:
    case 415:
    case 422: return kUsage;
    case 409: return kRefusedByGuard;
    case 507: return kDataDamaged;
    default: return kNotReachable;
  }
}

}  // namespace

std::string config_path_of(const Globals& globals) {
  if (!globals.config_path.empty()) return globals.config_path;
  return access("banyan.toml", R_OK) == 0 ? "banyan.toml" : "";
}

Target target_of(const Globals& globals) {
  Target target;
  target.admin_url = globals.admin_url;
  target.data_dir = globals.data_dir;
  const bool is_all_said = !target.admin_url.empty() && !target.data_dir.empty();
  const std::string path = is_all_said ? globals.config_path : config_path_of(globals);
  config::Config config;
  if (!path.empty()) {
    // Also of a file with errors: where the server is may well be told by it, and a rollback must
    // not wait until somebody has corrected a rule.
    config = config::load_file(path, globals.overrides).config;
  }
  if (target.admin_url.empty()) target.admin_url = "http://" + config.admin.address;
  if (target.data_dir.empty()) target.data_dir = config.data_dir;
  target.log_keys = config.recorder.keys;
  target.record_key = config.record_key;
  if (target.admin_url.find("://") == std::string::npos) {
    target.admin_url = "http://" + target.admin_url;
  }
  return target;
}

Result<std::unique_ptr<model::LogAccess>> open_log_of(const Globals& globals) {
  const Target target = target_of(globals);
  auto log = open_log_in(FileSystem::posix(), target.data_dir, target.log_keys, target.record_key);
  if (!log.ok()) return log.error();
  return std::unique_ptr<model::LogAccess>(*std::move(log));
}

Result<std::int64_t> time_or(const std::string& text, const char* flag, std::int64_t fallback) {
  if (text.empty()) return fallback;
  if (const auto time = parse_time(text, SystemClock::instance().wall_ns())) return *time;
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kInternal,
                    std::string(flag) + ": \"" + escape_for_terminal(text) +
                        "\" is not a time (RFC 3339, or -15m)");
}

std::string by_whom() {
  char name[256] = {};
  return getlogin_r(name, sizeof(name) - 1) == 0 ? std::string(name)
                                                 : "uid " + std::to_string(getuid());
}

void complain(const std::string& message) {
  std::fprintf(stderr, "banyan: %s\n", escape_for_terminal(message).c_str());
}

int fail_with(const Error& error) {
  complain(error.message);
  return exit_code_of(error);
}

ApiCall call_api(const Globals& globals, std::string_view method, const std::string& path,
                 std::string_view json_body) {
  ApiCall call;
  ApiClient client(target_of(globals));
  auto answer = client.request(method, path, json_body);
  if (!answer.ok()) {
    complain(answer.error().message);
    call.exit_code = kNotReachable;
    return call;
  }
  call.raw = std::move(answer->body);
  auto parsed = json::parse(call.raw);
  if (parsed.ok()) call.body = *std::move(parsed);
  if (answer->ok()) return call;

  call.exit_code = exit_code_of_status(answer->status);
  const json::Value* error = call.body.find("error");
  const std::string message = error ? std::string(error->string_or("message", ""))
                                    : "the server answered " + std::to_string(answer->status);
  complain(message);
  if (error) {
    if (const auto hint = error->string_or("hint", ""); !hint.empty()) {
      std::fprintf(stderr, "  hint: %s\n", escape_for_terminal(hint).c_str());
    }
  }
  return call;
}

void print_json_line(const std::string& raw) {
  std::fwrite(raw.data(), 1, raw.size(), stdout);
  if (raw.empty() || raw.back() != '\n') std::fputc('\n', stdout);
}

void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - width_of(row[i]) + 2, ' ');
    }
    std::printf("%s\n", line.c_str());
  }
}

std::string shown(const json::Value& object, std::string_view member) {
  const json::Value* value = object.find(member);
  if (value == nullptr) return "";
  switch (value->type) {
    case json::Value::Type::kNull: return "";
    case json::Value::Type::kBool: return value->boolean ? "yes" : "no";
    case json::Value::Type::kNumber: return value->text;
    case json::Value::Type::kString: return escape_for_terminal(value->text, 512);
    default: {
      std::string text;
      json::write(*value, text);
      return escape_for_terminal(text, 512);
    }
  }
}

}  // namespace banyan::app
