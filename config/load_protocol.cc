// SPDX-License-Identifier: Apache-2.0
//
// What is spoken with a system, below the messages: `http2` and `proxy_protocol`.
#include <algorithm>
#include <string>
#include <vector>

#include "config/loaders.h"
#include "core/base/text.h"

namespace banyan::config {

void load_system_protocol(TableReader& table, const std::vector<std::string>& urls,
                          proxy::SystemOptions& out) {
  const bool is_secure = std::any_of(urls.begin(), urls.end(), [](const std::string& url) {
    return starts_with_ignoring_case(url, "https://");
  });
  out.tls.alpn = {"http/1.1"};
  if (const auto http2 = table.read_name("http2", {"off", "auto", "prior_knowledge"})) {
    using net::UpstreamHttp2;
    out.upstream.http2 = *http2 == 0   ? UpstreamHttp2::kOff
                         : *http2 == 1 ? UpstreamHttp2::kAuto
                                       : UpstreamHttp2::kPriorKnowledge;
    if (*http2 == 1) out.tls.alpn = {"h2", "http/1.1"};
    if (*http2 == 2) out.tls.alpn = {"h2"};
    if (*http2 == 1 && !is_secure && !urls.empty()) {
      table.problems().warning(*table.node().find("http2"),
                               "over http:// nothing is agreed on, so HTTP/1.1 is spoken",
                               "\"prior_knowledge\" speaks HTTP/2 over http:// too");
    }
  }
  if (const auto header = table.read_name("proxy_protocol", {"off", "v1", "v2"})) {
    using net::ProxyHeader;
    out.upstream.proxy_header = *header == 0   ? ProxyHeader::kNone
                                : *header == 1 ? ProxyHeader::kV1
                                               : ProxyHeader::kV2;
  }
}

}  // namespace banyan::config
