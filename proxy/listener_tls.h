// SPDX-License-Identifier: Apache-2.0
//
// The TLS of all listeners: opened at the start and at a reload, watched by a metric.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/net/tls_server_context.h"
#include "core/obs/metrics.h"
#include "proxy/options.h"

namespace banyan::proxy {

// Reads the files (blocking). `earlier` as in TlsServerContext::create.
Result<std::shared_ptr<const net::TlsServerContext>> open_listener_tls(
    const ListenerOptions& listener, const net::TlsServerContext* earlier);

struct ListenerCell {
  std::string address;  // as configured
  std::shared_ptr<net::TlsServerCell> cell;
};

// banyan_tls_certificate_not_after_seconds, of what the cells hold when it is read.
void publish_certificates(obs::Metrics& metrics, std::vector<ListenerCell> cells);

}  // namespace banyan::proxy
