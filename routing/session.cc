// SPDX-License-Identifier: Apache-2.0
#include "routing/session.h"

#include "core/base/hash.h"
#include "core/base/text.h"

namespace banyan::routing {
namespace {

std::uint64_t seed_of(std::string_view salt, std::string_view use) {
  std::string text(salt);
  text += '\x1f';
  text += use;
  return xxh3_64(text);
}

// The high part of hash × 10000: even steps, without the bias of a remainder.
std::uint32_t bucket_of(std::uint64_t hash) {
  const std::uint64_t high = hash >> 32;
  return static_cast<std::uint32_t>((high * kShareWhole) >> 32);
}

}  // namespace

std::string_view find_cookie(const http::HeaderList& fields, std::string_view name) {
  for (const http::Header& field : fields) {
    if (!equal_ignoring_case(field.name, "cookie")) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t end = rest.find(';');
      const std::string_view pair = trim(rest.substr(0, end));
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
      const std::size_t equals = pair.find('=');
      if (equals == std::string_view::npos || trim(pair.substr(0, equals)) != name) continue;
      const std::string_view value = trim(pair.substr(equals + 1));
      if (!value.empty()) return value;
    }
  }
  return {};
}

StickyKey find_sticky_key(StickyKind kind, std::string_view name, const http::HeaderList* fields,
                          std::string_view client_address) {
  std::string_view value;
  switch (kind) {
    case StickyKind::kClientIp: value = client_address; break;
    case StickyKind::kCookie:
      if (fields != nullptr) value = find_cookie(*fields, name);
      break;
    case StickyKind::kHeader:
      if (fields != nullptr) value = trim(http::find_header(*fields, name).value_or(""));
      break;
  }
  return StickyKey{value, !value.empty()};
}

Buckets::Buckets(std::string_view salt)
    : answer_seed_(seed_of(salt, "answer")), mirror_seed_(seed_of(salt, "mirror")) {}

std::uint32_t Buckets::answer(std::string_view key) const {
  return bucket_of(xxh3_64(key, answer_seed_));
}

std::uint32_t Buckets::mirror(std::string_view key) const {
  return bucket_of(xxh3_64(key, mirror_seed_));
}

std::string percent_text(std::uint32_t hundredths) {
  std::string out = std::to_string(hundredths / 100);
  out += '.';
  out += static_cast<char>('0' + hundredths / 10 % 10);
  out += static_cast<char>('0' + hundredths % 10);
  return out;
}

std::string sticky_text(StickyKind kind, std::string_view name) {
  switch (kind) {
    case StickyKind::kClientIp: return "client_ip";
    case StickyKind::kCookie: return "cookie " + std::string(name);
    case StickyKind::kHeader: return "header " + std::string(name);
  }
  return "";
}

}  // namespace banyan::routing
