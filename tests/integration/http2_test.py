#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 towards clients: the real binary between python3-h2, raw frames, and origins that keep what they got."""

import http.client
import json
import os
import signal
import socket
import ssl
import struct
import threading
import time
import unittest

import hpack

from certificates import Certificates
from h2_peers import H2Client, H2Origin
from harness import BINARY, Banyan, DEFAULT_ROUTE, Origin, free_port, wait_until
from hostile_test import RecordingOrigin

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
PROTOCOL_ERROR, REFUSED_STREAM, CANCEL, CALM = 1, 7, 8, 11
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ONE_ROUTE = """\
[[routes]]
name = "all"
match = { path = "/**" }
mirror_percent = 0
durability = "none"
"""


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def plain_block(fields):
    """Literals without the table, so that nothing is repaired on the way."""
    def text(value):
        return hpack_integer(len(value)) + value
    return b"".join(b"\0" + text(name) + text(value) for name, value in fields)


def hpack_integer(number):
    if number < 127:
        return bytes([number])
    out, number = b"\x7f", number - 127
    while number >= 128:
        out, number = out + bytes([number % 128 + 128]), number // 128
    return out + bytes([number])


class RawClient:
    """Frames by hand. Keeps of each stream: status, fields, trailers, body, whether it ended or was reset."""

    def __init__(self, port, settings=b""):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.decoder, self.buffer = hpack.Decoder(), b""
        self.streams, self.goaways, self.ended = {}, [], False
        self.next = 1
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # It may have been told to go.

    def stream(self, number):
        return self.streams.setdefault(number, {"fields": None, "trailers": None, "body": bytearray(), "ended": False,
                                                "reset": None})

    def open(self, fields, ends=True):
        number, self.next = self.next, self.next + 2
        block, end = plain_block(fields), 1 if ends else 0
        pieces = [block[at:at + 16384] for at in range(0, len(block), 16384)] or [b""]
        for index, piece in enumerate(pieces):
            last = 4 if index + 1 == len(pieces) else 0
            self.send(frame(CONTINUATION if index else HEADERS, last if index else last | end, number, piece))
        return number

    def get(self, path="/"):
        return self.open(request(path=path))

    def read(self):
        """One read of the socket; False at its end."""
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.ended = True
            return False
        self.buffer += data
        while len(self.buffer) >= 9:
            size = int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < 9 + size:
                break
            kind, flags, number = self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big")
            payload, self.buffer = self.buffer[9:9 + size], self.buffer[9 + size:]
            self.take(kind, flags, number, payload)
        return True

    def take(self, kind, flags, number, payload):
        if kind == HEADERS:
            fields = self.decoder.decode(payload, raw=True)
            name = "fields" if fields and fields[0][0] == b":status" else "trailers"
            self.stream(number)[name] = fields
        elif kind == DATA:
            self.stream(number)["body"] += payload
        elif kind == RST_STREAM:
            self.stream(number)["reset"] = int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            self.goaways.append((int.from_bytes(payload[:4], "big"), int.from_bytes(payload[4:8], "big")))
        if kind in (HEADERS, DATA) and flags & 1:
            self.stream(number)["ended"] = True

    def answer(self, number):
        """The stream's end, or the connection's."""
        while not self.stream(number)["ended"] and self.stream(number)["reset"] is None:
            if not self.read():
                break
        return self.stream(number)

    def status(self, number):
        fields = self.answer(number)["fields"]
        return int(dict(fields)[b":status"]) if fields else None

    def read_to_end(self):
        while self.read():
            pass

    def close(self):
        self.socket.close()


def request(method=b"GET", path="/", scheme=b"http", authority=b"a", more=()):
    path = path.encode() if isinstance(path, str) else path
    return [(b":method", method), (b":scheme", scheme), (b":authority", authority), (b":path", path), *more]


def changed(**pseudo):
    return [(name, pseudo.get(name[1:].decode(), value)) for name, value in request()]


def without(name):
    return [field for field in request() if field[0] != name]


def more(*fields):
    return request(more=fields)


