# SPDX-License-Identifier: Apache-2.0
"""Systems over TLS, HTTP/2 and PROXY headers: the real binary between real peers."""

import http.client
import socket
import threading
import time
import unittest

from certificates import Certificates
from h2_peers import H2Client, H2Origin, server_tls
from harness import Banyan, DEFAULT_ROUTE, Origin, SocketServer, wait_until


CERTIFICATES = None


def setUpModule():
    global CERTIFICATES
    CERTIFICATES = Certificates()
    CERTIFICATES.make("good")
    CERTIFICATES.make("wrong", "DNS:other.example")


def tearDownModule():
    CERTIFICATES.clean()


def server(name):
    return server_tls(CERTIFICATES.path(name + ".pem"), CERTIFICATES.path(name + ".key"))


class UpstreamTest(unittest.TestCase):
    def begin(self, legacy, candidate, legacy_keys="", candidate_keys="", schemes=("http", "http"),
              extra=DEFAULT_ROUTE, listener_keys=""):
        """Both origins under the given schemes, with further keys of their tables."""
        banyan = Banyan(legacy.port, candidate.port, extra)
        self.addCleanup(banyan.clean)
        with open(banyan.config, encoding="utf-8") as file:
            text = file.read()
        for origin, keys, scheme in ((legacy, legacy_keys, schemes[0]), (candidate, candidate_keys, schemes[1])):
            self.addCleanup(origin.stop)
            text = text.replace('urls = ["http://127.0.0.1:%d"]' % origin.port,
                                'urls = ["%s://127.0.0.1:%d"]\n%s' % (scheme, origin.port, keys))
        text = text.replace("[[listeners]]\n", "[[listeners]]\n" + listener_keys)
        with open(banyan.config, "w", encoding="utf-8") as file:
            file.write(text)
        return banyan.start()

    @property
    def ca(self):
        return 'tls = { ca = "%s" }\n' % CERTIFICATES.path("ca.pem")

    def assert_balanced(self, banyan, admitted):
        """The account of so many exchanges."""
        ledger = banyan.settle(admitted=admitted)
        self.assertEqual(admitted, ledger["total"]["admitted"])
        self.assertTrue(ledger["total"]["balanced"])
        return ledger["total"]

    def test_both_systems_over_tls_and_http2(self):
        legacy = H2Origin(tls=server("good"))
        candidate = H2Origin(tls=server("good"))
        keys = self.ca + 'http2 = "auto"\n'
        banyan = self.begin(legacy, candidate, keys, keys, ("https", "https"))
        for number in range(30):
            status, body, headers = banyan.request("POST" if number % 3 == 0 else "GET", "/item/%d" % number,
                                                   b"abc" if number % 3 == 0 else None, {"Cookie": "session=a"})
            self.assertEqual((status, body), (200, b'{"ok":true}'))
        total = self.assert_balanced(banyan, 30)
        self.assertEqual(total["answered"]["legacy"], 30)
        self.assertEqual(total["mirror"]["mirrored"], 30)
        self.assertEqual(total["compared"]["equal"], 30)
        self.assertEqual(len(legacy.seen()), 30)
        shadows = candidate.seen()
        self.assertEqual({it["fields"]["banyan-shadow"] for it in shadows}, {"1"})
        self.assertEqual({it["fields"][":scheme"] for it in shadows}, {"https"})
        self.assertTrue(all("connection" not in it["fields"] for it in legacy.seen()))
        self.assertLessEqual(legacy.connections, 2)  # one per worker

    def test_a_candidate_that_cannot_prove_who_it_is_gets_nothing(self):
        legacy = Origin()
        candidate = H2Origin(tls=server("wrong"))
        banyan = self.begin(legacy, candidate, "", self.ca + 'http2 = "auto"\n', ("http", "https"))
        for number in range(5):
            self.assertEqual(banyan.request("GET", "/item/%d" % number)[0], 200)
        wait_until(lambda: b"tls_failed" in banyan.api("GET", "/api/v1/status")[1], "the reason is shown")
        self.assertEqual(candidate.seen(), [])
        status, body, _ = banyan.request("GET", "/again")
        self.assertEqual((status, body), (200, b'{"ok":true}'))

    def test_a_primary_that_cannot_prove_who_it_is_is_a_502(self):
        legacy = H2Origin(tls=server("wrong"))
        candidate = Origin()
        banyan = self.begin(legacy, candidate, self.ca, "", ("https", "http"))
        status, body, _ = banyan.request("POST", "/a", b"secret")
        self.assertEqual(status, 502)
        self.assertIn(b"tls_failed", body)
        self.assertEqual(legacy.seen(), [])
        total = self.assert_balanced(banyan, 1)
        self.assertEqual(total["answered"]["banyan"], 1)

    def test_messages_go_both_ways_before_the_request_has_ended(self):
        """As gRPC streams: over HTTP/1.1 to the proxy, HTTP/2 to the system, with trailers at the end."""
        legacy, candidate = H2Origin(), H2Origin()
        keys = 'http2 = "prior_knowledge"\n'
        banyan = self.begin(legacy, candidate, keys, keys)
        with socket.create_connection(("127.0.0.1", banyan.port), timeout=20) as client:
            stream = client.makefile("rb")
            client.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\n"
                           b"TE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\n"
                           b"Expect: 100-continue\r\n\r\n")
            # The system's head comes at once, so nobody says 100.
            self.assertTrue(self.read_head(stream).startswith(b"HTTP/1.1 200"))
            client.sendall(b"3\r\none\r\n")
            self.assertEqual(self.read_chunk(stream), b"one")
            client.sendall(b"3\r\ntwo\r\n")
            self.assertEqual(self.read_chunk(stream), b"two")
            client.sendall(b"0\r\nChecksum: 7\r\n\r\n")
            self.assertEqual(stream.readline(), b"0\r\n")
            self.assertEqual(stream.readline().lower(), b"grpc-status: 0\r\n")
        seen = wait_until(lambda: legacy.seen("/echo"), "the request has ended")[0]
        self.assertEqual(seen["body"], b"onetwo")
        self.assertEqual(seen["trailers"], {"checksum": "7"})
        self.assertEqual(seen["fields"]["te"], "trailers")
        total = self.assert_balanced(banyan, 1)
        self.assertEqual(total["answered"]["legacy"], 1)
        copy = wait_until(lambda: candidate.seen("/echo"), "the copy")[0]
        self.assertEqual(copy["body"], b"onetwo")
        self.assertEqual(copy["fields"]["te"], "trailers")
        self.assertEqual(total["compared"]["equal"], 1)

    def test_grpc_between_an_http2_client_and_http2_systems(self):
        legacy, candidate = H2Origin(), H2Origin()
        keys = 'http2 = "prior_knowledge"\n'
        banyan = self.begin(legacy, candidate, keys, keys, listener_keys="http2 = true\n")
        client = H2Client(banyan.port)
        self.addCleanup(client.close)
        fields = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "5S")]
        stream = client.open("/echo/a", fields)
        for number in range(5):
            client.send(stream, b"message %d;" % number)
            client.read_until(lambda: client.streams[stream]["body"].endswith(b"message %d;" % number))
        self.assertEqual(client.streams[stream]["head"][":status"], "200")
        client.send(stream, b"", ends=True)
        client.read_until(lambda: client.streams[stream]["ended"])
        self.assertEqual(client.streams[stream]["trailers"], {"grpc-status": "0"})
        seen = wait_until(lambda: legacy.seen("/echo/a"), "the request has ended")[0]
        self.assertEqual((seen["fields"]["te"], seen["fields"]["grpc-timeout"]), ("trailers", "5S"))
        cancelled = client.open("/echo/b", fields)
        client.send(cancelled, b"one")
        client.read_until(lambda: client.streams[cancelled]["body"] == b"one")
        client.reset(cancelled)
        wait_until(lambda: legacy.resets == 1, "the cancel reaches the system")
        total = self.assert_balanced(banyan, 2)
        self.assertEqual(total["answered"]["legacy"], 1)
        self.assertEqual(total["compared"]["equal"], 1)

    @staticmethod
    def read_head(stream):
        lines = b""
        while not lines.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                raise AssertionError("closed in the head: %r" % lines)
            lines += line
        return lines

    @staticmethod
    def read_chunk(stream):
        size = int(stream.readline(), 16)
        data = stream.read(size)
        stream.read(2)
        return data

    def test_a_client_that_leaves_resets_its_stream(self):
        legacy, candidate = H2Origin(answer=lambda request: None), Origin()
        banyan = self.begin(legacy, candidate, 'http2 = "prior_knowledge"\n')
        client = http.client.HTTPConnection("127.0.0.1", banyan.port, timeout=20)
        client.request("GET", "/slow")
        wait_until(lambda: legacy.seen("/slow"), "the system has the request")
        client.sock.shutdown(socket.SHUT_RDWR)
        client.close()
        wait_until(lambda: legacy.resets == 1, "the stream is reset")
        self.assertEqual(self.assert_balanced(banyan, 1)["answered"]["aborted"], 1)

    def test_large_bodies_under_flow_control(self):
        size = 3_000_000
        answer = lambda request: (200, [("content-type", "text/plain")], b"x" * size, [])
        legacy, candidate = H2Origin(answer), H2Origin(answer)
        keys = 'http2 = "prior_knowledge"\n'
        banyan = self.begin(legacy, candidate, keys, keys)
        threads, failed = [], []

        def ask(number):
            try:
                status, body, _ = banyan.request("PUT", "/big/%d" % number, b"y" * size,
                                                 {"Cookie": "session=%d" % number}, timeout=60)
                if status != 200 or len(body) != size:
                    failed.append((status, len(body)))
            except (OSError, http.client.HTTPException) as error:
                failed.append(repr(error))

        for number in range(4):
            threads.append(threading.Thread(target=ask, args=(number,)))
            threads[-1].start()
        for thread in threads:
            thread.join(90)
        self.assertEqual(failed, [])
        total = self.assert_balanced(banyan, 4)
        self.assertEqual(total["mirror"]["mirrored"], 4)
        self.assertEqual({len(it["body"]) for it in legacy.seen() + candidate.seen()}, {size})

    def test_a_system_that_restarts_loses_no_idempotent_request(self):
        legacy, candidate = H2Origin(), Origin()
        banyan = self.begin(legacy, candidate, 'http2 = "prior_knowledge"\n')
        for number in range(20):
            self.assertEqual(banyan.request("GET", "/%d" % number)[0], 200)
        for connection in list(legacy.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for number in range(20):
            self.assertEqual(banyan.request("GET", "/%d" % number)[0], 200)

    def test_proxy_headers_name_the_client_and_copies_nobody(self):
        legacy, candidate = LineOrigin(), LineOrigin()
        banyan = self.begin(legacy, candidate, 'proxy_protocol = "v1"\n', 'proxy_protocol = "v1"\n')
        for _ in range(2):
            client = http.client.HTTPConnection("127.0.0.1", banyan.port, timeout=20)
            for _ in range(3):
                client.request("GET", "/a")
                self.assertEqual(client.getresponse().read(), b"ok")
            port = client.sock.getsockname()[1]
            self.assertEqual(legacy.first_lines[-1], b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d" % (port, banyan.port))
            client.close()
        self.assertEqual(len(legacy.first_lines), 2)  # a connection of its own for each client
        self.assert_balanced(banyan, 6)
        self.assertEqual(set(candidate.first_lines), {b"PROXY UNKNOWN"})


class LineOrigin(SocketServer):
    """Wants a PROXY header of version 1 on each connection, then answers requests without a body."""

    def __init__(self):
        self.first_lines = []
        super().__init__()

    def serve(self, connection):
        with connection.makefile("rb") as stream:
            self.first_lines.append(stream.readline().rstrip(b"\r\n"))
            while True:
                line = stream.readline()
                if not line:
                    return
                if line == b"\r\n":
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


if __name__ == "__main__":
    unittest.main()
