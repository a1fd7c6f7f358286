# SPDX-License-Identifier: Apache-2.0
"""TLS at the listeners and towards systems, and PROXY headers: the real binary against real TLS clients
(Python's ssl, openssl s_client). Certificates are made when the test runs."""

import http.client
import os
import re
import socket
import ssl
import struct
import subprocess
import time
import unittest

from certificates import Certificates, openssl
from harness import Banyan, DEFAULT_ROUTE, Origin, free_port, wait_until


CERTIFICATES = None


def setUpModule():
    global CERTIFICATES
    CERTIFICATES = Certificates()
    CERTIFICATES.make("server")
    CERTIFICATES.make("server_rsa", kind="rsa")
    CERTIFICATES.make("wild", "DNS:*.example.test,DNS:exact.example.test")
    CERTIFICATES.make("alice", "email:alice@example.test", '/O=Example, "Inc"/CN=alice')
    CERTIFICATES.authority("stranger")
    CERTIFICATES.make("mallory", "email:m@example.test", ca="stranger")


def tearDownModule():
    CERTIFICATES.clean()


def client_context(identity=None, ca="ca"):
    return CERTIFICATES.client_context(identity, ca)


def receive_all(sock):
    data = b""
    try:
        while True:
            piece = sock.recv(65536)
            if not piece:
                return data
            data += piece
    except OSError:
        return data


