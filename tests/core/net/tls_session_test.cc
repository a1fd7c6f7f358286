// SPDX-License-Identifier: Apache-2.0
//
// What a Channel with TLS does with bytes: both directions, ends, back-pressure, odd sizes.
#include <gmock/gmock.h>

#include <cerrno>
#include <random>
#include <vector>

#include "tests/core/net/tls_pair.h"

namespace banyan::net {
namespace {

using support::CertificateSpec;
using support::MadeCertificate;
using support::TlsFolder;

class TlsSessionTest : public ::testing::Test {
 protected:
  TlsSessionTest() {
    CertificateSpec spec;
    spec.dns = {"localhost"};
    const MadeCertificate made(spec);
    TlsServerOptions server;
    server.certificates = {folder.write("server", made)};
    server.alpn = {"h2", "http/1.1"};
    TlsClientOptions client;
    client.ca = server.certificates[0].certificate;
    client.alpn = {"http/1.1"};
    auto made_server = TlsServerContext::create(server);
    auto made_client = TlsClientContext::create(client);
    EXPECT_TRUE(made_server.ok()) << made_server.error().message;
    EXPECT_TRUE(made_client.ok()) << made_client.error().message;
    ours = *made_server;
    theirs = *made_client;
  }

  // Records on the wire, by their heads: what one send() made of its pieces.
  static std::vector<std::size_t> record_sizes(int fd) {
    wait_for_bytes(fd, fd);
    std::string bytes(256 * 1024, '\0');
    const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), MSG_PEEK);
    std::vector<std::size_t> sizes;
    for (std::size_t at = 0; got > 0 && at + 5 <= static_cast<std::size_t>(got);) {
      const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(bytes[at + 3]))
                                   << 8 |
                               static_cast<unsigned char>(bytes[at + 4]);
      sizes.push_back(size);
      at += 5 + size;
    }
    return sizes;
  }

  TlsFolder folder;
  std::shared_ptr<const TlsServerContext> ours;
  std::shared_ptr<const TlsClientContext> theirs;
};

TEST_F(TlsSessionTest, CarriesBytesBothWaysAndTellsItsFacts) {
  TlsPair pair(ours, theirs);
  ASSERT_TRUE(pair.is_done()) << pair.client_message;
  EXPECT_EQ("hello|welcome", pair.exchange("hello", "welcome"));
  EXPECT_TRUE(pair.server.is_secure());
  EXPECT_EQ("http/1.1", pair.server.alpn());
  EXPECT_EQ("http/1.1", pair.client.alpn());
  EXPECT_EQ("localhost", pair.server.sni());
  EXPECT_EQ(TlsVersion::k13, pair.server.tls()->version());
  EXPECT_EQ("TLS_AES_128_GCM_SHA256", pair.server.tls()->cipher());
  EXPECT_EQ("CN=localhost", pair.client.tls()->peer_subject());
  EXPECT_EQ("", pair.server.tls()->peer_subject());
  EXPECT_FALSE(pair.server.tls()->is_resumed());
}

TEST_F(TlsSessionTest, SendsHeadAndBodyInOneRecord) {
  TlsPair pair(ours, theirs);
  ASSERT_TRUE(pair.is_done());
  EXPECT_EQ("q|a", pair.exchange("q", "a"));
  const std::string head(300, 'h');
  const std::string body(700, 'b');
  const iovec pieces[2] = {{const_cast<char*>(head.data()), head.size()},
                           {const_cast<char*>(body.data()), body.size()}};
  EXPECT_EQ(1000U, pair.server.send(pieces, 2).bytes);
  EXPECT_EQ(1U, record_sizes(pair.client.fd()).size());
  EXPECT_EQ(head + body, TlsPair::read_some(pair.client));
}

