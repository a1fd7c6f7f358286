// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/api_client.h"
#include "core/base/error.h"
#include "core/json/value.h"
#include "core/model/record_io.h"

namespace banyan::app {

// Flags every verb takes.
struct Globals {
  std::string config_path;             // -c; "" = banyan.toml where it exists
  std::string admin_url;               // --admin; "" = from the config
  std::string data_dir;                // --data-dir; "" = from the config, else banyan-data
  std::vector<std::string> overrides;  // --set
  bool is_json = false;
};

// The config that -c names, else banyan.toml where it can be read, else "".
std::string config_path_of(const Globals& globals);

// What the flags and the config say about where the server and its data are.
Target target_of(const Globals& globals);

// The log of that data directory, offline or beside a server, with the keys that the config names.
Result<std::unique_ptr<model::LogAccess>> open_log_of(const Globals& globals);

// The time that a flag names, for people ("-15m") or RFC 3339; `fallback` where it is "".
Result<std::int64_t> time_or(const std::string& text, const char* flag, std::int64_t fallback);

// Whoever runs this command, for what is recorded of changes.
std::string by_whom();

// Prints to stderr: "banyan: message".
void complain(const std::string& message);
int fail_with(const Error& error);

// Asks the server; on success `out` is the parsed body. Otherwise complains and answers an exit
// code. With --json a reading verb prints `raw` and is done.
struct ApiCall {
  int exit_code = 0;
  std::string raw;
  json::Value body;
  bool ok() const { return exit_code == 0; }
};
ApiCall call_api(const Globals& globals, std::string_view method, const std::string& path,
                 std::string_view json_body = {});
void print_json_line(const std::string& raw);

// Left-aligned columns, two spaces apart; the first row is the heading.
void print_table(const std::vector<std::vector<std::string>>& rows);

// Text of a member for people: strings escaped for a terminal, numbers as spelled, "" for null.
std::string shown(const json::Value& object, std::string_view member);

}  // namespace banyan::app
