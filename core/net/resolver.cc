// SPDX-License-Identifier: Apache-2.0
#include "core/net/resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "core/base/file_system.h"
#include "core/base/text.h"
#include "core/net/socket.h"

namespace banyan::net {
namespace {

constexpr const char* kResolvConf = "/etc/resolv.conf";
constexpr std::uint64_t kResolvConfBytesMax = 64 * 1024;

std::string text_of(const sockaddr& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.sa_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  } else if (address.sa_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  }
  return text;
}

std::string reason_of(int status) {
  switch (status) {
    case ARES_ENODATA: return "the name has no address";
    case ARES_ENOTFOUND: return "the name does not exist (NXDOMAIN)";
    case ARES_ESERVFAIL: return "the DNS server failed (SERVFAIL)";
    case ARES_EREFUSED: return "the DNS server refused to answer";
    case ARES_ETIMEOUT: return "no DNS server answered in time";
    // c-ares also says so where every server answered that it failed or refuses.
    case ARES_ECONNREFUSED: return "no DNS server can be reached, or each failed to answer";
    case ARES_EBADRESP: return "the DNS server's answer is malformed";
    case ARES_EBADNAME: return "this is no name";
    default: return ares_strerror(status);
  }
}

}  // namespace

struct Resolver::Impl {
  Impl(EventLoop& owner, DnsOptions given)
      : loop(owner), options(std::move(given)), timer(owner, [this] { process(-1, -1); }) {
    static std::once_flag once;
    std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
  }
  ~Impl() {
    is_ending = true;
    close_channel();
  }

  struct Question {
    Impl& impl;
    Done done;
  };

  EventLoop& loop;
  DnsOptions options;
  Timer timer;
  ares_channel channel = nullptr;
  std::unordered_map<int, std::unique_ptr<FdWatch>> watches;
  std::size_t open_questions = 0;
  bool is_processing = false;  // c-ares is on the stack: the channel stays
  bool is_ending = false;

  Status open_channel();
  void close_channel() {
    if (channel == nullptr) return;
    timer.stop();
    ares_destroy(std::exchange(channel, nullptr));
    watches.clear();
  }
  void ask(const std::string& name, AddressFamily family, Done done);
  void process(int readable_fd, int writable_fd);
  void after_ares();
  void watch(int fd, bool reads, bool writes);
  void answered(Question& question, int status, const ares_addrinfo* found);
  NameAnswer failure(int status) const;
  std::string note_on_servers() const;

  static void on_socket(void* self, ares_socket_t fd, int reads, int writes) {
    static_cast<Impl*>(self)->watch(fd, reads != 0, writes != 0);
  }
  static void on_answer(void* raw, int status, int, ares_addrinfo* found) {
    const std::unique_ptr<Question> question(static_cast<Question*>(raw));
    question->impl.answered(*question, status, found);
    if (found != nullptr) ares_freeaddrinfo(found);
  }
};

Status Resolver::Impl::open_channel() {
  ares_options given{};
  int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB | ARES_OPT_LOOKUPS;
  given.timeout = static_cast<int>(std::max<std::int64_t>(options.timeout_ns / 1'000'000, 1));
  given.tries = options.tries;
  given.sock_state_cb = &on_socket;
  given.sock_state_cb_data = this;
  char lookups[] = "fb";
  given.lookups = lookups;
  if (!options.servers.empty()) {
    // A name is what was written where the servers are ours: no search list of the machine.
    given.flags = ARES_FLAG_NOSEARCH;
    mask |= ARES_OPT_FLAGS;
  }
  std::string path = options.resolv_conf;
  if (!path.empty()) {
    given.resolvconf_path = path.data();
    mask |= ARES_OPT_RESOLVCONF;
  }
  int status = ares_init_options(&channel, &given, mask);
  if (status == ARES_SUCCESS && !options.servers.empty()) {
    std::string list;
    for (const std::string& server : options.servers) list += (list.empty() ? "" : ",") + server;
    status = ares_set_servers_ports_csv(channel, list.c_str());
  }
  if (status == ARES_SUCCESS) return {};
  if (channel != nullptr) ares_destroy(std::exchange(channel, nullptr));
  return make_error(ErrorCode::kUnavailable, ErrorOrigin::kConfig,
                    std::string("DNS cannot be set up: ") + ares_strerror(status));
}

void Resolver::Impl::ask(const std::string& name, AddressFamily family, Done done) {
  if (channel == nullptr) {
    if (const Status opened = open_channel(); !opened.ok()) {
      NameAnswer answer;
      answer.message = opened.error().message;
      done(std::move(answer));
      return;
    }
  }
  ares_addrinfo_hints hints{};
  hints.ai_family = family == AddressFamily::kIpv4 ? AF_INET : AF_INET6;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NOSORT;
  ++open_questions;
  const bool was_processing = std::exchange(is_processing, true);
  ares_getaddrinfo(channel, name.c_str(), nullptr, &hints, &on_answer,
                   new Question{*this, std::move(done)});
  is_processing = was_processing;
  after_ares();
}

void Resolver::Impl::process(int readable_fd, int writable_fd) {
  if (channel == nullptr) return;
  is_processing = true;
  ares_process_fd(channel, readable_fd < 0 ? ARES_SOCKET_BAD : readable_fd,
                  writable_fd < 0 ? ARES_SOCKET_BAD : writable_fd);
  is_processing = false;
  after_ares();
}

