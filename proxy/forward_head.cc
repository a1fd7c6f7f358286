// SPDX-License-Identifier: Apache-2.0
#include "proxy/forward_head.h"

#include <charconv>
#include <utility>

#include "core/base/text.h"
#include "core/base/vector16.h"
#include "core/http/message_writer.h"
#include "proxy/forwarded.h"
#include "proxy/max_forwards.h"

namespace banyan::proxy {
namespace {

constexpr std::string_view kHopField = "Banyan-Hop";
constexpr std::string_view kOwnPrefix = "banyan-";
constexpr std::size_t kHopsMax = 16;
constexpr std::size_t kRequestIdBytesMax = 128;
constexpr std::size_t kTraceparentBytes = 55;

enum class Kind {
  kEndToEnd,
  kHopByHop,
  kConnection,
  kHost,
  kContentLength,
  kExpect,
  kForwardedFor,
  kForwardedProto,
  kForwardedHost,
  kForwarded,
  kRequestId,
  kTraceparent,
  kMaxForwards,
  kHop,
  kOurs,
};

bool is(std::string_view name, std::string_view lower) { return equal_ignoring_case(name, lower); }

// By length first: most fields of a client are settled without a comparison.
Kind kind_of(std::string_view name) {
  switch (name.size()) {
    case 2: return is(name, "te") ? Kind::kHopByHop : Kind::kEndToEnd;
    case 4: return is(name, "host") ? Kind::kHost : Kind::kEndToEnd;
    case 6: return is(name, "expect") ? Kind::kExpect : Kind::kEndToEnd;
    case 7: return is(name, "upgrade") || is(name, "trailer") ? Kind::kHopByHop : Kind::kEndToEnd;
    case 9:
      if (is(name, "forwarded")) return Kind::kForwarded;
      break;
    case 10:
      if (is(name, "connection")) return Kind::kConnection;
      if (is(name, "keep-alive")) return Kind::kHopByHop;
      if (is(name, kHopField)) return Kind::kHop;
      break;
    case 11:
      if (is(name, "traceparent")) return Kind::kTraceparent;
      break;
    case 12:
      if (is(name, "x-request-id")) return Kind::kRequestId;
      if (is(name, "max-forwards")) return Kind::kMaxForwards;
      break;
    case 14:
      if (is(name, "content-length")) return Kind::kContentLength;
      if (is(name, "http2-settings")) return Kind::kHopByHop;
      break;
    case 15:
      if (is(name, "x-forwarded-for")) return Kind::kForwardedFor;
      break;
    case 16:
      if (is(name, "x-forwarded-host")) return Kind::kForwardedHost;
      if (is(name, "proxy-connection")) return Kind::kHopByHop;
      break;
    case 17:
      if (is(name, "x-forwarded-proto")) return Kind::kForwardedProto;
      if (is(name, "transfer-encoding")) return Kind::kHopByHop;
      break;
    default: break;
  }
  return starts_with_ignoring_case(name, kOwnPrefix) ? Kind::kOurs : Kind::kEndToEnd;
}

// Visible ASCII only, and short: it goes into logs and error answers.
bool is_sane_request_id(std::string_view value) {
  if (value.empty() || value.size() > kRequestIdBytesMax) return false;
  for (const char c : value) {
    if (c <= 0x20 || c == 0x7f || c == '"' || c == '\\') return false;
  }
  return true;
}

// W3C Trace Context, version 00: two hex digits, trace id, parent id, flags.
bool is_sane_traceparent(std::string_view value) {
  if (value.size() != kTraceparentBytes) return false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (i == 2 || i == 35 || i == 52) {
      if (c != '-') return false;
    } else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
      return false;
    }
  }
  return value.substr(3, 32).find_first_not_of('0') != std::string_view::npos &&
         value.substr(36, 16).find_first_not_of('0') != std::string_view::npos;
}

constexpr std::size_t kHexBytes = 16;  // of a number, by write_hex()

void write_new_request_id(const ExchangeId& exchange, std::string& out) {
  out.resize(2 * kHexBytes);
  write_hex(out.data(), exchange.high);
  write_hex(out.data() + kHexBytes, exchange.low);
}

// Version 00, trace id, parent id, and no flag: nobody is asked to sample it.
void write_traceparent(std::uint64_t high, std::uint64_t low, std::uint64_t parent,
                       std::string& out) {
  constexpr std::string_view kForm = "00-tttttttttttttttttttttttttttttttt-pppppppppppppppp-00";
  static_assert(kForm.size() == kTraceparentBytes);
  out.assign(kForm);
  constexpr std::size_t kTrace = kForm.find('t');
  constexpr std::size_t kParent = kForm.find('p');
  write_hex(out.data() + kTrace, high);
  write_hex(out.data() + kTrace + kHexBytes, low);
  write_hex(out.data() + kParent, parent);
}

// Mostly it is what stands there already.
void set(std::string& text, std::string_view value) {
  if (text != value) text.assign(value);
}