def body(length, data, *fields):
    return request(b"POST", more=((b"content-length", length), *fields)), data


# (name, fields or (fields, body), what the client gets: a status, or RESET for a stream that is reset). The origin
# must see nothing of any of them.
RESET = "reset"
HOSTILE = [
    ("CR LF in a value", more((b"x", b"a\r\nb: c")), RESET),
    ("CR LF CR LF and a request in a value", more((b"x", b"a\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n")), RESET),
    ("CR in a value", more((b"x", b"a\rb")), RESET),
    ("LF in a value", more((b"x", b"a\nb")), RESET),
    ("NUL in a value", more((b"x", b"a\0b")), RESET),
    ("DEL in a value", more((b"x", b"a\x7fb")), RESET),
    ("space before a value", more((b"x", b" a")), RESET),
    ("tab behind a value", more((b"x", b"a\t")), RESET),
    ("CR LF in a name", more((b"x\r\ny", b"a")), RESET),
    ("colon in a name", more((b"x: y", b"a")), RESET),
    ("space in a name", more((b"x y", b"a")), RESET),
    ("empty name", more((b"", b"a")), RESET),
    ("high byte in a name", more((b"x\xff", b"a")), RESET),
    ("upper case in a name", more((b"X", b"a")), RESET),
    ("upper case in Content-Length", more((b"Content-Length", b"5")), RESET),
    ("transfer-encoding", more((b"transfer-encoding", b"chunked")), RESET),
    ("transfer-encoding with a body", (more((b"transfer-encoding", b"chunked")), b"0\r\n\r\nGET /smuggled"), RESET),
    ("connection", more((b"connection", b"keep-alive")), RESET),
    ("connection that names a field", more((b"connection", b"x-forwarded-for")), RESET),
    ("keep-alive", more((b"keep-alive", b"1")), RESET),
    ("proxy-connection", more((b"proxy-connection", b"keep-alive")), RESET),
    ("upgrade", more((b"upgrade", b"websocket")), RESET),
    ("http2-settings", more((b"http2-settings", b"AAMAAABk")), 400),
    ("te: gzip", more((b"te", b"gzip")), RESET),
    ("te: trailers, chunked", more((b"te", b"trailers, chunked")), RESET),
    ("no :method", without(b":method"), RESET),
    ("no :scheme", without(b":scheme"), RESET),
    ("no :path", without(b":path"), RESET),
    ("neither :authority nor host", without(b":authority"), RESET),
    (":path twice", more((b":path", b"/smuggled")), RESET),
    (":method twice", more((b":method", b"POST")), RESET),
    (":authority twice", more((b":authority", b"b")), RESET),
    (":scheme twice", more((b":scheme", b"http")), RESET),
    ("pseudo field behind a regular one", [(b"x", b"1"), *request()], RESET),
    ("one pseudo field behind a regular one", [*without(b":path"), (b"x", b"1"), (b":path", b"/")], RESET),
    (":status in a request", more((b":status", b"200")), RESET),
    ("unknown pseudo field", more((b":foo", b"1")), RESET),
    (":protocol, which was not offered", more((b":protocol", b"websocket")), RESET),
    ("host against :authority", more((b"host", b"b")), 400),
    ("host with a port against :authority", more((b"host", b"a:8080")), 400),
    ("host twice", more((b"host", b"a"), (b"host", b"a")), RESET),
    ("empty :authority", changed(authority=b""), RESET),
    (":authority with a path", changed(authority=b"a/b"), RESET),
    (":authority with a user", changed(authority=b"u@a"), 400),
    (":authority with a space", changed(authority=b"a b"), RESET),
    (":authority with CR LF", changed(authority=b"a\r\nx: y"), RESET),
    (":authority with two ports", changed(authority=b"a:1:2"), 400),
    ("empty :path", changed(path=b""), RESET),
    (":path without a slash", changed(path=b"x"), RESET),
    (":path that is a URL", changed(path=b"http://b/smuggled"), RESET),
    (":path * for GET", changed(path=b"*"), RESET),
    (":path with a space", changed(path=b"/ HTTP/1.1\r\nhost: b"), RESET),
    (":path with CR LF", changed(path=b"/\r\nx: y"), RESET),
    (":path with a fragment", changed(path=b"/a#b"), 400),
    (":path with a high byte", changed(path=b"/\xff"), 400),
    (":path with a tab", changed(path=b"/\t"), RESET),
    ("bad :scheme", changed(scheme=b"http://evil/?"), RESET),
    ("other :scheme", changed(scheme=b"ftp"), 400),
    ("empty :scheme", changed(scheme=b""), RESET),
    ("space in :method", changed(method=b"GET /smuggled HTTP/1.1"), RESET),
    ("CR LF in :method", changed(method=b"GET\r\nx: y"), RESET),
    ("empty :method", changed(method=b""), RESET),
    ("CONNECT", [(b":method", b"CONNECT"), (b":authority", b"a:1")], 501),
    ("unknown method", changed(method=b"FROB"), 501),
    ("body shorter than its length", body(b"9", b"short"), RESET),
    ("body longer than its length", body(b"3", b"longer GET /smuggled"), RESET),
    ("body of length 0", body(b"0", b"GET /smuggled"), RESET),
    ("length without a body", more((b"content-length", b"5")), RESET),
    ("two lengths", more((b"content-length", b"0"), (b"content-length", b"5")), RESET),
    ("the same length twice", (request(b"POST", more=((b"content-length", b"1"),) * 2), b"a"), RESET),
    ("a list of lengths", body(b"1, 1", b"a"), RESET),
    ("length with a sign", body(b"+1", b"a"), RESET),
    ("negative length", body(b"-1", b"a"), RESET),
    ("hexadecimal length", body(b"0x1", b"a"), RESET),
    ("huge length", body(b"99999999999999999999", b"a"), RESET),
    ("empty length", body(b"", b"a"), RESET),
    ("content_length", more((b"content_length", b"5")), 400),
    ("x_forwarded_for", more((b"x_forwarded_for", b"1.2.3.4")), 400),
    ("more fields than the limit", more(*((b"x%d" % i, b"1") for i in range(101))), 431),
    ("a field line over its limit", more((b"x", b"v" * 33_000)), 431),
    ("target over its limit", changed(path=b"/" + b"p" * 9000), 414),
    ("other expectation", more((b"expect", b"miracles")), 417),
]