class TlsCase(unittest.TestCase):
    listeners = ()  # texts that follow `address = …` of further listeners
    timeouts = ""

    def setUp(self):
        self.legacy = Origin(self.answer)
        self.addCleanup(self.legacy.stop)
        self.ports = [free_port() for _ in self.listeners]
        extra = DEFAULT_ROUTE + self.timeouts
        for port, text in zip(self.ports, self.listeners):
            extra += '\n[[listeners]]\naddress = "127.0.0.1:%d"\n%s\n' % (port, self.filled(text))
        self.banyan = Banyan(self.legacy.port, free_port(), extra)
        self.addCleanup(self.banyan.clean)
        self.banyan.start()

    @staticmethod
    def filled(text):
        return re.sub(r"\{pair:(\w+)\}", lambda match: CERTIFICATES.pair(match.group(1)),
                      re.sub(r"\{file:([\w.]+)\}", lambda match: CERTIFICATES.path(match.group(1)), text))

    def answer(self, request):
        return 200, {"Content-Type": "text/plain"}, request["body"] or b"hello"

    def request(self, port, context=None, method="GET", target="/", body=None, headers=None, name="localhost"):
        raw = socket.create_connection(("127.0.0.1", port), timeout=20)
        secure = (context or client_context()).wrap_socket(raw, server_hostname=name)
        connection = http.client.HTTPConnection(name, port)  # names the Host
        connection.sock = secure
        try:
            connection.request(method, target, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def metric(self, name, **labels):
        text = self.banyan.api("GET", "/metrics", with_token=False)[1].decode()
        total = 0.0
        for line in text.splitlines():
            match = re.match(r"(\w+)(?:\{(.*)\})? (\S+)$", line)
            if match and match.group(1) == name and all(
                    '%s="%s"' % item in (match.group(2) or "") for item in labels.items()):
                total += float(match.group(3))
        return total


class ListenerTest(TlsCase):
    listeners = ("tls = { {pair:server}, certificates = [{ {pair:server_rsa} }, { {pair:wild} }] }",
                 'tls = { {pair:server}, client_ca = "{file:ca.pem}" }',
                 'tls = { {pair:server}, client_ca = "{file:ca.pem}", client_auth = "request", min_version = "1.3" }')

    def s_client(self, *arguments, text="", port=None, code=None):
        return openssl("s_client", "-connect", "127.0.0.1:%d" % (port or self.ports[0]), "-servername", "localhost",
                       "-CAfile", CERTIFICATES.path("ca.pem"), *arguments, text=text, code=code)

    def test_request_reaches_the_system_as_https(self):
        status, body = self.request(self.ports[0], headers={"X-Forwarded-Proto": "http", "Banyan-Client-Subject": "x"})
        self.assertEqual((200, b"hello"), (status, body))
        headers = self.legacy.requests[-1]["headers"]
        self.assertEqual("https", headers["x-forwarded-proto"])
        self.assertIn("proto=https", headers["forwarded"])
        self.assertNotIn("banyan-client-subject", headers)
        wait_until(lambda: self.metric("banyan_tls_handshakes_total", version="TLSv1.3") == 1, "counted")
        expiry = self.metric("banyan_tls_certificate_not_after_seconds",
                             listener="127.0.0.1:%d" % self.ports[0], certificate="0")
        self.assertAlmostEqual(time.time() + 60 * 86400, expiry, delta=7200)

    def test_large_bodies_pass_both_ways(self):
        body = os.urandom(8 << 20)
        status, answer = self.request(self.ports[0], method="POST", body=body)
        self.assertEqual(200, status)
        self.assertEqual(body, answer)

    def test_requests_byte_by_byte_and_pipelined(self):
        raw = socket.create_connection(("127.0.0.1", self.ports[0]), timeout=20)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with client_context().wrap_socket(raw, server_hostname="localhost") as secure:
            one = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"
            for byte in one:
                secure.sendall(bytes([byte]))
            secure.sendall(one * 200 + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            answers = receive_all(secure)
        self.assertEqual(202, answers.count(b"HTTP/1.1 200"))

    def test_certificate_is_chosen_by_name(self):
        for name, subject in (("localhost", "CN = server"), ("exact.example.test", "CN = wild"),
                              ("any.example.test", "CN = wild"), ("unknown.test", "CN = server")):
            shown = openssl("s_client", "-connect", "127.0.0.1:%d" % self.ports[0], "-servername", name, text="",
                            code=None)
            self.assertIn("subject=" + subject, shown, name)
        shown = self.s_client("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")
        self.assertIn("subject=CN = server_rsa", shown)

    def test_modern_baseline(self):
        for version in ("-tls1", "-tls1_1"):
            self.assertIn("Cipher is (NONE)", self.s_client(version, "-cipher", "ALL:@SECLEVEL=0"), version)
        for cipher in ("AES128-SHA", "AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384",
                       "DHE-RSA-AES128-GCM-SHA256", "AECDH-AES128-SHA", "NULL-SHA256", "ECDHE-ECDSA-AES128-CCM8"):
            self.assertIn("Cipher is (NONE)",
                          self.s_client("-tls1_2", "-cipher", cipher + ":@SECLEVEL=0"), cipher)
        good = self.s_client("-tls1_2")
        self.assertIn("Compression: NONE", good)
        self.assertIn("Secure Renegotiation IS supported", good)
        self.assertIn("Verify return code: 0 (ok)", good)
        self.assertIn("Server Temp Key: X25519", good)
        newest = self.s_client()
        self.assertIn("TLSv1.3", newest)
        self.assertNotRegex(newest, r"Max Early Data: [1-9]")
        wait_until(lambda: self.metric("banyan_tls_handshake_failures_total", reason="version") > 0, "counted")
        wait_until(lambda: self.metric("banyan_tls_handshake_failures_total", reason="cipher") > 0, "counted")
        self.assertIn("Cipher is (NONE)", self.s_client("-tls1_2", port=self.ports[2]))

    def test_renegotiation_is_refused(self):
        process = subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" % self.ports[0], "-tls1_2"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        seen = b""
        while b"Verify return code" not in seen:
            seen += process.stdout.read1()
        process.stdin.write(b"R\n")
        process.stdin.flush()
        rest = process.communicate(timeout=20)[0]
        self.assertIn(b"no renegotiation", rest)

    def test_sessions_resume_at_any_worker(self):
        context = client_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        session = None
        for turn in range(12):
            raw = socket.create_connection(("127.0.0.1", self.ports[0]), timeout=20)
            with context.wrap_socket(raw, server_hostname="localhost", session=session) as secure:
                self.assertEqual(turn > 0, secure.session_reused)
                session = secure.session
        wait_until(lambda: self.metric("banyan_tls_handshakes_total", version="TLSv1.2", resumed="true") == 11, "counted")

    def test_client_certificate_is_required(self):
        status, _ = self.request(self.ports[1], client_context("alice"), headers={"Banyan-Client-Subject": "CN=root"})
        self.assertEqual(200, status)
        self.assertEqual('CN=alice,O=Example\\, \\"Inc\\"', self.legacy.requests[-1]["headers"]["banyan-client-subject"])
        before = len(self.legacy.requests)
        for identity in (None, "mallory"):
            with self.assertRaises((ssl.SSLError, OSError, http.client.HTTPException)):
                self.request(self.ports[1], client_context(identity))
        self.assertEqual(before, len(self.legacy.requests))
        wait_until(lambda: self.metric("banyan_tls_handshake_failures_total", reason="no_client_certificate") == 1, "counted")
        wait_until(lambda: self.metric("banyan_tls_handshake_failures_total", reason="client_certificate") == 1, "counted")

    def test_client_certificate_may_be_asked_for(self):
        self.assertEqual(200, self.request(self.ports[2])[0])
        self.assertNotIn("banyan-client-subject", self.legacy.requests[-1]["headers"])
        self.assertEqual(200, self.request(self.ports[2], client_context("alice"))[0])
        self.assertIn("banyan-client-subject", self.legacy.requests[-1]["headers"])

    def test_host_that_is_not_the_servers_name_is_421_where_clients_show_certificates(self):
        alice = client_context("alice")
        for host, status in (("localhost", 200), ("LOCALHOST:%d" % self.ports[1], 200), ("other.test", 421)):
            self.assertEqual(status, self.request(self.ports[1], alice, headers={"Host": host})[0], host)
        self.assertEqual(200, self.request(self.ports[0], headers={"Host": "other.test"})[0])

    def test_plain_http_on_a_tls_port_is_told_so(self):
        with socket.create_connection(("127.0.0.1", self.ports[0]), timeout=20) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = receive_all(plain)
        self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), answer)
        self.assertIn(b"tls_expected", answer)
        head, body = answer.split(b"\r\n\r\n", 1)
        self.assertIn(b"Content-Length: %d" % len(body), head)
        wait_until(lambda: self.metric("banyan_tls_handshake_failures_total", reason="plain_http") == 1, "counted")

    def test_garbage_and_silence_harm_nobody(self):
        for garbage in (b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"\0" * 1000, b"SSH-2.0-x\r\n", b"\x16\x03\x01"):
            with socket.create_connection(("127.0.0.1", self.ports[0]), timeout=20) as broken:
                try:
                    broken.sendall(garbage)
                    broken.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                receive_all(broken)
        self.assertEqual(200, self.request(self.ports[0])[0])
        with open("/proc/%d/status" % self.banyan.process.pid, encoding="utf-8") as file:
            self.assertIn("State:", file.read())