// Spreads the bits of an exchange id, whose own digits are too regular for samplers of trace ids.
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return (x ^ (x >> 31)) | 1;
}

void join(std::string& list, std::string_view element) {
  if (!list.empty()) list.append(", ");
  list.append(element);
}

// Names in Connection fields other than the tokens every client sends.
bool names_fields(std::string_view value) {
  for (const std::string_view part : split(value, ',')) {
    const auto token = trim(part);
    if (!token.empty() && !is(token, "keep-alive") && !is(token, "close") &&
        !is(token, "upgrade") && !is(token, "te")) {
      return true;
    }
  }
  return false;
}

}  // namespace

Peer make_peer(std::string_view address, const NetworkSet& trusted, bool writes_via) {
  Peer peer;
  peer.address = unmapped_address(address);
  peer.is_trusted = trusted.contains(peer.address);
  peer.writes_via = writes_via;
  peer.trusted = &trusted;
  const bool is_v6 = peer.address.find(':') != std::string::npos;
  peer.for_element = is_v6 ? "for=\"[" + peer.address + "]\"" : "for=" + peer.address;
  return peer;
}

std::string client_address(const http::RequestHead& head, const Peer& peer) {
  if (!peer.is_trusted) return peer.address;
  std::string_view found = peer.address;
  for (const std::string_view node : forwarding_nodes(head)) {
    const std::string_view address = address_of_node(node);
    if (address.empty()) break;
    found = address;
    if (!peer.trusted->contains(address)) break;
  }
  return unmapped_address(found);
}

// What the client said in the fields that we set ourselves.
struct ForwardHead::Seen {
  bool connection_names_fields = false;
  bool has_forwarding = false;  // X-Forwarded-For or Forwarded of a trusted peer
  bool has_hops = false;
  std::string_view proto, host, request_id, traceparent;
};

void ForwardHead::build(const http::RequestHead& head, const ForwardFacts& facts) {
  fields_.clear();
  framing_ = facts.framing;
  set(upgrade_, facts.upgrade);
  set(host_, facts.host);
  fields_.push_back({"Host", host_});
  Seen seen;
  take_client_fields(head, facts.peer->is_trusted, seen);
  add_forwarding_fields(head, facts, seen);
  add_identity_fields(facts, seen);
  if (framing_ == RequestFraming::kContentLength) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, facts.content_length).ptr;
    length_.assign(digits, end);
    fields_.push_back({"Content-Length", length_});
  }
}

// The first of the client's own takes the place of what stood there for the request before.
void ForwardHead::note_forwarding(Seen& seen) {
  if (std::exchange(seen.has_forwarding, true)) return;
  is_forwarding_ours_ = false;
  forwarded_for_.clear();
  forwarded_.clear();
}

void ForwardHead::take_client_fields(const http::RequestHead& head, bool is_trusted, Seen& seen) {
  for (const http::Header& field : head.fields) {
    if (field.name.size() == 10 && is(field.name, "connection") && names_fields(field.value)) {
      seen.connection_names_fields = true;
    }
  }
  for (const http::Header& field : head.fields) {
    switch (kind_of(field.name)) {
      case Kind::kEndToEnd:
        if (seen.connection_names_fields && !is(field.name, "cookie") &&
            !is(field.name, "authorization") &&
            http::is_connection_specific(head.fields, field.name)) {
          break;
        }
        fields_.push_back(field);
        break;
      case Kind::kForwardedFor:
        if (!is_trusted) break;
        note_forwarding(seen);
        add_forwarded_line(forwarded_for_, field.value, good_part_of_forwarded_for(field.value));
        break;
      case Kind::kForwarded:
        if (!is_trusted) break;
        note_forwarding(seen);
        add_forwarded_line(forwarded_, field.value, good_part_of_forwarded(field.value));
        break;
      case Kind::kHop:
        if (!std::exchange(seen.has_hops, true)) hops_.clear();
        join(hops_, field.value);
        break;
      case Kind::kForwardedProto:
        if (seen.proto.empty()) seen.proto = field.value;
        break;
      case Kind::kForwardedHost:
        if (seen.host.empty()) seen.host = field.value;
        break;
      case Kind::kRequestId:
        if (seen.request_id.empty()) seen.request_id = field.value;
        break;
      case Kind::kTraceparent:
        if (seen.traceparent.empty()) seen.traceparent = field.value;
        break;
      case Kind::kMaxForwards: add_max_forwards(head, field); break;
      case Kind::kHopByHop:
      case Kind::kConnection:
      case Kind::kHost:
      case Kind::kContentLength:
      case Kind::kExpect:
      case Kind::kOurs: break;
    }
  }
}

void ForwardHead::add_max_forwards(const http::RequestHead& head, const http::Header& field) {
  const HopsLeft hops = hops_left(head);
  if (!hops.is_given || hops.ends_here()) {
    fields_.push_back(field);
    return;
  }
  max_forwards_ = std::to_string(hops.count - 1);
  fields_.push_back({field.name, max_forwards_});
}

