// SPDX-License-Identifier: Apache-2.0
//
// Upgrades: asked for on the client's behalf where its route allows the protocol, and behind the
// system's 101 a tunnel. It is recorded as one answer with status 101 once it has ended, with the
// bytes that came from the system; its content is nobody's business, and it is never mirrored.
#include <algorithm>

#include "core/base/text.h"
#include "proxy/client_stream.h"
#include "proxy/exchange.h"
#include "proxy/worker.h"

namespace banyan::proxy {

// One protocol that the route names, and no body that would stand between the head and it.
bool Exchange::may_upgrade(const routing::Route* route) const {
  if (!stream_.can_upgrade() || head_->framing != http::BodyFraming::kNone) return false;
  if (http::count_header(head_->fields, "upgrade") != 1) return false;
  const std::string_view wanted = trim(*http::find_header(head_->fields, "upgrade"));
  static const routing::RouteOptions kUnmatched;
  const auto& allowed = route != nullptr ? route->options.upgrades : kUnmatched.upgrades;
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& protocol) {
    return equal_ignoring_case(protocol, wanted);
  });
}

void Exchange::on_upgraded(const http::ResponseHead& head) {
  if (!is_open_) return;
  const auto protocol = http::find_header(head.fields, "upgrade");
  if (!protocol || !equal_ignoring_case(trim(*protocol), upgrade_)) {
    http::ReadError refusal;
    refusal.status = 502;
    refusal.code = "other_upgrade";
    note_refusal(refusal);
    answer_error(502, "bad_answer", "the system behind this proxy changed to another protocol");
    return;
  }
  is_tunnel_ = true;
  step_ = Step::kAnswering;
  has_answer_head_ = true;
  first_byte_ = worker_.loop().now();
  status_ = 101;
  answer_has_body_ = true;
  http_version_ = model::http_version_number(head.version_major, head.version_minor);
  keeps_alive_ = false;
  answer_fields_.assign_end_to_end(head.fields);
  answer_capture_.start(
      decision_.record == RecordMode::kOff ? Capture::Mode::kNothing : Capture::Mode::kMeasureOnly,
      id_, model::Side::kPrimary, subject_);
  worker_.count_upgrade();
  stream_.send_upgrade(upgrade_, answer_fields_.fields());
}

void Exchange::on_tunnel_input(std::string_view bytes) {
  if (!is_open_ || !call_ || step_ != Step::kAnswering) return;
  call_->write_body(bytes);
  if (call_ && call_->is_write_full()) stream_.pause_input();
}

// The client has ended its side; the system may go on until it ends its own.
void Exchange::on_tunnel_end() {
  if (is_open_ && call_ && step_ == Step::kAnswering) call_->finish_body();
}

void Exchange::note_refusal(const http::ReadError& error) {
  Refusal refusal;
  refusal.from = system_ == System::kLegacy ? "legacy" : "candidate";
  refusal.reason = error.code;
  refusal.status = 502;
  refusal.position = error.position;
  refusal.sample = error.sample;
  worker_.note_refusal(std::move(refusal));
}

}  // namespace banyan::proxy
