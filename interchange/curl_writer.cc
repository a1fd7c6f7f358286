// SPDX-License-Identifier: Apache-2.0
//
// A script for bash with one curl command per exchange. Whatever bytes a client sent stand quoted;
// what stands in comments is escaped, so that no line of it can end the comment.
#include <utility>

#include "core/base/text.h"
#include "interchange/exchange_writer.h"
#include "interchange/request_url.h"
#include "interchange/shell_quote.h"

namespace banyan::interchange {
namespace {

constexpr std::size_t kBase64LineBytes = 57;  // 76 characters

// curl makes these itself from what it is given.
bool is_left_out(std::string_view name) {
  return equal_ignoring_case(name, "Content-Length") ||
         equal_ignoring_case(name, "Transfer-Encoding");
}

std::string comment(std::string_view text) { return "# " + escape_for_terminal(text, 400) + "\n"; }

std::string summary_of(const Exchange& exchange) {
  std::string text = exchange.id.to_string() + " " + format_time(exchange.started.wall_ns) +
                     " route " + exchange.route;
  if (exchange.answer) {
    text.append(", ").append(to_string(exchange.answer->system)).append(" answered ");
    text += std::to_string(exchange.answer->status);
  } else {
    text += ", no system answered";
  }
  if (exchange.verdict) text.append(", verdict ").append(to_string(*exchange.verdict));
  return text;
}

void append_base64_lines(std::string& out, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto line = bytes.substr(0, kBase64LineBytes);
    bytes.remove_prefix(line.size());
    out.append(base64_of_bytes(line)).push_back('\n');
  }
}

class CurlWriter final : public ExchangeWriter {
 public:
  explicit CurlWriter(std::string base_url) : base_url_(std::move(base_url)) {
    while (base_url_.ends_with('/')) base_url_.pop_back();
  }

  void begin(std::string& out) override {
    out += "#!/usr/bin/env bash\n# Requests from the log of Banyan, one curl command each.\n";
    out += "# Secrets stand as tokens (banyan:t:…): put the real values in where they matter.\n";
  }

  bool write(const Exchange& exchange, std::string& out) override {
    count_bodies(exchange);
    if (exchange.target.find('\0') != std::string::npos) {
      losses_.count("exchanges hold a NUL in their target; not written");
      return false;
    }
    losses_.count("answers are not written: curl holds requests");
    out.append("\n").append(comment(summary_of(exchange)));
    append_notes(exchange, out);
    // An @ at the front would name a file, and a long argument or a NUL cannot be passed.
    const std::string& body = exchange.body.bytes;
    const bool is_piped = !fits_an_argument(body) || body.starts_with('@');
    if (is_piped) out += "base64 -d <<'BANYAN_BODY' | ";
    append_command(exchange, is_piped, out);
    if (is_piped) {
      out.push_back('\n');
      append_base64_lines(out, body);
      out += "BANYAN_BODY";
    }
    out.push_back('\n');
    return true;
  }

 private:
  void append_notes(const Exchange& exchange, std::string& out) {
    if (exchange.body.held == Held::kNone) {
      out += comment("the body of " + std::to_string(exchange.body.length) +
                     " bytes is not in the log; sent without it");
    } else if (exchange.body.held == Held::kPart) {
      out += comment("the body was cut: " + std::to_string(exchange.body.bytes.size()) +
                     " bytes of it are in the log");
    }
    if (exchange.body.is_redacted) out += comment("tokens stand in the body");
    if (!exchange.trailers.empty()) {
      losses_.count("requests have trailers, which curl cannot send");
      out += comment("its trailers are left out: curl cannot send them");
    }
  }

  void append_command(const Exchange& exchange, bool is_piped, std::string& out) const {
    // As recorded: no dot segments removed, no brackets expanded.
    out += "curl -sS -g --path-as-is";
    if (exchange.method == "HEAD") {
      out += " --head";
    } else {
      out.append(" -X ").append(shell_quote(exchange.method));
    }
    append_fields(exchange, out);
    if (!exchange.body.bytes.empty()) {
      out.append(" --data-binary ").append(is_piped ? "@-" : shell_quote(exchange.body.bytes));
    }
    if (!exchange.target.starts_with('/')) {
      out.append(" --request-target ").append(shell_quote(exchange.target));
    }
    const std::string url = base_url_.empty()
                                ? url_of(exchange)
                                : base_url_ + (exchange.target.starts_with('/') ? "" : "/") +
                                      escape_for_url(exchange.target);
    out.append(" ").append(shell_quote(url));
  }

  static void append_fields(const Exchange& exchange, std::string& out) {
    for (const Field& field : exchange.fields) {
      if (is_left_out(field.name)) continue;
      // An empty value is written with ";": with ":" curl would leave the field out.
      out.append(" -H ").append(
          shell_quote(field.value.empty() ? field.name + ";" : field.name + ": " + field.value));
    }
    // What curl would add by itself and the request did not have.
    for (const char* const name : {"Accept", "User-Agent"}) {
      if (!has_field(exchange.fields, name)) out.append(" -H '").append(name).append(":'");
    }
    if (exchange.body.bytes.empty()) return;
    if (!has_field(exchange.fields, "Content-Type")) out += " -H 'Content-Type:'";
    if (!has_field(exchange.fields, "Expect")) out += " -H 'Expect:'";
  }

  std::string base_url_;
};

}  // namespace

std::unique_ptr<ExchangeWriter> make_curl_writer(const std::string& base_url) {
  return std::make_unique<CurlWriter>(base_url);
}

}  // namespace banyan::interchange