TEST_F(TlsSessionTest, EveryCutOfPiecesArrivesInOrder) {
  TlsPair pair(ours, theirs);
  ASSERT_TRUE(pair.is_done());
  std::string sent;
  for (int i = 0; i < 40'000; ++i) sent.push_back(static_cast<char>('a' + i % 23));
  for (const std::size_t cut :
       {0UL, 1UL, 255UL, 16'383UL, 16'384UL, 16'385UL, 39'999UL, 40'000UL}) {
    const iovec pieces[3] = {{sent.data(), cut}, {nullptr, 0}, {sent.data() + cut, 40'000 - cut}};
    ASSERT_EQ(40'000U, pair.server.send(pieces, 3).bytes) << cut;
    std::string got;
    while (got.size() < sent.size()) {
      const std::string piece = TlsPair::read_some(pair.client);
      ASSERT_NE('<', piece[0]) << piece;
      got += piece;
    }
    EXPECT_EQ(sent, got) << cut;
  }
}

TEST_F(TlsSessionTest, NothingToSendIsNoRecord) {
  TlsPair pair(ours, theirs);
  ASSERT_TRUE(pair.is_done());
  EXPECT_EQ(0U, pair.server.send("").bytes);
  EXPECT_FALSE(pair.server.send("").is_broken());
  EXPECT_EQ("x|y", pair.exchange("x", "y"));
}

// A peer that does not read fills the socket; send() then takes nothing, the same bytes are offered
// from another place in memory, and not one is lost or doubled. 8 MiB, sizes by chance.
TEST_F(TlsSessionTest, LargeTransferUnderBackPressureLosesNothing) {
  constexpr std::size_t kTotal = 8UL << 20;
  TlsPair pair(ours, theirs);
  ASSERT_TRUE(pair.is_done());
  const int small = 16 * 1024;
  ASSERT_EQ(0, ::setsockopt(pair.server.fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small));
  std::mt19937 chance(7);
  std::string waiting;
  std::uint8_t next_out = 0;
  std::uint8_t next_in = 0;
  std::size_t made = 0;
  std::size_t received = 0;
  std::size_t stalls = 0;
  std::string buffer(65536, '\0');
  while (received < kTotal) {
    if (made < kTotal && waiting.size() < 200'000) {
      const std::size_t add = std::min<std::size_t>(1 + chance() % 90'000, kTotal - made);
      for (std::size_t i = 0; i < add; ++i) waiting.push_back(static_cast<char>(next_out++));
      made += add;
      waiting.shrink_to_fit();
    }
    const Sent sent = pair.server.send(waiting);
    ASSERT_FALSE(sent.is_broken());
    if (sent.bytes < waiting.size()) {
      ++stalls;
      EXPECT_LE(pair.server.committed_bytes(), waiting.size() - sent.bytes);
    }
    waiting.erase(0, sent.bytes);
    const std::size_t room = 1 + chance() % buffer.size();
    const Received got = pair.client.receive(buffer.data(), room);
    if (got.outcome == ReceiveOutcome::kWouldBlock) continue;
    ASSERT_EQ(ReceiveOutcome::kBytes, got.outcome);
    for (const char c : got.bytes) ASSERT_EQ(next_in++, static_cast<std::uint8_t>(c)) << received;
    received += got.bytes.size();
  }
  EXPECT_EQ(kTotal, received);
  EXPECT_GT(stalls, 10U);
  EXPECT_TRUE(waiting.empty());
}

// The kernel has nothing left to announce, so the owner must know of what is decrypted already.
TEST_F(TlsSessionTest, TellsOfBytesThatNoReadEventWillAnnounce) {
  TlsPair pair(ours, theirs);
  ASSERT_TRUE(pair.is_done());
  EXPECT_EQ(10'000U, pair.client.send(std::string(10'000, 'x')).bytes);
  wait_for_bytes(pair.server.fd(), pair.server.fd());
  char buffer[16'384];
  std::size_t got = 0;
  EXPECT_FALSE(pair.server.has_buffered_input());
  const Received first = pair.server.receive(buffer, 100);
  ASSERT_EQ(100U, first.bytes.size());
  EXPECT_TRUE(pair.server.has_buffered_input());
  for (got = 100; pair.server.has_buffered_input();) {
    const Received more = pair.server.receive(buffer, 1'000);
    ASSERT_EQ(ReceiveOutcome::kBytes, more.outcome);
    got += more.bytes.size();
  }
  EXPECT_EQ(10'000U, got);
  EXPECT_EQ(ReceiveOutcome::kWouldBlock, pair.server.receive(buffer, sizeof buffer).outcome);
}

// Half a record in the library's buffer is nothing to read again for: that would spin.
TEST_F(TlsSessionTest, PartOfARecordIsNoBufferedInput) {
  TlsPair pair(ours, theirs);
  ASSERT_TRUE(pair.is_done());
  // Takes the record off the server's socket and sends it once more, in pieces.
  EXPECT_EQ(4'000U, pair.client.send(std::string(4'000, 'x')).bytes);
  wait_for_bytes(pair.server.fd(), pair.server.fd());
  std::string record(8'192, '\0');
  const ssize_t size = ::recv(pair.server.fd(), record.data(), record.size(), 0);
  ASSERT_GT(size, 4'000);
  char buffer[16'384];
  ASSERT_EQ(1'000, ::send(pair.client.fd(), record.data(), 1'000, MSG_NOSIGNAL));
  wait_for_bytes(pair.server.fd(), pair.server.fd());
  EXPECT_EQ(ReceiveOutcome::kWouldBlock, pair.server.receive(buffer, sizeof buffer).outcome);
  EXPECT_FALSE(pair.server.has_buffered_input());
  for (ssize_t i = 1'000; i < size; ++i) {
    ASSERT_EQ(1, ::send(pair.client.fd(), record.data() + i, 1, MSG_NOSIGNAL));
  }
  EXPECT_EQ(std::string(4'000, 'x'), TlsPair::read_some(pair.server));
}

TEST_F(TlsSessionTest, CloseIsAnEndAndCutIsNot) {
  {
    TlsPair pair(ours, theirs);
    ASSERT_TRUE(pair.is_done());
    EXPECT_EQ(3U, pair.server.send("end").bytes);
    pair.server.shut_down_sending();
    EXPECT_EQ("end", TlsPair::read_some(pair.client));
    EXPECT_EQ("<closed>", TlsPair::read_some(pair.client));
    EXPECT_EQ("<closed>", TlsPair::read_some(pair.client));
  }
  {
    TlsPair pair(ours, theirs);
    ASSERT_TRUE(pair.is_done());
    EXPECT_EQ(3U, pair.server.send("end").bytes);
    pair.server.close();  // says close_notify too
    EXPECT_EQ("end", TlsPair::read_some(pair.client));
    EXPECT_EQ("<closed>", TlsPair::read_some(pair.client));
  }
  {
    TlsPair pair(ours, theirs);
    ASSERT_TRUE(pair.is_done());
    EXPECT_EQ(3U, pair.server.send("cut").bytes);
    ASSERT_EQ(0, ::shutdown(pair.server.fd(), SHUT_WR));  // FIN alone, as an attacker can send it
    EXPECT_EQ("cut", TlsPair::read_some(pair.client));
    EXPECT_EQ("<truncated>", TlsPair::read_some(pair.client));
    EXPECT_EQ("<truncated>", TlsPair::read_some(pair.client));
    EXPECT_TRUE(pair.client.send("more").is_broken());
  }
  {
    TlsPair pair(ours, theirs);
    ASSERT_TRUE(pair.is_done());
    pair.server.set_reset_on_close();
    pair.server.close();
    EXPECT_EQ("<failed>", TlsPair::read_some(pair.client));
  }
}

// The end lies in the buffer together with the last bytes, where no read event tells of it.
TEST_F(TlsSessionTest, EndBehindTheLastBytesIsToldByBufferedInput) {
  TlsPair pair(ours, theirs);
  ASSERT_TRUE(pair.is_done());
  EXPECT_EQ("a|b", pair.exchange("a", "b"));
  EXPECT_EQ(4U, pair.server.send("last").bytes);
  pair.server.shut_down_sending();
  wait_for_bytes(pair.client.fd(), pair.client.fd());
  char buffer[4096];
  ASSERT_EQ("last", pair.client.receive(buffer, sizeof buffer).bytes);
  EXPECT_TRUE(pair.client.has_buffered_input());
  EXPECT_EQ(ReceiveOutcome::kClosed, pair.client.receive(buffer, sizeof buffer).outcome);
  EXPECT_FALSE(pair.client.has_buffered_input());
}

TEST_F(TlsSessionTest, GarbageAndChangedBytesBreakTheConnection) {
  TlsPair pair(ours, theirs);
  ASSERT_TRUE(pair.is_done());
  ASSERT_EQ(10, ::send(pair.client.fd(), "GET / HTTP", 10, MSG_NOSIGNAL));
  EXPECT_EQ("<failed>", TlsPair::read_some(pair.server));
  EXPECT_TRUE(pair.server.send("x").is_broken());

  TlsPair other(ours, theirs);
  ASSERT_TRUE(other.is_done());
  EXPECT_EQ(2U, other.client.send("hi").bytes);
  wait_for_bytes(other.server.fd(), other.server.fd());
  char record[256];
  const ssize_t size = ::recv(other.server.fd(), record, sizeof record, 0);
  ASSERT_GT(size, 10);
  record[size - 1] = static_cast<char>(record[size - 1] ^ 1);
  ASSERT_EQ(size, ::send(other.client.fd(), record, static_cast<std::size_t>(size), MSG_NOSIGNAL));
  EXPECT_EQ("<failed>", TlsPair::read_some(other.server));
}

// SIGPIPE would end the program: nothing here ignores the signal.
TEST_F(TlsSessionTest, WritingToAPeerThatLeftIsAnErrorNotASignal) {
  TlsPair pair(ours, theirs);
  ASSERT_TRUE(pair.is_done());
  pair.client.set_reset_on_close();
  pair.client.close();
  int broken = 0;
  for (int i = 0; i < 100 && broken == 0; ++i) broken = pair.server.send("hello").failed_errno;
  EXPECT_TRUE(broken == EPIPE || broken == ECONNRESET) << broken;
}

TEST_F(TlsSessionTest, OfferingFewerBytesThanAreCommittedBreaksInsteadOfGarbling) {
  TlsPair pair(ours, theirs);
  ASSERT_TRUE(pair.is_done());
  const std::string much(8UL << 20, 'x');
  const Sent sent = pair.server.send(much);
  ASSERT_LT(sent.bytes, much.size());
  ASSERT_GT(pair.server.committed_bytes(), 1U);
  EXPECT_EQ(EPROTO, pair.server.send("y").failed_errno);
}

TEST_F(TlsSessionTest, HandshakeByteByByteSucceeds) {
  SocketPair outer = connected_sockets();
  SocketPair inner = connected_sockets();
  Channel client(std::move(outer.client), theirs->new_session("localhost"));
  Channel server(std::move(inner.server), ours->new_session());
  const auto relay = [](int from, int to, std::size_t at_most) {
    char byte[4096];
    const ssize_t got = ::recv(from, byte, at_most, 0);
    if (got <= 0) return;
    EXPECT_EQ(got, ::send(to, byte, static_cast<std::size_t>(got), MSG_NOSIGNAL));
  };
  HandshakeOutcome at_client = HandshakeOutcome::kWantRead;
  HandshakeOutcome at_server = HandshakeOutcome::kWantRead;
  for (int i = 0; i < 100'000 && at_server != HandshakeOutcome::kDone; ++i) {
    at_client = client.handshake();
    ASSERT_NE(HandshakeOutcome::kFailed, at_client);
    relay(outer.server.get(), inner.client.get(), 1);
    at_server = server.handshake();
    ASSERT_NE(HandshakeOutcome::kFailed, at_server);
    relay(inner.client.get(), outer.server.get(), 4096);
  }
  EXPECT_EQ(HandshakeOutcome::kDone, at_server);
}

TEST(ChannelTest, PlainIsASocket) {
  SocketPair sockets = connected_sockets();
  Channel client(std::move(sockets.client));
  Channel server(std::move(sockets.server));
  EXPECT_EQ(HandshakeOutcome::kDone, client.handshake());
  EXPECT_FALSE(client.is_secure());
  EXPECT_EQ("", client.alpn());
  const iovec pieces[2] = {{const_cast<char*>("ab"), 2}, {const_cast<char*>("cd"), 2}};
  EXPECT_EQ(4U, client.send(pieces, 2).bytes);
  EXPECT_EQ("abcd", TlsPair::read_some(server));
  EXPECT_FALSE(server.has_buffered_input());
  client.shut_down_sending();
  EXPECT_EQ("<closed>", TlsPair::read_some(server));
  Channel moved(std::move(server));
  EXPECT_TRUE(moved.is_open());
  moved.set_reset_on_close();
  moved.close();
  EXPECT_FALSE(moved.is_open());
  EXPECT_EQ("<failed>", TlsPair::read_some(client));
}

}  // namespace
}  // namespace banyan::net
