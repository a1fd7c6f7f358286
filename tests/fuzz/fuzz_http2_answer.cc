// SPDX-License-Identifier: Apache-2.0
//
// A system that speaks HTTP/2 and sends anything: whatever it is, each call ends once, a head comes
// at most once and is sound, and nothing is delivered behind an end.
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "core/http/char_classes.h"
#include "core/net/event_loop.h"
#include "core/net/socket.h"
#include "core/net/upstream.h"

namespace {

using namespace banyan;

struct Judge final : net::UpstreamCallHandler {
  bool has_head = false, has_ended = false;

  void on_informational(const http::ResponseHead& head) override {
    CHECK(!has_head && !has_ended && head.status >= 100 && head.status < 200);
    judge(head.fields);
  }
  void on_head(const http::ResponseHead& head) override {
    CHECK(!has_head && !has_ended && head.status >= 200 && head.status < 600);
    has_head = true;
    judge(head.fields);
  }
  void on_body(std::string_view) override { CHECK(has_head && !has_ended); }
  void on_complete(const http::HeaderList& trailers) override {
    CHECK(has_head && !has_ended);
    has_ended = true;
    judge(trailers);
  }
  void on_failure(const net::UpstreamFailure&) override {
    CHECK(!has_ended);
    has_ended = true;
  }
  static void judge(const http::HeaderList& fields) {
    for (const auto& [name, value] : fields) {
      CHECK(http::is_token(name) && http::is_field_value(value) && !http::is_hop_by_hop(name));
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > net::EventLoop::kScratchBytes) return 0;
  static const auto loop = std::move(net::EventLoop::create()).value();
  static const auto listening = std::move(net::listen_on("127.0.0.1:0", false)).value();
  // Of a retry in the run before, perhaps.
  net::Accepted accepted;
  while (net::accept_from(listening.fd.get(), accepted) == net::AcceptOutcome::kAccepted) {
  }
  net::UpstreamOptions options;
  options.endpoints =
      net::Endpoints::fixed(net::resolve_url("http://" + listening.address).value());
  options.http2 = net::UpstreamHttp2::kPriorKnowledge;
  options.connections_max = 1;
  net::UpstreamPool pool(*loop, options);
  Judge first, second;
  net::UpstreamRequest get;
  get.head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  get.method = "GET";
  net::UpstreamRequest post;
  post.head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  post.method = "POST";
  post.streams_body = post.is_chunked = true;
  auto one = pool.start(std::move(get), first);
  auto two = pool.start(std::move(post), second);
  two->write_body("abc");
  while (net::accept_from(listening.fd.get(), accepted) != net::AcceptOutcome::kAccepted) {
    loop->run_once_for_test(1'000'000);
  }
  // Greeted properly, so that what follows is looked at.
  std::string bytes("\0\0\0\4\0\0\0\0\0", 9);
  bytes.append(reinterpret_cast<const char*>(data), size);
  const iovec piece{bytes.data(), bytes.size()};
  loop->run_once_for_test(1'000'000);
  (void)net::send_pieces(accepted.fd.get(), &piece, 1);
  net::shut_down_sending(accepted.fd.get());
  for (int turn = 0; turn < 50 && !(first.has_ended && second.has_ended); ++turn) {
    loop->run_once_for_test(1'000'000);
  }
  one.reset();
  two.reset();
  pool.close_idle();
  net::set_reset_on_close(accepted.fd.get());
  accepted.fd.reset();
  loop->run_once_for_test();
  return 0;
}
