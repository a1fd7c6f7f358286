// SPDX-License-Identifier: Apache-2.0
#include "core/net/proxy_header_reader.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "core/base/text.h"
#include "core/net/proxy_header.h"

namespace banyan::net {
namespace {

constexpr std::string_view kTextStart = "PROXY ";
constexpr std::size_t kFixedBytes = 16;  // signature, version and command, family, length
constexpr std::size_t kTcp4Bytes = 12;
constexpr std::size_t kTcp6Bytes = 36;
constexpr std::size_t kUnixBytes = 216;

// "0" to "65535" without leading zeros.
std::optional<std::uint16_t> port_of(std::string_view text) {
  const auto port = parse_u64(text);
  if (!port || *port > 65535 || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  return static_cast<std::uint16_t>(*port);
}

SocketAddress address_v4(const void* address, std::uint16_t port) {
  sockaddr_in made{};
  made.sin_family = AF_INET;
  std::memcpy(&made.sin_addr, address, sizeof made.sin_addr);
  made.sin_port = htons(port);
  return SocketAddress{raw_bytes(made)};
}

SocketAddress address_v6(const void* address, std::uint16_t port) {
  sockaddr_in6 made{};
  made.sin6_family = AF_INET6;
  std::memcpy(&made.sin6_addr, address, sizeof made.sin6_addr);
  made.sin6_port = htons(port);
  return SocketAddress{raw_bytes(made)};
}

unsigned byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

std::size_t u16_at(std::string_view bytes, std::size_t at) {
  return std::size_t{byte_at(bytes, at)} << 8 | byte_at(bytes, at + 1);
}

// Type, length, value, as often as it fits exactly.
bool are_extensions_whole(std::string_view bytes) {
  while (!bytes.empty()) {
    if (bytes.size() < 3 || bytes.size() - 3 < u16_at(bytes, 1)) return false;
    bytes.remove_prefix(3 + u16_at(bytes, 1));
  }
  return true;
}

}  // namespace

std::string_view to_string(ProxyHeaderProblem problem) {
  switch (problem) {
    case ProxyHeaderProblem::kNone: return "none";
    case ProxyHeaderProblem::kMissing: return "missing";
    case ProxyHeaderProblem::kMalformed: return "malformed";
    case ProxyHeaderProblem::kTooLong: return "too_long";
    case ProxyHeaderProblem::kUnsupported: return "unsupported";
  }
  return "none";
}

ProxyHeaderReader::Outcome ProxyHeaderReader::refuse(ProxyHeaderProblem problem) {
  problem_ = problem;
  bytes_ = std::string();
  return Outcome::kRefused;
}

// Moves bytes until the header so far has `size`.
ProxyHeaderReader::Outcome ProxyHeaderReader::take(std::string_view& input, std::size_t size) {
  const std::size_t step = std::min(input.size(), size - std::min(size, bytes_.size()));
  bytes_.append(input.substr(0, step));
  input.remove_prefix(step);
  return bytes_.size() >= size ? Outcome::kDone : Outcome::kNeedMore;
}

ProxyHeaderReader::Outcome ProxyHeaderReader::next(std::string_view& input) {
  if (problem_ != ProxyHeaderProblem::kNone) return Outcome::kRefused;
  if (bytes_.empty()) {
    if (input.empty()) return Outcome::kNeedMore;
    if (input.front() != kTextStart.front() && input.front() != ProxyV2::kSignature.front()) {
      return refuse(ProxyHeaderProblem::kMissing);
    }
    (void)take(input, 1);
  }
  return bytes_.front() == kTextStart.front() ? next_text(input) : next_binary(input);
}

// ---- version 1

ProxyHeaderReader::Outcome ProxyHeaderReader::next_text(std::string_view& input) {
  // A stranger is told apart as soon as one byte differs.
  const Outcome start = take(input, kTextStart.size());
  if (kTextStart.substr(0, bytes_.size()) !=
      std::string_view(bytes_).substr(0, kTextStart.size())) {
    return refuse(ProxyHeaderProblem::kMissing);
  }
  if (start == Outcome::kNeedMore) return Outcome::kNeedMore;
  const std::size_t end = input.find('\n');
  const std::size_t size = end == std::string_view::npos ? input.size() : end + 1;
  if (bytes_.size() + size > kTextBytesMax) return refuse(ProxyHeaderProblem::kTooLong);
  (void)take(input, bytes_.size() + size);
  if (end == std::string_view::npos) return Outcome::kNeedMore;
  std::string_view line = bytes_;
  if (line.size() < 2 || line[line.size() - 2] != '\r') {
    return refuse(ProxyHeaderProblem::kMalformed);
  }
  line.remove_suffix(2);
  if (line.find_first_of(std::string_view("\r\0", 2)) != std::string_view::npos) {
    return refuse(ProxyHeaderProblem::kMalformed);
  }
  return read_text(line);
}

// "PROXY TCP4 SOURCE DESTINATION SOURCE_PORT DESTINATION_PORT", single spaces.
ProxyHeaderReader::Outcome ProxyHeaderReader::read_text(std::string_view line) {
  const std::vector<std::string_view> words = split(line, ' ');
  // Whatever follows UNKNOWN is to be ignored.
  if (words.size() >= 2 && words[1] == "UNKNOWN") return Outcome::kDone;
  if (words.size() < 2 || (words[1] != "TCP4" && words[1] != "TCP6")) {
    return refuse(words.size() >= 2 && !words[1].empty() ? ProxyHeaderProblem::kUnsupported
                                                         : ProxyHeaderProblem::kMalformed);
  }
  if (words.size() != 6) return refuse(ProxyHeaderProblem::kMalformed);
  const int family = words[1] == "TCP4" ? AF_INET : AF_INET6;
  unsigned char source[16];
  unsigned char destination[16];
  const auto source_port = port_of(words[4]);
  if (inet_pton(family, std::string(words[2]).c_str(), source) != 1 ||
      inet_pton(family, std::string(words[3]).c_str(), destination) != 1 || !source_port ||
      !port_of(words[5])) {
    return refuse(ProxyHeaderProblem::kMalformed);
  }
  client_ = family == AF_INET ? address_v4(source, *source_port) : address_v6(source, *source_port);
  return Outcome::kDone;
}

// ---- version 2

ProxyHeaderReader::Outcome ProxyHeaderReader::next_binary(std::string_view& input) {
  if (bytes_.size() < kFixedBytes) {
    const Outcome fixed = take(input, kFixedBytes);
    const std::size_t known = std::min(bytes_.size(), ProxyV2::kSignature.size());
    if (ProxyV2::kSignature.substr(0, known) != std::string_view(bytes_).substr(0, known)) {
      return refuse(ProxyHeaderProblem::kMissing);
    }
    if (fixed == Outcome::kNeedMore) return Outcome::kNeedMore;
    if (byte_at(bytes_, 12) >> 4 != ProxyV2::kVersion)
      return refuse(ProxyHeaderProblem::kUnsupported);
  }
  const std::size_t whole = kFixedBytes + u16_at(bytes_, 14);
  if (whole > kBinaryBytesMax) return refuse(ProxyHeaderProblem::kTooLong);
  if (take(input, whole) == Outcome::kNeedMore) return Outcome::kNeedMore;
  return read_binary();
}

ProxyHeaderReader::Outcome ProxyHeaderReader::read_binary() {
  const unsigned command = byte_at(bytes_, 12) & 0x0f;
  const unsigned family = byte_at(bytes_, 13);
  const std::string_view body = std::string_view(bytes_).substr(kFixedBytes);
  if (command == ProxyV2::kLocal) return Outcome::kDone;  // Its body is to be ignored.
  if (command != ProxyV2::kProxy) return refuse(ProxyHeaderProblem::kUnsupported);
  std::size_t address_bytes = 0;
  switch (family) {
    case ProxyV2::kUnspecified: return Outcome::kDone;
    case ProxyV2::kTcp4: address_bytes = kTcp4Bytes; break;
    case ProxyV2::kTcp6: address_bytes = kTcp6Bytes; break;
    case ProxyV2::kUnixStream: address_bytes = kUnixBytes; break;
    default: return refuse(ProxyHeaderProblem::kUnsupported);
  }
  if (body.size() < address_bytes || !are_extensions_whole(body.substr(address_bytes))) {
    return refuse(ProxyHeaderProblem::kMalformed);
  }
  if (family == ProxyV2::kTcp4) {
    client_ = address_v4(body.data(), static_cast<std::uint16_t>(u16_at(body, 8)));
  } else if (family == ProxyV2::kTcp6) {
    client_ = address_v6(body.data(), static_cast<std::uint16_t>(u16_at(body, 32)));
  }
  return Outcome::kDone;
}

}  // namespace banyan::net