class Case(unittest.TestCase):
    def begin(self, legacy=None, extra=ONE_ROUTE, listener="http2 = true\n", candidate=None, binary=None):
        self.legacy = legacy or Origin()
        self.addCleanup(self.legacy.stop)
        self.banyan = Banyan(self.legacy.port, candidate.port if candidate else free_port(), extra,
                             binary=binary or BINARY)
        self.addCleanup(self.banyan.clean)
        with open(self.banyan.config, encoding="utf-8") as file:
            text = file.read().replace("[[listeners]]\n", "[[listeners]]\n" + listener).replace("workers = 2", "workers = 1")
        with open(self.banyan.config, "w", encoding="utf-8") as file:
            file.write(text)
        self.banyan.start()
        return self.banyan

    def raw(self, settings=b""):
        client = RawClient(self.banyan.port, settings)
        self.addCleanup(client.close)
        return client

    def client(self):
        client = H2Client(self.banyan.port)
        self.addCleanup(client.close)
        return client

    def metric(self, name, **labels):
        text = self.banyan.api("GET", "/metrics")[1].decode()
        for line in text.splitlines():
            if line.startswith(name + "{") and all('%s="%s"' % it in line for it in labels.items()):
                return float(line.rsplit(" ", 1)[1])
        return 0

    def assert_balanced(self, **answered):
        wanted = sum(answered.values())
        wait_until(lambda: self.banyan.json("ledger", code=None)["total"]["admitted"] == wanted, "all are accounted for")
        total = self.banyan.settle()["total"]
        self.assertTrue(total["balanced"])
        self.assertEqual({name: count for name, count in total["answered"].items() if count}, answered)
        return total


