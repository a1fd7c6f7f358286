// SPDX-License-Identifier: Apache-2.0
//
// Certificates, libraries, and what the systems are like.
#include <ctime>

#include "app/doctor.h"
#include "app/libraries.h"
#include "app/system_probe.h"
#include "core/base/clock.h"
#include "core/base/file_system.h"
#include "core/base/text.h"
#include "core/net/resolve.h"
#include "core/net/tls_options.h"
#include "core/net/tls_server_context.h"
#include "core/net/upstream.h"

namespace banyan::app {
namespace {

constexpr std::int64_t kDateSkewMaxS = 5;

void report(const net::TlsProblem& problem, const std::string& where, Findings& findings) {
  if (problem.is_warning) {
    findings.warn("tls", where + ": " + problem.message, problem.hint);
  } else {
    findings.fail("tls", where + ": " + problem.message, problem.hint);
  }
}

void check_expiry(const net::TlsServerContext& context, std::int64_t now_wall_ns,
                  Findings& findings) {
  for (const auto& certificate : context.certificates()) {
    const std::int64_t left_ns = certificate.not_after_s * 1'000'000'000 - now_wall_ns;
    const std::string text = certificate.file + " (" + certificate.subject + ") ends on " +
                             format_time(certificate.not_after_s * 1'000'000'000).substr(0, 10);
    if (left_ns <= 0) {
      findings.fail("tls", text + ": it has expired", "renew it, then `banyan reload`");
    } else if (left_ns < kCertificateWarnNs) {
      findings.warn("tls", text + ", in " + std::to_string(left_ns / 86'400'000'000'000) + " days",
                    "renew it, then `banyan reload`");
    } else {
      findings.ok("tls", text);
    }
  }
}

// What a system does that a proxy in front of it, or a person, may stumble over.
void check_behaviour(SystemProbe& probe, const std::string& where, Findings& findings) {
  const auto first = probe.ask("GET", kDoctorPatienceNs);
  if (!first.ok()) {
    findings.fail("systems", where + ": " + first.error().message,
                  "requests to it would get 502 or 504");
    return;
  }
  std::string text = where + " answers HTTP/1." + std::to_string(first->version_minor) + ", " +
                     std::to_string(first->status) + " to GET /";
  if (first->is_chunked) text += ", chunked";
  findings.ok("systems", text);
  if (first->version_minor == 0) {
    findings.warn("systems", where + " speaks HTTP/1.0", "each request takes a new connection");
  }
  const std::int64_t now_s = SystemClock::instance().wall_ns() / 1'000'000'000;
  if (first->date_s && std::abs(*first->date_s - now_s) > kDateSkewMaxS) {
    findings.warn("systems",
                  where + ": its clock is " + std::to_string(std::abs(*first->date_s - now_s)) +
                      " s " + (*first->date_s > now_s ? "ahead" : "behind") + " (Date)",
                  "times in its answers will differ from the other system's");
  }
  if (!first->keeps_alive || first->has_ended_early) {
    findings.warn("systems", where + " closes the connection after an answer",
                  "each request takes a new connection; see keep-alive in its settings");
    return;
  }
  const auto second = probe.ask("HEAD", kDoctorPatienceNs);
  if (!second.ok()) {
    findings.warn("systems", where + " says keep-alive, but: " + second.error().message,
                  "on a HEAD request, or on the second one of a connection");
    return;
  }
  const auto third = probe.ask("GET", kDoctorPatienceNs);
  if (third.ok()) {
    findings.ok("systems", where + " keeps connections, also after HEAD");
  } else {
    findings.warn("systems", where + " closes after HEAD, or sends a body with it",
                  "its connections cannot be used again after HEAD");
  }
}

struct Lookup {
  const net::DnsOptions& dns;
  std::int64_t patience_ns;
};

void check_url(const std::string& name, const std::string& text, const proxy::SystemOptions& system,
               const Lookup& lookup, Findings& findings) {
  const auto url = net::parse_system_url(text);
  if (!url.ok()) return;  // The config's own check has told.
  const std::string where = name + " " + text;
  const auto addresses = net::resolve_url(*url, lookup.dns, lookup.patience_ns);
  if (!addresses.ok()) {
    findings.fail("systems", where + ": " + addresses.error().message,
                  "requests to it get 502 until the name resolves; [dns] says who is asked");
    return;
  }
  std::shared_ptr<const net::TlsClientContext> tls;
  if (url->is_secure) {
    net::TlsClientOptions options = system.tls;
    options.alpn = {"h2", "http/1.1"};
    auto context = net::TlsClientContext::create(options);
    if (!context.ok()) {
      findings.fail("tls", where + ": " + context.error().message, "");
      return;
    }
    tls = *std::move(context);
    if (!options.verifies) {
      findings.warn("tls", where + ": its certificate is not verified",
                    "anybody on the way can answer in its place; set tls.verify = true");
    }
    const auto modern =
        SystemProbe::connect(addresses->front().socket_address, *url, tls.get(), kDoctorPatienceNs);
    if (!modern.ok()) {
      findings.fail("systems", where + ": " + modern.error().message, "");
      return;
    }
    findings.ok("systems",
                where + (modern->alpn() == "h2" ? " offers HTTP/2" : " offers HTTP/1.1"));
    options.alpn = {"http/1.1"};
    auto plain = net::TlsClientContext::create(options);
    if (plain.ok()) tls = *std::move(plain);
  }
  for (const net::UpstreamAddress& address : *addresses) {
    auto probe = SystemProbe::connect(address.socket_address, *url, tls.get(), kDoctorPatienceNs);
    if (!probe.ok()) {
      findings.fail("systems", where + ": " + probe.error().message,
                    "is it running? requests to it would get 502");
      continue;
    }
    check_behaviour(*probe, where, findings);
  }
}

}  // namespace

void check_certificates(const config::Config& config, std::int64_t now_wall_ns,
                        Findings& findings) {
  for (const proxy::ListenerOptions& listener : config.proxy.listeners) {
    if (!listener.tls) continue;
    const std::string where = "listener " + listener.address;
    const auto problems = net::check_tls(*listener.tls);
    const auto context = net::TlsServerContext::create(*listener.tls);
    for (const net::TlsProblem& problem : problems) {
      if (problem.is_about_end && context.ok()) continue;  // check_expiry() tells.
      report(problem, where, findings);
    }
    if (context.ok()) {
      check_expiry(**context, now_wall_ns, findings);
    } else if (problems.empty()) {
      findings.fail("tls", where + ": " + context.error().message, "");
    }
  }
  for (const auto& [name, system] :
       {std::pair<const char*, const proxy::SystemOptions&>{"legacy", config.proxy.legacy},
        {"candidate", config.proxy.candidate},
        {"legacy_twin", config.twin}}) {
    for (const net::TlsProblem& problem : net::check_tls(system.tls)) {
      report(problem, std::string("system ") + name, findings);
    }
  }
}

void check_libraries(Findings& findings) {
  std::string text;
  for (const auto& [name, version] : linked_libraries()) {
    text += (text.empty() ? "" : ", ") + name + " " + version;
  }
  findings.ok("libraries", text);
  const auto status = FileSystem::posix().read_file(kDpkgStatus, kDpkgStatusBytesMax);
  if (!status.ok()) return;  // Not a Debian, or not told.
  for (const KnownBad& known : known_bad_packages()) {
    const auto version = version_in_status(*status, known.package);
    if (!version || !is_known_bad(known, *version)) continue;
    findings.warn("libraries",
                  std::string(known.package) + " " + *version + ": " + std::string(known.what),
                  "apt-get install --only-upgrade " + std::string(known.package));
  }
}

void check_systems(const config::Config& config, Findings& findings,
                   std::int64_t lookup_patience_ns) {
  const Lookup lookup{config.dns, lookup_patience_ns};
  for (const std::string& url : config.legacy_urls) {
    check_url("legacy", url, config.proxy.legacy, lookup, findings);
  }
  for (const std::string& url : config.candidate_urls) {
    check_url("candidate", url, config.proxy.candidate, lookup, findings);
  }
  for (const std::string& url : config.twin_urls) {
    check_url("legacy_twin", url, config.twin, lookup, findings);
  }
}

}  // namespace banyan::app