def v2(command=1, family=0x11, body=socket.inet_aton("192.0.2.9") + socket.inet_aton("10.0.0.1") + b"\1\2\3\4",
       version=2, length=None):
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", version << 4 | command, family,
                                                len(body) if length is None else length) + body


V6_BODY = socket.inet_pton(socket.AF_INET6, "2001:db8::9") + socket.inet_pton(socket.AF_INET6, "::1") + b"\1\2\3\4"

# What a balancer sends, and whom the system is told of; None: closed without an answer, with the reason counted.
GOOD_HEADERS = [
    (b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 80\r\n", "192.0.2.7"),
    (b"PROXY TCP6 2001:db8::7 ::1 5000 80\r\n", "2001:db8::7"),
    (b"PROXY TCP6 ::ffff:192.0.2.8 ::1 5000 80\r\n", "192.0.2.8"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    (v2(), "192.0.2.9"),
    (v2(family=0x21, body=V6_BODY), "2001:db8::9"),
    (v2(body=v2()[16:] + b"\4\0\2xy"), "192.0.2.9"),
    (v2(command=0, family=0, body=b""), "127.0.0.1"),
]
BAD_HEADERS = [
    (b"", "missing"), (b"\r\n", "missing"), (b"\x16\x03\x01\x02\x00", "missing"), (b"proxy tcp4 a b 1 2\r\n", "missing"),
    (b"PROXY TCP4 192.0.2.7 10.0.0.1 5000\r\n", "malformed"), (b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 80\n", "malformed"),
    (b"PROXY TCP4 192.0.2.777 10.0.0.1 5000 80\r\n", "malformed"),
    (b"PROXY TCP4 192.0.2.7 10.0.0.1 99999 80\r\n", "malformed"),
    (b"PROXY TCP4 192.0.2.7, 10.0.0.1 5000 80\r\n", "malformed"),
    (b"PROXY UDP4 192.0.2.7 10.0.0.1 5000 80\r\n", "unsupported"), (b"PROXY " + b"x" * 200 + b"\r\n", "too_long"),
    (v2(version=1), "unsupported"), (v2(command=7), "unsupported"), (v2(family=0x12), "unsupported"),
    (v2(body=b"short"), "malformed"), (v2(family=0x21), "malformed"),
    (v2(body=v2()[16:] + b"\4\0\xffxy"), "malformed"), (v2(length=65535), "too_long"),
]


class ProxyHeaderTest(TlsCase):
    listeners = ('proxy_protocol = true\ntrusted = ["127.0.0.1"]', 'proxy_protocol = true\ntrusted = ["10.0.0.0/8"]',
                 'proxy_protocol = true\ntrusted = ["127.0.0.1"]\ntls = { {pair:server} }', "proxy_protocol = true")
    timeouts = '\n[timeouts]\nhandshake = "1s"\n'
    REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 198.51.100.1\r\nConnection: close\r\n\r\n"

    def ask(self, port, header, by_bytes=False):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                for piece in ([bytes([byte]) for byte in header] if by_bytes else [header]):
                    sock.sendall(piece)
                sock.sendall(self.REQUEST)
            except OSError:
                pass
            return receive_all(sock)

    def client_seen(self):
        return self.legacy.requests[-1]["headers"]["x-forwarded-for"]

    def test_good_headers_name_the_client(self):
        for header, client in GOOD_HEADERS:
            for by_bytes in (False, True):
                self.assertIn(b" 200 OK", self.ask(self.ports[0], header, by_bytes), header)
                # The balancer is trusted to say who connected, the client is not.
                wanted = "198.51.100.1, 127.0.0.1" if client == "127.0.0.1" else client
                self.assertEqual(wanted, self.client_seen(), header)

    def test_bad_headers_are_closed_and_counted(self):
        for header, reason in BAD_HEADERS:
            before = self.metric("banyan_proxy_header_refusals_total", reason=reason)
            self.assertEqual(b"", self.ask(self.ports[0], header), header)
            self.assertEqual(before + 1, self.metric("banyan_proxy_header_refusals_total", reason=reason), header)
        self.assertEqual([], self.legacy.requests)

    def test_strangers_and_the_slow_are_closed_and_counted(self):
        self.assertEqual(b"", self.ask(self.ports[1], GOOD_HEADERS[0][0]))
        wait_until(lambda: self.metric("banyan_proxy_header_refusals_total", reason="untrusted") == 1, "counted")
        with socket.create_connection(("127.0.0.1", self.ports[0]), timeout=20) as slow:
            slow.sendall(b"PROXY TCP4 192.0.2.7")
            self.assertEqual(b"", receive_all(slow))
        with socket.create_connection(("127.0.0.1", self.ports[2]), timeout=20) as slow:
            slow.sendall(GOOD_HEADERS[0][0] + b"\x16\x03\x01")
            self.assertEqual(b"", receive_all(slow))
        wait_until(lambda: self.metric("banyan_proxy_header_refusals_total", reason="timeout") == 1, "counted")
        wait_until(lambda: self.metric("banyan_tls_handshake_failures_total", reason="timeout") == 1, "counted")
        socket.create_connection(("127.0.0.1", self.ports[0]), timeout=20).close()  # a health check
        wait_until(lambda: self.metric("banyan_proxy_header_refusals_total", reason="closed") == 1, "counted")
        self.assertEqual([], self.legacy.requests)

    def test_header_then_tls(self):
        with socket.create_connection(("127.0.0.1", self.ports[2]), timeout=20) as raw:
            raw.sendall(GOOD_HEADERS[4][0])
            with client_context().wrap_socket(raw, server_hostname="localhost") as secure:
                secure.sendall(self.REQUEST)
                self.assertIn(b" 200 OK", receive_all(secure))
        self.assertEqual("192.0.2.9", self.client_seen())
        self.assertEqual("https", self.legacy.requests[-1]["headers"]["x-forwarded-proto"])

    def test_a_plain_listener_takes_no_header(self):
        answer = self.ask(self.banyan.port, GOOD_HEADERS[0][0])
        self.assertIn(b" 400 ", answer)
        self.assertEqual([], self.legacy.requests)


class TlsOrigin(Origin):
    def __init__(self, answer, identity):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(CERTIFICATES.path(identity + ".pem"), CERTIFICATES.path(identity + ".key"))
        super().__init__(answer)

    def start(self):
        super().start()

        def get_request(server=self.server, accept=self.server.get_request):
            sock, address = accept()
            sock.settimeout(20)
            return self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), address
        self.server.get_request = get_request


class SystemTest(unittest.TestCase):
    """https:// to a system."""

    def banyan(self, url, tls):
        text = "[systems.legacy]\nurls = [\"%s\"]\n%s\n" % (url, tls)
        made = Banyan(1, free_port(), DEFAULT_ROUTE)
        self.addCleanup(made.clean)
        with open(made.config, encoding="utf-8") as file:
            config = file.read()
        config = config.replace('[systems.legacy]\nurls = ["http://127.0.0.1:1"]\n', text)
        with open(made.config, "w", encoding="utf-8") as file:
            file.write(config)
        return made.start()

    def test_systems_are_verified(self):
        origin = TlsOrigin(lambda request: (200, {}, b"secret"), "server")
        self.addCleanup(origin.stop)
        ca = 'ca = "%s"' % CERTIFICATES.path("ca.pem")
        url = "https://127.0.0.1:%d" % origin.port
        named = "https://localhost:%d" % origin.port
        for at, tls, status in ((url, "tls = { %s }" % ca, 200), (named, "tls = { %s }" % ca, 200),
                                (url, "", 502), (url, 'tls = { ca = "%s" }' % CERTIFICATES.path("stranger.pem"), 502),
                                (url, 'tls = { %s, server_name = "localhost" }' % ca, 200),
                                (url, 'tls = { %s, server_name = "other.test" }' % ca, 502),
                                (url, "tls = { verify = false }", 200)):
            banyan = self.banyan(at, tls)
            got, body, _ = banyan.request(headers={"Cookie": "session=a"})
            self.assertEqual(status, got, (at, tls, body))
            if status == 502:
                self.assertNotIn(CERTIFICATES.folder.encode(), body)
            alarms = banyan.json("status")["alarms"]
            if "verify = false" in tls:
                self.assertIn("verify is off", banyan.errors())
                self.assertIn("system legacy: its certificate is not verified", alarms[0])
                self.assertIn("ALARM", banyan.cli("status").stdout)
                self.assertEqual(200, banyan.api("GET", "/readyz", with_token=False)[0])
            else:
                self.assertEqual([], alarms)
            banyan.stop()


class CheckTest(unittest.TestCase):
    """`banyan check` finds what would fail later."""

    def check(self, tls, code):
        made = Banyan(1, 2, '[[listeners]]\naddress = "127.0.0.1:%d"\n%s\n' % (free_port(), tls))
        self.addCleanup(made.clean)
        return made.cli("check", code=code).stderr

    def test_bad_files_are_named_with_their_place(self):
        CERTIFICATES.make("old", dates=("20200101000000Z", "20200201000000Z"))
        CERTIFICATES.make("early", dates=("20400101000000Z", "20410101000000Z"))
        encrypted = CERTIFICATES.path("encrypted.key")
        openssl("pkey", "-in", CERTIFICATES.path("server.key"), "-aes256", "-passout", "pass:secret", "-out", encrypted)
        certificate, key = CERTIFICATES.path("server.pem"), CERTIFICATES.path("server.key")
        der = CERTIFICATES.path("server.der")
        openssl("x509", "-in", certificate, "-outform", "der", "-out", der)
        files = 'tls = { certificate = "%s", private_key = "%s" }'
        for tls, message in ((files % ("/nowhere.pem", key), "/nowhere.pem does not exist"),
                             (files % (certificate, CERTIFICATES.path("wild.key")), "is not the key of"),
                             (files % (certificate, encrypted), "encrypted private key"),
                             (files % (der, key), "is no PEM file"),
                             (files % (key, key), "holds a private key, no certificate"),
                             (files % (certificate, certificate), "holds a certificate, no private key"),
                             ("tls = { %s }" % CERTIFICATES.pair("old"), "has expired on 2020-02-01"),
                             ("tls = { %s }" % CERTIFICATES.pair("early"), "is not valid before 2040-01-01"),
                             ('tls = { %s, client_ca = "%s" }' % (CERTIFICATES.pair("server"), key),
                              "holds a private key, no certificate")):
            errors = self.check(tls, 3)
            self.assertRegex(errors, r"banyan\.toml:\d+:\d+: error: ")
            self.assertIn(message, errors)
            self.assertNotIn("PRIVATE KEY-----\nM", errors)
        os.chmod(key, 0o644)
        try:
            self.assertIn("every user of this machine can read", self.check("tls = { %s }" % CERTIFICATES.pair("server"), 0))
        finally:
            os.chmod(key, 0o600)


if __name__ == "__main__":
    unittest.main()
