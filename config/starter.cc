// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "config/config.h"

namespace banyan::config {
namespace {

// As a TOML basic string.
std::string toml_string(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + "\"";
}

constexpr std::string_view kTail = R"(
[[listeners]]
address = "127.0.0.1:8080"              # where clients connect; "0.0.0.0:8080" for everybody

[admin]
address = "127.0.0.1:9901"              # API and /metrics; the token lies in data_dir/admin.token

# The first route that matches wins. What none matches is answered by legacy and never mirrored.
[[routes]]
name = "default"
match = { path = "/**" }                # also methods, host, header, query
candidate_percent = 0                   # share of sessions that the candidate answers
mirror_percent = 100                    # share of sessions that the other system also sees
mirror_writes = false                   # true: the other system gets writes too
sticky = "client_ip"                    # or "cookie:NAME", "header:NAME"
# durability = "request"                # none | interval | response | request
# on_failure = "fail_closed"            # the default serves on when the log fails

# Differences that do not matter.
# [[compare]]
# ignore = ["body:$.generated_at", "header:X-Request-Id"]
# unordered = ["body:$.items by sku"]
# tolerance = [{ path = "body:$.total", absolute = 0.005 }]

# Secrets that the log must never hold readable, added to the defaults (Authorization, Cookie, …).
# [record]
# redact = ["header:X-Partner-Secret", "body:$..password", "pattern:card", "pattern:email", "pattern:bearer"]

# [log]
# retention = { age = "7d", size = "50GiB", min_free = "5%" }
)";

}  // namespace

std::string starter_text(std::string_view legacy_url, std::string_view candidate_url) {
  std::string out =
      "# Banyan's configuration. `banyan check -c banyan.toml` checks it, `banyan serve -c\n"
      "# banyan.toml` runs it. Every key: docs/configuration.md\n"
      "data_dir = \"banyan-data\"                # the log, its keys and all state; made if "
      "missing\n"
      "\n"
      "[systems.legacy]                        # answers the client\n";
  out += "urls = [" +
         toml_string(legacy_url.empty() ? std::string_view("http://127.0.0.1:9001") : legacy_url) +
         "]\n\n[systems.candidate]                     # its replacement, watched first\nurls = [" +
         toml_string(candidate_url.empty() ? std::string_view("http://127.0.0.1:9002")
                                           : candidate_url) +
         "]\n";
  out += kTail;
  return out;
}

}  // namespace banyan::config
