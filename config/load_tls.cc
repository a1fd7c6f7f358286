// SPDX-License-Identifier: Apache-2.0
//
// `tls` of listeners and of systems. The files are read here already, so that `banyan check` finds
// what would stop a handshake.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "config/loaders.h"
#include "core/base/text.h"
#include "core/net/tls_options.h"

namespace banyan::config {
namespace {

constexpr std::size_t kCertificatesMax = 256;

// Where the names of the files stand.
struct IdentityPlace {
  const Node* certificate = nullptr;
  const Node* private_key = nullptr;
};
struct TlsPlaces {
  std::vector<IdentityPlace> identities;
  const Node* authority = nullptr;  // client_ca, or ca
};

// A pair of files. True if both are there and good.
bool read_identity(TableReader& table, net::TlsIdentityFiles& files, IdentityPlace& place) {
  const bool has_certificate = table.read("certificate", files.certificate);
  const bool has_key = table.read("private_key", files.private_key);
  place.certificate = table.node().find("certificate");
  place.private_key = table.node().find("private_key");
  for (const auto& [key, node, text] :
       {std::tuple("certificate", place.certificate, &files.certificate),
        std::tuple("private_key", place.private_key, &files.private_key)}) {
    if (node == nullptr) {
      table.problems().error(table.node(), table.path() + " needs " + key,
                             "certificate and private_key name two PEM files");
    } else if (text->empty() && node->kind == Node::Kind::kString) {
      table.problems().error(*node, table.name_of_key(key) + " is empty");
    }
  }
  return has_certificate && has_key && !files.certificate.empty() && !files.private_key.empty();
}

bool has_identity(const Node& node) {
  return node.find("certificate") != nullptr || node.find("private_key") != nullptr;
}

void report(const std::vector<net::TlsProblem>& found, const TlsPlaces& places,
            Problems& problems) {
  for (const net::TlsProblem& problem : found) {
    const Node* at = places.authority;
    if (problem.key == net::TlsProblem::Key::kCertificate) {
      at = places.identities[problem.identity].certificate;
    } else if (problem.key == net::TlsProblem::Key::kPrivateKey) {
      at = places.identities[problem.identity].private_key;
    }
    const Node& place = at != nullptr ? *at : Node();
    if (problem.is_warning) {
      problems.warning(place, problem.message, problem.hint);
    } else if (problem.is_about_dates) {
      problems.check_error(place, problem.message, problem.hint);
    } else {
      problems.error(place, problem.message, problem.hint);
    }
  }
}

// Every certificate of a listener. False where one is not even named well.
bool read_certificates(TableReader& tls, net::TlsServerOptions& options, TlsPlaces& places) {
  bool is_good = true;
  const auto add = [&](TableReader& table) {
    net::TlsIdentityFiles files;
    IdentityPlace place;
    is_good = read_identity(table, files, place) && is_good;
    options.certificates.push_back(std::move(files));
    places.identities.push_back(place);
  };
  std::vector<TableReader> more = tls.tables("certificates");
  if (more.empty() || has_identity(tls.node())) add(tls);
  for (TableReader& table : more) {
    add(table);
    table.finish();
  }
  if (options.certificates.size() > kCertificatesMax) {
    tls.problems().error(tls.node(), tls.path() + " has more than 256 certificates");
    is_good = false;
  }
  return is_good;
}

bool read_client_authentication(TableReader& tls, net::TlsServerOptions& options,
                                TlsPlaces& places) {
  const auto auth = tls.read_name("client_auth", {"request", "require"});
  const bool has_ca = tls.read("client_ca", options.client_ca);
  places.authority = tls.node().find("client_ca");
  if (places.authority == nullptr) {
    if (!auth) return true;
    tls.problems().error(*tls.node().find("client_auth"),
                         tls.name_of_key("client_auth") + " needs client_ca",
                         "client_ca names a PEM file with who signs clients' certificates");
    return false;
  }
  const bool only_requests = auth && *auth == 0;
  options.client_auth = only_requests ? net::ClientAuth::kRequest : net::ClientAuth::kRequire;
  return has_ca;
}

bool is_host_name(const std::string& text) {
  if (text.empty() || text.size() > 253) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == ':';
  });
}

}  // namespace

void load_listener_tls(TableReader& listener, proxy::ListenerOptions& out) {
  TableReader tls = listener.table("tls");
  if (!tls.is_present()) return;
  net::TlsServerOptions options;
  TlsPlaces places;
  bool is_good = read_certificates(tls, options, places);
  is_good = read_client_authentication(tls, options, places) && is_good;
  if (const auto version = tls.read_name("min_version", {"1.2", "1.3"})) {
    options.version_min = *version == 0 ? net::TlsVersion::k12 : net::TlsVersion::k13;
  }
  tls.finish();
  if (is_good) report(net::check_tls(options), places, tls.problems());
  out.tls = std::move(options);
}

void load_system_tls(TableReader& system, const std::vector<std::string>& urls,
                     net::TlsClientOptions& out) {
  TableReader tls = system.table("tls");
  if (!tls.is_present()) return;
  TlsPlaces places;
  bool is_good = !tls.read("ca", out.ca) || !out.ca.empty();
  places.authority = tls.node().find("ca");
  if (!is_good) {
    tls.problems().error(*places.authority, tls.name_of_key("ca") + " is empty",
                         "without ca the system's store of certificates is used");
  }
  if (has_identity(tls.node())) {
    net::TlsIdentityFiles files;
    places.identities.emplace_back();
    is_good = read_identity(tls, files, places.identities.front()) && is_good;
    out.certificate = std::move(files.certificate);
    out.private_key = std::move(files.private_key);
  } else {
    (void)tls.take("certificate");
    (void)tls.take("private_key");
  }
  if (tls.read("server_name", out.server_name) && !is_host_name(out.server_name)) {
    tls.problems().error(*tls.node().find("server_name"),
                         tls.name_of_key("server_name") + " is a host name or an address");
  }
  if (tls.read("verify", out.verifies) && !out.verifies) {
    tls.problems().warning(*tls.node().find("verify"),
                           tls.name_of_key("verify") +
                               " is off: whoever sits on the way can read and change everything",
                           "name the authority with ca instead");
  }
  tls.finish();
  const bool has_secure = std::any_of(urls.begin(), urls.end(), [](const std::string& url) {
    return url.rfind("https://", 0) == 0;
  });
  if (!urls.empty() && !has_secure) {
    tls.problems().error_at_key(tls.node(), tls.path() + " has no effect: no URL is https://");
  }
  if (is_good) report(net::check_tls(out), places, tls.problems());
}

}  // namespace banyan::config
