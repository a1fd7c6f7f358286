// SPDX-License-Identifier: Apache-2.0
//
// The command line's way to a running server: blocking HTTP/1.1 to its admin API.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "recorder/log_keys.h"

namespace banyan::app {

// Where a command finds its server and its data; filled from flags, environment and config.
struct Target {
  std::string admin_url;  // "http://127.0.0.1:9901"
  std::string data_dir;   // for the token file and offline verbs
  std::shared_ptr<const recorder::LogKeys> log_keys = recorder::LogKeys::none();  // offline verbs
  std::string record_key;  // [record] key, likewise; "" for none
};

struct ApiAnswer {
  int status = 0;
  std::string body;
  bool ok() const { return status >= 200 && status < 300; }
};

class ApiClient {
 public:
  explicit ApiClient(Target target) : target_(std::move(target)) {}

  // `path` under /api/v1, e.g. "/routes". kUnavailable when nothing listens there; an answer with
  // an error status is an answer. The token comes from BANYAN_ADMIN_TOKEN or data_dir/admin.token.
  Result<ApiAnswer> request(std::string_view method, const std::string& path,
                            std::string_view json_body = {},
                            std::int64_t timeout_ns = 30'000'000'000);

 private:
  Target target_;
};

// Percent-encodes one path segment or query value.
std::string url_encode(std::string_view text);

}  // namespace banyan::app