class ConversationTest(Case):
    def test_streams_in_parallel_are_exchanges_of_their_own(self):
        self.begin(Origin(lambda it: (200, {"X-Seen": it["target"]}, it["body"] or b"none")))
        client = self.client()
        streams = {}
        for number in range(40):
            if number % 2:
                streams[client.open("/item/%d" % number, method="GET", ends=True)] = (number, b"none")
            else:
                text = b"body %d" % number * 100
                stream = client.open("/item/%d" % number, [("content-length", str(len(text)))] if number % 4 else [])
                client.send(stream, text, ends=True)
                streams[stream] = (number, text)
        client.read_until(lambda: all(it["ended"] for it in client.streams.values()))
        for stream, (number, text) in streams.items():
            answer = client.streams[stream]
            self.assertEqual(answer["head"][":status"], "200")
            self.assertEqual(answer["head"]["x-seen"], "/item/%d" % number)
            self.assertEqual(answer["body"], text)
        self.assert_balanced(legacy=40)
        requests = [it for it in self.banyan.records() if it["type"] == "REQUEST"]
        self.assertEqual({it["protocol"] for it in requests}, {"HTTP/2.0"})
        answers = [it for it in self.banyan.records() if it["type"] == "RESPONSE"]
        self.assertEqual({it["protocol"] for it in answers}, {"HTTP/1.1"})
        self.assertEqual({it["headers"]["host"] for it in self.legacy.seen()}, {"localhost"})
        self.assertEqual(len(self.legacy.seen()), 40)

    def test_head_no_content_and_interim_answers(self):
        def answer(it):
            return (204, {}, b"") if it["target"] == "/none" else (200, {}, b"twelve bytes")
        self.begin(Origin(answer))
        client = self.raw()
        head = client.answer(client.open(request(b"HEAD")))
        self.assertEqual((head["body"], dict(head["fields"])[b"content-length"]), (b"", b"12"))
        none = client.answer(client.get("/none"))
        self.assertEqual(dict(none["fields"])[b":status"], b"204")
        self.assertNotIn(b"content-length", dict(none["fields"]))
        self.assertNotIn(b"connection", dict(head["fields"]))

    def test_trailers_go_both_ways(self):
        legacy = H2Origin(lambda it: (200, [], b"body", [("grpc-status", "0"), ("checksum", "9")]))
        self.begin(legacy)
        with open(self.banyan.config, encoding="utf-8") as file:
            text = file.read().replace("[systems.legacy]\n", '[systems.legacy]\nhttp2 = "prior_knowledge"\n')
        with open(self.banyan.config, "w", encoding="utf-8") as file:
            file.write(text)
        self.banyan.cli("reload")
        client = self.client()
        stream = client.open("/call", [("te", "trailers"), ("content-type", "application/grpc")])
        client.send(stream, b"piece")
        client.state.send_headers(stream, [("x-sum", "7")], end_stream=True)
        client.flush()
        client.read_until(lambda: client.streams[stream]["ended"])
        self.assertEqual(client.streams[stream]["trailers"], {"grpc-status": "0", "checksum": "9"})
        seen = legacy.seen("/call")[0]
        self.assertEqual((seen["body"], seen["trailers"], seen["fields"]["te"]), (b"piece", {"x-sum": "7"}, "trailers"))
        self.assert_balanced(legacy=1)
        answer = [it for it in self.banyan.records() if it["type"] == "RESPONSE"][0]
        self.assertEqual(answer["protocol"], "HTTP/2.0")
        self.assertIn("grpc-status", json.dumps(answer["trailers"]))

    def test_a_reset_is_recorded_as_a_client_that_left(self):
        release = threading.Event()
        self.addCleanup(release.set)

        def answer(it):
            if it["target"].startswith("/slow"):
                release.wait(20)
            return 200, {}, b"ok"
        self.begin(Origin(answer))
        client = self.raw()
        slow = client.get("/slow")
        wait_until(lambda: self.legacy.seen(), "the origin has it")
        client.send(frame(RST_STREAM, 0, slow, struct.pack(">I", CANCEL)))
        self.assertEqual(client.status(client.get("/fast")), 200)
        self.assert_balanced(aborted=1, legacy=1)
        outcome = [it for it in self.banyan.records() if it["type"] == "OUTCOME"][0]
        self.assertEqual((outcome["outcome"], outcome["cause"]), ("aborted", "client_closed"))
        # A write that was sent whole is read to its end.
        write = client.open(request(b"POST", "/slow/write"), ends=False)
        client.send(frame(DATA, 1, write, b"x"))
        wait_until(lambda: len(self.legacy.seen()) == 3, "the origin has the write")
        client.send(frame(RST_STREAM, 0, write, struct.pack(">I", CANCEL)))
        release.set()
        self.assert_balanced(aborted=2, legacy=1)
        answers = [it for it in self.banyan.records() if it["type"] == "RESPONSE"]
        self.assertEqual(sorted(it["delivery"] for it in answers), ["client_left", "whole"])
        status = self.banyan.json("status")
        self.assertEqual(status["proxy"]["exchanges_open"], 0)

    def test_http1_and_http2_on_one_plain_listener(self):
        self.begin()
        self.assertEqual(self.banyan.request("GET", "/one")[0], 200)
        client = self.raw()
        self.assertEqual(client.status(client.get("/two")), 200)
        with socket.create_connection(("127.0.0.1", self.banyan.port), timeout=20) as raw:
            raw.sendall(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
            self.assertTrue(raw.recv(100).startswith(b"HTTP/1.1 505"))


class SecureTest(Case):
    def test_alpn_chooses_and_the_access_log_says_what_was_spoken(self):
        certificates = Certificates()
        self.addCleanup(certificates.clean)
        certificates.make("server")
        path = os.path.join(certificates.folder, "access.log")
        keys = "tls = { %s }\n" % certificates.pair("server")
        self.begin(listener=keys, extra=ONE_ROUTE + '[access_log]\npath = "%s"\nformat = "json"\n' % path)
        authority = certificates.path("ca.pem")
        client = H2Client(self.banyan.port, ssl.create_default_context(cafile=authority))
        self.addCleanup(client.close)
        self.assertEqual(client.socket.selected_alpn_protocol(), "h2")
        stream = client.open("/h2", method="GET", ends=True)
        client.read_until(lambda: client.streams[stream]["ended"])
        old = http.client.HTTPSConnection("localhost", self.banyan.port, timeout=20,
                                          context=ssl.create_default_context(cafile=authority))
        old.request("GET", "/h1")
        self.assertEqual(old.getresponse().read(), b'{"ok":true}')
        old.close()
        big = b"z" * 3_000_000
        stream = client.open("/upload", method="PUT")
        sent = 0
        while sent < len(big):
            client.read_until(lambda: client.state.local_flow_control_window(stream) > 0)
            size = min(client.state.local_flow_control_window(stream), 16384, len(big) - sent)
            client.send(stream, big[sent:sent + size])
            sent += size
        client.send(stream, b"", ends=True)
        client.read_until(lambda: client.streams[stream]["ended"])
        self.assertEqual(self.legacy.seen(lambda it: it["target"] == "/upload")[0]["body"], big)
        self.banyan.stop()
        with open(path, encoding="utf-8") as file:
            lines = {it["target"]: it for it in map(json.loads, file)}
        self.assertEqual((lines["/h2"]["protocol"], lines["/h1"]["protocol"]), ("HTTP/2.0", "HTTP/1.1"))
        for line in lines.values():
            self.assertEqual(line["tls"]["version"], "TLSv1.3")
            self.assertTrue(line["tls"]["cipher"])
            self.assertEqual(line["tls"]["server_name"], "localhost")


class FlowControlTest(Case):
    # What the log may take: its tail 16 MiB, a lane 4, buffers to be used again 4, batches being filled and
    # written 4; the streams' windows; and what the allocator keeps of them. A body alone has 60 MB.
    MEMORY_KIB_MAX = 32_000

    def test_a_closed_window_holds_up_its_own_stream_only_and_memory_stays_bounded(self):
        size = 60_000_000
        # A sanitizer's own memory would be measured else.
        self.begin(Origin(lambda it: (200, {}, b"x" * size if it["target"] == "/big" else b"small")),
                   binary=os.environ.get("BANYAN_RELEASE_BINARY"))
        client = self.raw(struct.pack(">HI", 4, 0))
        stuck = [client.get("/big") for _ in range(3)]
        before = self.banyan.memory_kib()
        for _ in range(20):
            small = client.get("/small")
            client.send(frame(WINDOW_UPDATE, 0, small, struct.pack(">I", 100)))
            self.assertEqual(client.answer(small)["body"], b"small")
        self.assertLess(self.banyan.memory_kib() - before, self.MEMORY_KIB_MAX)
        self.assertEqual([client.stream(it)["body"] for it in stuck], [b"", b"", b""])
        client.send(frame(WINDOW_UPDATE, 0, stuck[0], struct.pack(">I", size)))
        client.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", size)))
        self.assertEqual(len(client.answer(stuck[0])["body"]), size)
        self.assertLess(self.banyan.memory_kib() - before, self.MEMORY_KIB_MAX)

    def test_an_upload_that_nobody_reads_stops_at_its_window(self):
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.addCleanup(listener.close)

        class Deaf:
            port = listener.getsockname()[1]

            def stop(self):
                pass
        self.begin(Deaf())
        client = self.raw()
        stream = client.open(request(b"PUT", "/deaf"), ends=False)
        client.socket.settimeout(0.5)
        window = {"stream": 65535, "connection": 65535}
        take = client.take

        def watch(kind, flags, number, payload):
            if kind == WINDOW_UPDATE:
                window["stream" if number else "connection"] += int.from_bytes(payload, "big")
            elif kind == SETTINGS and not flags & 1:
                for at in range(0, len(payload), 6):
                    key, value = struct.unpack(">HI", payload[at:at + 6])
                    if key == 4:
                        window["stream"] += value - 65535
            take(kind, flags, number, payload)
        client.take = watch
        sent, quiet = 0, 0
        while quiet < 3 and sent < 40_000_000:
            size = min(window["stream"], window["connection"], 16384)
            if size > 0:
                client.send(frame(DATA, 0, stream, b"x" * size))
                sent += size
                window["stream"] -= size
                window["connection"] -= size
                continue
            try:
                client.read()
                quiet = 0
            except TimeoutError:
                quiet += 1
        # Windows, our buffer of 256 KiB, and what the kernel's buffers took.
        self.assertLess(sent, 12_000_000)


class HostileTest(Case):
    def test_every_head_of_the_table(self):
        self.begin(RecordingOrigin())
        self.assertGreater(len(HOSTILE), 60)
        client = self.raw()
        refused = 0
        for number, (name, what, wanted) in enumerate(HOSTILE):
            with self.subTest(case=name):
                fields, data = what if isinstance(what, tuple) else (what, None)
                stream = client.open(fields, ends=data is None)
                if data is not None:
                    client.send(frame(DATA, 1, stream, data))
                if wanted == RESET:
                    self.assertEqual(client.answer(stream)["reset"], PROTOCOL_ERROR, client.answer(stream))
                    self.assertIsNone(client.answer(stream)["fields"])
                else:
                    self.assertEqual(client.status(stream), wanted)
                    self.assertIn(b'"error"', client.answer(stream)["body"])
                refused += 1
                # The connection, and the pool behind it, go on and are nobody else's.
                canary = "/canary/%d" % number
                self.assertEqual(client.answer(client.get(canary))["body"], canary.encode())
                messages, partial, improper = self.legacy.take()
                self.assertEqual(([it.target for it in messages], partial, improper), ([canary], [], []))
        self.assertEqual(client.goaways, [])
        total = self.banyan.settle()["total"]
        self.assertTrue(total["balanced"])
        text = self.banyan.api("GET", "/metrics")[1].decode()
        self.assertIn('banyan_http_refused_total{from="client",reason="malformed_http2_head"}', text)
        self.assertIn('banyan_http_refused_total{from="client",reason="malformed_stream"}', text)

    def test_what_is_proper_passes_as_one_proper_message(self):
        self.begin(RecordingOrigin())
        client = self.raw()
        cases = [
            more((b"cookie", b"a=1"), (b"cookie", b"b=2")), more((b"te", b"trailers")), more((b"x", b"")),
            more((b"host", b"a")), changed(scheme=b"https"), changed(path=b"*", method=b"OPTIONS"),
            [*without(b":authority"), (b"host", b"a")], more((b"x", b"\x80\xff")), more((b"content-length", b"0")),
            changed(path=b"/a?b=%0d%0a"), more((b"x-y_z", b"1")), more((b"accept", b"a, b\tc")),
        ]
        for fields in cases:
            with self.subTest(fields=fields):
                self.assertEqual(client.status(client.open(fields)), 200)
                messages, partial, improper = self.legacy.take()
                self.assertEqual((len(messages), partial, improper), (1, [], []))
                message = messages[0]
                self.assertEqual([value.lower() for value in message.all("host")], ["a"])
                self.assertEqual(message.all("te") + message.all("connection") + message.all("upgrade"), [])
        messages = self.legacy.take()[0]
        stream = client.open(more((b"cookie", b"a=1"), (b"x", b"1"), (b"cookie", b"b=2")))
        self.assertEqual(client.status(stream), 200)
        self.assertEqual(self.legacy.take()[0][0].all("cookie"), ["a=1; b=2"])

    def test_hostile_trailers_never_reach_the_origin_as_a_whole_message(self):
        self.begin(RecordingOrigin())
        client = self.raw()
        for trailers in ([(b"x", b"a\r\nb")], [(b":path", b"/")], [(b"connection", b"x")], [(b"Upper", b"x")],
                         [(b"transfer-encoding", b"chunked")]):
            with self.subTest(trailers=trailers):
                stream = client.open(request(b"POST", "/t"), ends=False)
                client.send(frame(DATA, 0, stream, b"data") + frame(HEADERS, 5, stream, plain_block(trailers)))
                self.assertEqual(client.answer(stream)["reset"], PROTOCOL_ERROR)
                self.assertEqual(client.answer(client.get("/canary"))["body"], b"/canary")
                messages, _, improper = self.legacy.take()
                self.assertEqual(([it.target for it in messages], improper), (["/canary"], []))


class FloodTest(Case):
    def setUp(self):
        self.begin(extra=ONE_ROUTE + "[limits]\nhttp2 = { resets = 50, control_frames = 200 }\n")

    def assert_calmed(self, client, kind, count=1):
        client.read_to_end()
        self.assertEqual(client.goaways[-1][1], CALM)
        wait_until(lambda: self.metric("banyan_proxy_http2_breaches_total", kind=kind) == count, "counted as " + kind)
        other = self.raw()
        self.assertEqual(other.status(other.get("/other")), 200)

    def test_rapid_reset(self):
        client = self.raw()
        for _ in range(400):
            stream = client.get("/reset")
            client.send(frame(RST_STREAM, 0, stream, struct.pack(">I", CANCEL)))
        self.assert_calmed(client, "resets")
        wait_until(lambda: self.banyan.json("status")["proxy"]["exchanges_open"] == 0, "nothing is open")
        total = self.banyan.settle()["total"]
        self.assertTrue(total["balanced"])
        self.assertLess(total["admitted"], 80)

    def test_resets_that_the_client_brings_about(self):
        client = self.raw()
        for _ in range(400):
            stream = client.open(body(b"1", b"")[0], ends=False)
            client.send(frame(DATA, 1, stream, b"longer"))
        self.assert_calmed(client, "resets")

    def test_control_frames(self):
        floods = [frame(PING, 0, 0, b"12345678"), frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)),
                  frame(PRIORITY, 0, 101, b"\0\0\0\0\1"), frame(0xbe, 0, 0, b"x")]
        for number, flood in enumerate(floods):
            client = self.raw()
            client.send(flood * 2000)
            self.assert_calmed(client, "control_frames", number + 1)
        client = self.raw()
        stream = client.open(request(b"POST"), ends=False)
        client.send(frame(DATA, 0, stream) * 2000)
        self.assert_calmed(client, "control_frames", len(floods) + 1)

    def test_continuations_and_field_bombs(self):
        client = self.raw()
        client.send(frame(HEADERS, 0, 1, plain_block(request())) + frame(CONTINUATION, 0, 1) * 1000)
        self.assert_calmed(client, "continuations")
        client = self.raw()
        # One entry of the table, named again and again: 1 byte on the wire, 4000 decoded.
        entry = b"\x40\x01x" + hpack_integer(4000) + b"v" * 4000
        client.send(frame(HEADERS, 5, 1, plain_block(request()) + entry + b"\xbe" * 10_000))
        self.assert_calmed(client, "field_bomb")
        self.assertEqual(self.legacy.seen(lambda it: it["target"] == "/"), [])
        client = self.raw()
        stream = client.open(more(*((b"x%d" % i, b"v" * 1000) for i in range(15))))
        self.assertEqual(client.status(stream), 200)