void Resolver::Impl::after_ares() {
  if (is_processing || is_ending || channel == nullptr) return;
  if (open_questions == 0) return close_channel();
  timeval next{};
  if (ares_timeout(channel, nullptr, &next) == nullptr) return timer.stop();
  // Stopped first: a deadline that moves nearer has to be armed again.
  timer.stop();
  timer.start(std::int64_t{next.tv_sec} * 1'000'000'000 + std::int64_t{next.tv_usec} * 1000);
}

void Resolver::Impl::watch(int fd, bool reads, bool writes) {
  if (!reads && !writes) {
    watches.erase(fd);
    return;
  }
  auto& entry = watches[fd];
  if (!entry) {
    entry = std::make_unique<FdWatch>(loop, fd, [this, fd](FdWatch::Ready ready) {
      process(ready == FdWatch::Ready::kRead ? fd : -1, ready == FdWatch::Ready::kWrite ? fd : -1);
    });
  }
  entry->want_read(reads);
  entry->want_write(writes);
}

void Resolver::Impl::answered(Question& question, int status, const ares_addrinfo* found) {
  --open_questions;
  if (is_ending || status == ARES_EDESTRUCTION) return;
  NameAnswer answer = failure(status);
  std::int64_t ttl = INT64_MAX;
  if (status == ARES_SUCCESS && found != nullptr) {
    for (const ares_addrinfo_node* node = found->nodes; node != nullptr; node = node->ai_next) {
      std::string text = text_of(*node->ai_addr);
      ttl = std::min<std::int64_t>(ttl, node->ai_ttl);
      if (std::find(answer.addresses.begin(), answer.addresses.end(), text) !=
          answer.addresses.end()) {
        continue;
      }
      if (answer.addresses.size() >= options.addresses_max) {
        ++answer.left_out;
      } else {
        answer.addresses.push_back(std::move(text));
      }
    }
    for (const ares_addrinfo_cname* name = found->cnames; name != nullptr; name = name->next) {
      ttl = std::min<std::int64_t>(ttl, name->ttl);
    }
  }
  if (!answer.addresses.empty()) {
    answer.outcome = NameAnswer::Outcome::kAddresses;
    answer.message.clear();
    answer.ttl_ns = std::clamp<std::int64_t>(ttl, 0, INT32_MAX) * 1'000'000'000;
  }
  question.done(std::move(answer));
}

NameAnswer Resolver::Impl::failure(int status) const {
  NameAnswer answer;
  // A success without an address is one more way to say that there is none.
  if (status == ARES_SUCCESS) status = ARES_ENODATA;
  const bool is_none = status == ARES_ENODATA || status == ARES_ENOTFOUND;
  answer.outcome = is_none ? NameAnswer::Outcome::kNone : NameAnswer::Outcome::kFailed;
  answer.message = reason_of(status);
  if (status == ARES_ETIMEOUT || status == ARES_ECONNREFUSED) answer.message += note_on_servers();
  return answer;
}

// Where the machine has no resolver configured, c-ares asks localhost, and nobody would guess why.
std::string Resolver::Impl::note_on_servers() const {
  if (!options.servers.empty()) {
    std::string list;
    for (const std::string& server : options.servers) list += (list.empty() ? "" : ", ") + server;
    return "; dns.servers are " + escape_for_terminal(list, 200);
  }
  const std::string path = options.resolv_conf.empty() ? kResolvConf : options.resolv_conf;
  const auto content = FileSystem::posix().read_file(path, kResolvConfBytesMax);
  if (!content.ok()) return "; " + path + " cannot be read, so 127.0.0.1 was asked";
  for (const std::string_view line : split(*content, '\n')) {
    if (trim(line).substr(0, 10) == "nameserver") return "; servers are those of " + path;
  }
  return "; " + path + " names no server, so 127.0.0.1 was asked";
}

Resolver::Resolver(EventLoop& loop, DnsOptions options)
    : impl_(std::make_unique<Impl>(loop, std::move(options))) {}
Resolver::~Resolver() = default;

void Resolver::resolve(const std::string& name, AddressFamily family, Done done) {
  impl_->ask(name, family, std::move(done));
}

void Resolver::set_options(DnsOptions options) { impl_->options = std::move(options); }

const DnsOptions& Resolver::options() const { return impl_->options; }

std::string Resolver::problem_with_server(std::string_view server) {
  const auto parts = split_host_port(server);
  const auto port = parts.ok() ? parse_u64(parts->port) : std::nullopt;
  const std::string host(parts.ok() ? parts->host : std::string_view());
  unsigned char bytes[16];
  const bool is_v4 = inet_pton(AF_INET, host.c_str(), bytes) == 1;
  const bool is_v6 = inet_pton(AF_INET6, host.c_str(), bytes) == 1;
  const bool has_brackets = !server.empty() && server.front() == '[';
  if (port && *port > 0 && (is_v4 || is_v6) && is_v6 == has_brackets) return "";
  return "a DNS server is an IP and a port: \"10.0.0.2:53\", \"[::1]:53\"";
}

}  // namespace banyan::net
