// SPDX-License-Identifier: Apache-2.0
//
// What the access log hears of an exchange.
#include "core/model/types.h"
#include "proxy/client_stream.h"
#include "proxy/exchange.h"
#include "proxy/worker.h"

namespace banyan::proxy {
namespace {

std::string_view name_of(AnsweredBy by) {
  switch (by) {
    case AnsweredBy::kLegacy: return "legacy";
    case AnsweredBy::kCandidate: return "candidate";
    case AnsweredBy::kBanyan: return "banyan";
    case AnsweredBy::kNobody: break;
  }
  return "none";
}

}  // namespace

void set_tls(const Peer& peer, AccessEntry& entry) {
  if (!peer.secure) return;
  entry.tls_version = peer.secure->version;
  entry.tls_cipher = peer.secure->cipher;
  entry.server_name = peer.secure->server_name;
}

void Exchange::tell_access(AnsweredBy by) {
  const model::Redactor& redactor = worker_.shared().redactor;
  const auto shown = [&](std::string_view name) {
    const auto value = http::find_header(head_->fields, name);
    return value ? redactor.shown_field(name, *value) : std::string();
  };
  const std::string exchange = id_.to_string();
  const std::string target = redactor.shown_target(head_->target);
  const std::string client = client_address(*head_, stream_.connection().peer());
  const std::string referer = shown("referer"), user_agent = shown("user-agent");
  AccessEntry entry;
  entry.started_wall_ns = started_.wall_ns;
  entry.duration_ns = ended_.mono_ns - started_.mono_ns;
  if (first_byte_.mono_ns != 0) entry.first_byte_ns = first_byte_.mono_ns - started_.mono_ns;
  entry.exchange = exchange;
  entry.client = client;
  entry.peer = stream_.connection().peer().address;
  entry.method = head_->method;
  entry.target = target;
  entry.host = head_->authority;
  entry.protocol = model::http_version_name(
      model::http_version_number(head_->version_major, head_->version_minor));
  entry.referer = referer;
  entry.user_agent = user_agent;
  entry.status = status_;
  entry.route = route_;
  entry.primary = to_string(decision_.primary);
  entry.answered_by = name_of(by);
  entry.upstream = upstream_;
  entry.error = error_code_;
  entry.mirror = to_string(decision_.mirror);
  entry.request_bytes = body_received_;
  entry.answer_bytes = answer_capture_.length();
  entry.is_truncated = was_cut_;
  entry.was_aborted = was_aborted_ || is_client_gone_;
  set_tls(stream_.connection().peer(), entry);
  worker_.access().write(entry);
}

}  // namespace banyan::proxy
