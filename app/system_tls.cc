// SPDX-License-Identifier: Apache-2.0
#include "app/system_tls.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/text.h"
#include "core/net/tls_client_context.h"
#include "core/obs/log.h"

namespace banyan::app {
namespace {

Status open_one(const std::vector<std::string>& urls, std::string_view system,
                proxy::SystemOptions& options) {
  const bool is_secure = std::any_of(urls.begin(), urls.end(), [](const std::string& url) {
    return starts_with_ignoring_case(url, "https://");
  });
  if (!is_secure) return {};
  auto made = net::TlsClientContext::create(options.tls);
  if (!made.ok()) {
    Error error = made.error();
    error.message = "systems." + std::string(system) + ".tls: " + error.message;
    return error;
  }
  if (!(*made)->verifies()) {
    obs::log_warning("app", "systems." + std::string(system) +
                                ".tls.verify is off: the system's certificate is not looked at");
  }
  options.upstream.tls = *std::move(made);
  return {};
}

}  // namespace

Status open_system_tls(config::Config& config) {
  BANYAN_RETURN_IF_ERROR(open_one(config.legacy_urls, "legacy", config.proxy.legacy));
  BANYAN_RETURN_IF_ERROR(open_one(config.candidate_urls, "candidate", config.proxy.candidate));
  return open_one(config.twin_urls, "legacy_twin", config.twin);
}

}  // namespace banyan::app
