// SPDX-License-Identifier: Apache-2.0
//
// banyan.toml to the options of every room. Only this room knows TOML.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "access_log/options.h"
#include "admin/options.h"
#include "comparator/options.h"
#include "comparator/readiness.h"
#include "core/base/error.h"
#include "core/model/redaction.h"
#include "core/net/resolver.h"
#include "proxy/options.h"
#include "recorder/options.h"
#include "replay/options.h"
#include "routing/options.h"

namespace banyan::config {

struct Config {
  std::string data_dir = "banyan-data";  // relative to the working directory
  std::vector<std::string> legacy_urls, candidate_urls;
  // A second instance of legacy, for witnesses alone; no URLs: there is none.
  std::vector<std::string> twin_urls;
  proxy::SystemOptions twin;
  proxy::ProxyOptions proxy;  // its upstream endpoints are filled by app, from the URLs
  net::DnsOptions dns;
  admin::AdminOptions admin;
  recorder::RecorderOptions recorder;
  replay::MirrorOptions mirror;
  routing::RoutingOptions routing;
  comparator::ComparatorOptions comparator;
  comparator::ReadinessOptions readiness;
  std::vector<std::string> endpoint_paths;  // of [endpoints] openapi: "/v1/users/{id}"
  model::RedactionOptions redaction;
  access_log::AccessLogOptions access_log;
  std::string record_key;  // [record] key, already resolved; a secret
  // Top-level keys and tables of the file with a hash of what they say, so that a reload can name
  // what changed.
  std::vector<std::pair<std::string, std::uint64_t>> sections;
};

// One problem, ready to print: "banyan.toml:14:18: route "orders": candidate_percent must be …".
struct Diagnostic {
  std::string file;
  int line = 0, column = 0;
  bool is_warning = false;
  bool fails_check = false;     // a warning that check and reload take as an error
  bool needs_restart = false;   // the value is good, but a running Banyan cannot take it over
  std::string message;          // what is wrong
  std::string offending;        // the line of text, escaped, secrets not resolved
  std::string hint;             // what to do
  std::string to_text() const;  // with the line and a caret
};

struct LoadResult {
  Config config;  // meaningful only if there is no error
  std::vector<Diagnostic> diagnostics;
  bool ok() const;
  // Warnings that fail a check are errors from here on. reload_…() is strict by itself.
  void be_strict();
  // All that is wrong is that some keys need a restart.
  bool needs_restart() const;
};

// `overrides` are --set KEY=VALUE, applied on the parsed tree ("mirror.in_flight=8").
LoadResult load_file(const std::string& path, const std::vector<std::string>& overrides);
LoadResult load_text(std::string_view text, const std::string& name,
                     const std::vector<std::string>& overrides);
// The same for a reload: what a running Banyan cannot take over is an error at its key as well.
LoadResult reload_file(const std::string& path, const std::vector<std::string>& overrides,
                       const Config& running);
LoadResult reload_text(std::string_view text, const std::string& name,
                       const std::vector<std::string>& overrides, const Config& running);
// Names of the top-level keys and tables that differ, sorted.
std::vector<std::string> changed_sections(const Config& before, const Config& after);
// `banyan init`.
std::string starter_text(std::string_view legacy_url, std::string_view candidate_url);

}  // namespace banyan::config
