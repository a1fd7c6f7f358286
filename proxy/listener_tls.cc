// SPDX-License-Identifier: Apache-2.0
#include "proxy/listener_tls.h"

#include <utility>

namespace banyan::proxy {

Result<std::shared_ptr<const net::TlsServerContext>> open_listener_tls(
    const ListenerOptions& listener, const net::TlsServerContext* earlier) {
  net::TlsServerOptions options = *listener.tls;
  options.alpn = {"http/1.1", "http/1.0"};
  if (listener.speaks_http2) options.alpn.insert(options.alpn.begin(), "h2");
  auto made = net::TlsServerContext::create(options, earlier);
  if (made.ok()) return made;
  Error error = made.error();
  error.message = "listener " + listener.address + ": " + error.message;
  return error;
}

void publish_certificates(obs::Metrics& metrics, std::vector<ListenerCell> cells) {
  metrics.collected("banyan_tls_certificate_not_after_seconds",
                    "When a certificate of a listener expires, in seconds since 1970.", "gauge",
                    [cells = std::move(cells)](const obs::Metrics::Emit& emit) {
                      for (const ListenerCell& held : cells) {
                        const auto context = held.cell->load();
                        for (std::size_t i = 0; i < context->certificates().size(); ++i) {
                          const auto& facts = context->certificates()[i];
                          emit({{"listener", held.address},
                                {"certificate", std::to_string(i)},
                                {"subject", facts.subject}},
                               static_cast<double>(facts.not_after_s));
                        }
                      }
                    });
}

}  // namespace banyan::proxy