void ForwardHead::add_forwarding_fields(const http::RequestHead& head, const ForwardFacts& facts,
                                        const Seen& seen) {
  const Peer& peer = *facts.peer;
  const std::string_view scheme = peer.secure ? "https" : "http";
  const bool names_proto = peer.is_trusted && !seen.proto.empty() && is_forwarded_proto(seen.proto);
  const bool names_host = peer.is_trusted && !seen.host.empty() && is_forwarded_host(seen.host);
  const bool is_ours = !names_proto && !names_host && !seen.has_forwarding;
  // A client says the same with each request, nearly always: then they stand here already.
  const bool is_same = is_ours && is_forwarding_ours_ && forwarded_for_ == peer.address &&
                       forwarded_proto_ == scheme && forwarded_host_ == head.authority;
  if (!is_same) {
    if (seen.has_forwarding) {
      trim_forwarded(forwarded_for_);
      trim_forwarded(forwarded_);
    } else {
      forwarded_for_.clear();
      forwarded_.clear();
    }
    is_forwarding_ours_ = is_ours;
    join(forwarded_for_, peer.address);
    forwarded_proto_.assign(names_proto ? seen.proto : scheme);
    forwarded_host_.assign(names_host ? seen.host : head.authority);
    join(forwarded_, peer.for_element);
    if (!head.authority.empty()) append_forwarded_pair(forwarded_, ";host", head.authority);
    forwarded_.append(";proto=").append(scheme);
  }
  fields_.push_back({"X-Forwarded-For", forwarded_for_});
  fields_.push_back({"X-Forwarded-Proto", forwarded_proto_});
  if (!forwarded_host_.empty()) fields_.push_back({"X-Forwarded-Host", forwarded_host_});
  fields_.push_back({"Forwarded", forwarded_});
  // A client cannot forge it: fields with our prefix are removed from requests.
  if (peer.secure && !peer.secure->client_subject.empty()) {
    fields_.push_back({"Banyan-Client-Subject", peer.secure->client_subject});
  }
  if (peer.writes_via)
    fields_.push_back({"Via", head.version_major == 2 ? "2 banyan"
                              : head.is_1_0()         ? "1.0 banyan"
                                                      : "1.1 banyan"});
}

void ForwardHead::add_identity_fields(const ForwardFacts& facts, const Seen& seen) {
  if (is_sane_request_id(seen.request_id)) {
    request_id_.assign(seen.request_id);
  } else {
    write_new_request_id(facts.exchange, request_id_);
  }
  fields_.push_back({"X-Request-Id", request_id_});
  if (is_sane_traceparent(seen.traceparent)) {
    traceparent_.assign(seen.traceparent);
  } else {
    const std::uint64_t high = mixed(facts.exchange.high);
    const std::uint64_t low = mixed(facts.exchange.low ^ high);
    write_traceparent(high, low, mixed(low), traceparent_);
  }
  fields_.push_back({"traceparent", traceparent_});
  if (!seen.has_hops) {
    set(hops_, facts.log_uuid);
  } else {
    join(hops_, facts.log_uuid);
  }
  fields_.push_back({kHopField, hops_});
}

void ForwardHead::set_host(std::string_view host) {
  host_.assign(host);
  fields_.front().value = host_;
}

void ForwardHead::write(const http::RequestHead& head, bool with_expect, std::string& out) const {
  std::size_t size = head.method.size() + head.target.size() + 96;
  for (const http::Header& field : fields_) size += field.name.size() + field.value.size() + 4;
  out.reserve(out.size() + size);
  http::write_request_line(out, head.method, head.target);
  http::write_parsed_fields(out, fields_);
  if (framing_ == RequestFraming::kChunked) {
    http::write_field(out, "Transfer-Encoding", "chunked");
  }
  if (with_expect) http::write_field(out, "Expect", "100-continue");
  if (!upgrade_.empty()) {
    http::write_field(out, "Connection", "Upgrade");
    http::write_field(out, "Upgrade", upgrade_);
  }
  http::write_end_of_head(out);
}

bool has_passed(const http::RequestHead& head, std::string_view log_uuid) {
  std::size_t hops = 0;
  for (const http::Header& field : head.fields) {
    if (field.name.size() != kHopField.size() || !is(field.name, kHopField)) continue;
    for (const std::string_view part : split(field.value, ',')) {
      if (trim(part) == log_uuid || ++hops >= kHopsMax) return true;
    }
  }
  return false;
}

bool is_forbidden_in_trailers(std::string_view name) {
  switch (kind_of(name)) {
    case Kind::kEndToEnd:
      return is(name, "authorization") || is(name, "cookie") || is(name, "set-cookie") ||
             is(name, "content-encoding") || is(name, "content-type") ||
             is(name, "content-range") || is(name, "proxy-authorization");
    default: return true;
  }
}

}  // namespace banyan::proxy