class EndTest(Case):
    def test_sigterm_lets_open_streams_end(self):
        release = threading.Event()
        self.addCleanup(release.set)

        def answer(it):
            if it["target"] == "/slow":
                release.wait(20)
            return 200, {}, b"done"
        self.begin(Origin(answer))
        client, idle = self.raw(), self.raw()
        self.assertEqual(idle.status(idle.get("/fast")), 200)
        slow = client.get("/slow")
        wait_until(lambda: len(self.legacy.seen()) == 2, "the origin has both")
        self.banyan.process.send_signal(signal.SIGTERM)
        idle.read_to_end()
        self.assertEqual(idle.goaways[-1], (1, 0))
        while not client.goaways:
            client.read()
        self.assertEqual(client.goaways[0], (2**31 - 1, 0))
        late = client.get("/late")  # Within the notice, so it is still served.
        self.assertEqual(client.answer(late)["body"], b"done")
        release.set()
        self.assertEqual(client.answer(slow)["body"], b"done")
        client.read_to_end()
        self.assertEqual(client.goaways[-1], (late, 0))
        self.assertEqual(self.banyan.process.wait(timeout=30), 0)

    def test_the_last_request_of_a_connection(self):
        self.begin(extra=ONE_ROUTE + "[limits]\nrequests_per_connection = 5\n")
        client = self.raw()
        for number in range(5):
            self.assertEqual(client.status(client.get("/%d" % number)), 200)
        client.read_to_end()
        self.assertEqual(client.goaways, [(9, 0)])
        self.assert_balanced(legacy=5)

    def test_a_reload_keeps_streams(self):
        self.begin(Origin(lambda it: (time.sleep(0.3), 200, {}, b"done")[1:]))
        client = self.raw()
        stream = client.get("/before")
        self.banyan.cli("reload")
        self.assertEqual(client.answer(stream)["body"], b"done")
        self.assertEqual(client.answer(client.get("/behind"))["body"], b"done")
        self.assertEqual(client.goaways, [])

    def test_copies_of_requests_over_http2_equal(self):
        candidate = Origin()
        self.addCleanup(candidate.stop)
        self.begin(extra=DEFAULT_ROUTE, candidate=candidate)
        client = self.client()
        for number in range(10):
            stream = client.open("/w/%d" % number, [("cookie", "session=a"), ("cookie", "b=2")])
            client.send(stream, b"piece", ends=number % 2 == 0)
            if number % 2:
                client.state.send_headers(stream, [("x-sum", "1")], end_stream=True)
                client.flush()
            client.read_until(lambda: client.streams[stream]["ended"])
        total = self.assert_balanced(legacy=10)
        self.assertEqual((total["mirror"]["mirrored"], total["compared"]["equal"]), (10, 10))
        self.assertEqual([it["body"] for it in candidate.seen()], [b"piece"] * 10)
        self.assertEqual({it["headers"]["cookie"] for it in candidate.seen()}, {"session=a; b=2"})


if __name__ == "__main__":
    unittest.main()
