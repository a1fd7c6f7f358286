#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Traffic goes through Banyan, out of its log in each format, and into a log of its own; there it must be the same to
the byte. What is imported can be replayed, and moves no total."""

import base64
import gzip
import json
import os
import shutil
import socket
import struct
import subprocess
import unittest

from harness import BINARY, Banyan, SocketServer, wait_until

ROUTES = """\
[[routes]]
name = "orders"
match = { path = "/orders/**" }
mirror_writes = true
durability = "request"
[[routes]]
name = "rest"
match = { path = "/**" }
mirror_writes = true
"""
BIG = bytes(range(256)) * (5 << 12)  # 5 MiB
BINARY_BODY = bytes(range(256)) * 3 + b"\n'\"\\$(touch pwned)`;@\r\n"
SEPARATOR = "\n\N{MONKEY FACE}\N{SEE-NO-EVIL MONKEY}\N{HEAR-NO-EVIL MONKEY}\n".encode()


class RawOrigin(SocketServer):
    """Answers with the bytes that `answers` holds for a target; reads each request to its end."""

    def __init__(self, answers):
        self.answers = answers
        self.seen = []
        super().__init__()

    def serve(self, connection):
        stream = connection.makefile("rb")
        while True:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = stream.readline()
                if not line:
                    return
                head += line
            lines = [line.split(b":", 1) for line in head.split(b"\r\n")[1:-2]]
            fields = [(name.decode(), value.strip()) for name, value in lines]
            named = {name.lower(): value for name, value in fields}
            body = stream.read(int(named.get("content-length", b"0")))
            if named.get("transfer-encoding") == b"chunked":
                while True:
                    size = int(stream.readline(), 16)
                    if size == 0:
                        while stream.readline() != b"\r\n":
                            pass
                        break
                    body += stream.read(size)
                    stream.readline()
            method, target = head.split(b" ", 2)[:2]
            self.seen.append((method.decode(), target.decode("latin1"), fields, body))
            connection.sendall(self.answers.get(target.split(b"?")[0], b"HTTP/1.1 204 No Content\r\n\r\n"))


def answer(head, body=b""):
    return head.replace(b"\n", b"\r\n") + b"Content-Length: %d\r\n\r\n" % len(body) + body


ANSWERS = {
    b"/orders/1": answer(b"HTTP/1.1 200 OK\nX-One: a\nx-one: b\nX-ONE: \nSet-Cookie: id=secret; Path=/\n"
                         b"Set-Cookie: other=x; HttpOnly\nX-Latin: caf\xe9\n", b'{"id":1,"name":"\xc3\xa9"}'),
    b"/binary": answer(b"HTTP/1.1 201 Created\nContent-Type: application/octet-stream\n", BINARY_BODY),
    b"/trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                  b"5\r\nhello\r\n0\r\nX-Sum: 17\r\nx-sum: 18\r\n\r\n",
    b"/big": answer(b"HTTP/1.1 200 OK\nContent-Type: application/octet-stream\n", BIG[:600_000]),
    b"/missing": answer(b"HTTP/1.1 404 Not Found\n", b"<p>\x00nothing</p>"),
    b"/head": b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n",
}


def send(port, requests):
    """Each on a connection of its own; answers are read to the end, which the clients ask for."""
    for data in requests:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(data)
            while connection.recv(1 << 16):
                pass


def request(head, body=b""):
    return head.replace(b"\n", b"\r\n") + b"Connection: close\r\n\r\n" + body


TRAFFIC = [
    request(b"GET /orders/1?q=a%20b&q=c HTTP/1.1\nHost: shop.example\nx-DUP: one\nX-Dup: two\nX-Empty:\n"
            b"Authorization: Bearer very-secret\nCookie: session=s1; theme=dark\nX-Latin: \xe9\xff\n"),
    request(b"POST /binary HTTP/1.1\nHost: shop.example\nContent-Type: image/png\nContent-Length: %d\n"
            % len(BINARY_BODY), BINARY_BODY),
    request(b"POST /trailers HTTP/1.1\nHost: shop.example\nTransfer-Encoding: chunked\nTrailer: X-End\n",
            b"4\r\nwiki\r\n5\r\npedia\r\n0\r\nX-End: yes\r\n\r\n"),
    request(b"PUT /big HTTP/1.1\nHost: shop.example\nContent-Length: %d\n" % len(BIG), BIG),
    request(b"DELETE /missing HTTP/1.1\nHost: shop.example\nUser-Agent: 'a'$(b)`c`!\\\"\n"),
    request(b"HEAD /head HTTP/1.1\nHost: shop.example\n"),
    request(b"PATCH /nothing HTTP/1.1\nHost: shop.example\nContent-Length: 2\n", b"\xff\xfe"),
]


def value_of(item, name):
    if name + "_base64" in item:
        return base64.b64decode(item[name + "_base64"])
    return item[name].encode() if item.get(name) is not None else None


def fields_of(record, name="headers"):
    return [(field["name"], value_of(field, "value")) for field in record.get(name, [])]


def exchanges_of(lines):
    """What the records of a log say, by target: all that must survive an export and an import."""
    found, pieces, targets = {}, {}, {}
    for line in lines:
        record = json.loads(line)
        kind = record["type"]
        if kind == "CHUNK":
            key = (record["exchange"], record["side"])
            pieces[key] = pieces.get(key, b"") + value_of(record, "body")
        elif kind == "REQUEST":
            targets[record["exchange"]] = record["target"]
            found[record["target"]] = {
                "method": record["method"], "protocol": record["protocol"], "fields": fields_of(record),
                "body": value_of(record, "body"), "chunks": record.get("body_in"), "id": record["exchange"],
                "route": record["route"], "write": record["write"], "mirror": record["mirror"],
                "decision": record["decision"]}
        elif kind == "RESPONSE":
            exchange = found[targets[record["exchange"]]]
            exchange.update(status=record["status"], answer_fields=fields_of(record), system=record["system"],
                            answer_trailers=fields_of(record, "trailers"), answer_body=value_of(record, "body"),
                            complete=record["body_complete"], delivery=record["delivery"])
            if record.get("body_in") == "chunks":
                exchange["answer_body"] = pieces[(record["exchange"], "primary")]
    for exchange in found.values():
        if exchange.pop("chunks") == "chunks":
            exchange["body"] = pieces[(exchange["id"], "request")]
        exchange["body"] = exchange["body"] or b""
        exchange["answer_body"] = exchange["answer_body"] or b""
    return found


SAME = ["method", "fields", "body", "status", "answer_fields", "answer_trailers", "answer_body", "complete"]
# What .gor has no place for; of a foreign file the config says the route.
SAME_OURS = SAME + ["protocol", "route", "write", "system", "delivery"]


class InterchangeTest(unittest.TestCase):
    """One run of traffic; every test reads the log that it left."""

    @classmethod
    def setUpClass(cls):
        cls.legacy, cls.candidate = RawOrigin(ANSWERS), RawOrigin(ANSWERS)
        cls.banyan = Banyan(cls.legacy.port, cls.candidate.port, ROUTES).start()
        send(cls.banyan.port, TRAFFIC)
        cls.banyan.settle(admitted=len(TRAFFIC))
        cls.banyan.stop()
        cls.folder = cls.banyan.folder
        cls.source = exchanges_of(cls.cat(cls.banyan.data))
        cls.exports = {}
        for name in ("har", "ndjson", "gor", "curl"):
            cls.exports[name] = os.path.join(cls.folder, "export." + name)
            done = cls.run_cli("log", "export", "--as", name, "-o", cls.exports[name], "--data-dir", cls.banyan.data)
            assert "exported %d exchanges" % len(TRAFFIC) in done.stderr, done.stderr

    @classmethod
    def tearDownClass(cls):
        cls.banyan.clean()
        cls.legacy.stop()
        cls.candidate.stop()

    @classmethod
    def run_cli(cls, *arguments, code=0, stdin=b""):
        done = subprocess.run([BINARY, *arguments], capture_output=True, timeout=120, cwd=cls.folder, input=stdin)
        done.stdout_bytes, done.stdout = done.stdout, done.stdout.decode(errors="replace")
        done.stderr = done.stderr.decode(errors="replace")
        assert done.returncode == code, "%s: exit %d\n%s" % (arguments, done.returncode, done.stderr)
        return done

    @classmethod
    def cat(cls, data):
        return cls.run_cli("log", "cat", "--json", "--data-dir", data, "-c", cls.banyan.config).stdout.splitlines()

    def fresh(self):
        data = os.path.join(self.folder, self.id().rsplit(".", 1)[1])
        self.addCleanup(shutil.rmtree, data, True)
        return data

    def import_file(self, path, *arguments, code=0, data=None, config=None, stdin=b""):
        data = data or self.fresh()
        done = self.run_cli("log", "import", path, "--data-dir", data, "-c", config or self.banyan.config, *arguments,
                            code=code, stdin=stdin)
        return data, done

    def assert_same(self, imported, names):
        self.assertEqual(sorted(imported), sorted(self.source))
        for target, exchange in imported.items():
            for name in names:
                self.assertEqual(exchange[name], self.source[target][name], (target, name))
            self.assertNotEqual(exchange["id"], self.source[target]["id"])
            self.assertEqual(exchange["mirror"], "off")
            self.assertIn(self.source[target]["id"], exchange["decision"])

    def assert_trailers_came_back(self, data):
        line = self.run_cli("log", "export", "--as", "ndjson", "--filter", "path:/trailers", "--data-dir", data).stdout
        exchange = json.loads(line)
        self.assertEqual(exchange["banyan"]["request"]["trailers"], [{"name": "X-End", "value": "yes"}])
        self.assertEqual(exchange["http"]["request"]["body"]["content"], "wikipedia")

    def test_the_source_holds_what_was_sent(self):
        self.assertEqual(len(self.source), len(TRAFFIC))
        self.assertEqual(self.source["/big"]["body"], BIG)
        self.assertEqual(self.source["/big"]["answer_body"], BIG[:600_000])
        self.assertIn(("X-Latin", b"\xe9\xff"), self.source["/orders/1?q=a%20b&q=c"]["fields"])

    def test_har_reads_back_exactly(self):
        data, _ = self.import_file(self.exports["har"])
        self.assert_same(exchanges_of(self.cat(data)), SAME_OURS)
        self.assert_trailers_came_back(data)

    def test_ndjson_reads_back_exactly(self):
        data, _ = self.import_file(self.exports["ndjson"])
        self.assert_same(exchanges_of(self.cat(data)), SAME_OURS)
        self.assert_trailers_came_back(data)

    def test_gor_reads_back_exactly(self):
        data, done = self.import_file(self.exports["gor"])
        self.assertIn("type 3", done.stderr)
        self.assert_same(exchanges_of(self.cat(data)), SAME + ["route", "write"])
        self.assert_trailers_came_back(data)

    def test_no_export_holds_a_secret(self):
        for path in self.exports.values():
            with open(path, "rb") as file:
                content = file.read()
            self.assertNotIn(b"very-secret", content)
            self.assertNotIn(b"id=secret", content)
            self.assertIn(b"banyan:t:", content)

    def test_har_is_what_browsers_read(self):
        with open(self.exports["har"], encoding="utf-8") as file:
            log = json.load(file)["log"]
        self.assertEqual(log["version"], "1.2")
        entries = {entry["_banyan"]["target"]: entry for entry in log["entries"]}
        self.assertEqual(len(entries), len(TRAFFIC))
        entry = entries["/binary"]
        self.assertEqual(entry["request"]["url"], "http://shop.example/binary")
        self.assertEqual(base64.b64decode(entry["response"]["content"]["text"]), BINARY_BODY)
        self.assertEqual(entry["response"]["content"]["encoding"], "base64")
        for name in ("startedDateTime", "time", "request", "response", "cache", "timings"):
            self.assertIn(name, entry)
        self.assertEqual(entry["_banyan"]["shadow"]["system"], "candidate")
        self.assertEqual(entry["_banyan"]["verdict"], "equal")

    def test_ndjson_has_ecs_names(self):
        with open(self.exports["ndjson"], encoding="utf-8") as file:
            lines = {line["url"]["original"]: line for line in map(json.loads, file)}
        line = lines["/orders/1?q=a%20b&q=c"]
        self.assertEqual(line["http"]["response"]["status_code"], 200)
        self.assertEqual(line["http"]["request"]["method"], "GET")
        self.assertEqual(line["url"]["path"], "/orders/1")
        self.assertEqual(line["url"]["domain"], "shop.example")
        self.assertEqual(line["event"]["id"], self.source["/orders/1?q=a%20b&q=c"]["id"])
        self.assertGreater(line["event"]["duration"], 0)
        self.assertEqual(line["client"]["ip"], "127.0.0.1")
        self.assertEqual(line["labels"]["route"], "orders")

    def test_curl_sends_what_was_recorded(self):
        """The script runs under bash against an origin that keeps what it gets."""
        echo = RawOrigin(ANSWERS)
        self.addCleanup(echo.stop)
        script = self.run_cli("log", "export", "--as", "curl", "--data-dir", self.banyan.data, "--base-url",
                              "http://127.0.0.1:%d" % echo.port).stdout_bytes
        subprocess.run(["bash", "-e", "-s"], input=script, stdout=subprocess.DEVNULL, check=True, timeout=60,
                       cwd=self.folder)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "pwned")))
        got = {target: (method, fields, body) for method, target, fields, body in echo.seen}
        self.assertEqual(sorted(got), sorted(self.source))
        for target, (method, fields, body) in got.items():
            exchange = self.source[target]
            self.assertEqual((method, body), (exchange["method"], exchange["body"]), target)
            framing = ("content-length", "transfer-encoding")
            # curl writes Host first.
            self.assertEqual(sorted(field for field in fields if field[0].lower() not in framing),
                             sorted(field for field in exchange["fields"] if field[0].lower() not in framing), target)

    def test_sides_can_be_chosen(self):
        lines = self.run_cli("log", "export", "--as", "ndjson", "--side", "candidate", "--data-dir", self.banyan.data)
        for line in map(json.loads, lines.stdout.splitlines()):
            self.assertNotIn("shadow", line["banyan"])
            if line["url"]["original"] == "/missing":  # refused by the primary, so never copied
                self.assertNotIn("response", line["banyan"])
            else:
                self.assertEqual(line["banyan"]["response"]["system"], "candidate")
        self.assertIn("1 exchanges have no answer of the system asked for", lines.stderr)

    def test_ranges_and_filters_choose(self):
        def exported(*arguments, code=0):
            return self.run_cli("log", "export", "--as", "ndjson", "--data-dir", self.banyan.data, *arguments,
                                code=code).stdout.splitlines()
        self.assertEqual(len(exported("--filter", "method:GET")), 1)
        self.assertEqual(len(exported("--filter", "status:4xx")), 1)
        self.assertEqual(len(exported("--to", "2020-01-01T00:00:00Z")), 0)
        self.assertEqual(len(exported("--from", "-1h")), len(TRAFFIC))
        exported("--filter", "color:red", code=2)
        exported("--to", "yesterday", code=2)

    def test_ledger_counts_no_import(self):
        before = self.run_cli("ledger", "--json", "--data-dir", self.banyan.data).stdout
        self.import_file(self.exports["gor"], data=self.banyan.data)
        after = self.run_cli("ledger", "--json", "--data-dir", self.banyan.data).stdout
        self.assertEqual(json.loads(before)["total"], json.loads(after)["total"])
        shutil.rmtree(os.path.join(self.banyan.data, "log", "import"))

    def test_gzip_and_standard_input_are_read(self):
        lines = self.run_cli("log", "export", "--as", "ndjson", "--filter", "-path:/big", "--data-dir", self.banyan.data)
        packed = gzip.compress(lines.stdout_bytes)
        data, done = self.import_file("-", "--json", stdin=packed)
        self.assertEqual(json.loads(done.stdout)["exchanges"], len(TRAFFIC) - 1)
        self.import_file("-", code=5, stdin=packed[:len(packed) // 2], data=data)

    def test_secrets_of_foreign_files_are_redacted(self):
        path = os.path.join(self.folder, "foreign.gor")
        with open(path, "wb") as file:
            file.write(b"1 f00d 1700000000000000000 0\nGET /orders/9 HTTP/1.1\r\nHost: a\r\n"
                       b"Authorization: Bearer plain-secret\r\nCookie: session=plain-secret\r\n\r\n" + SEPARATOR +
                       b"2 f00d 1700000000000000000 5000000\nHTTP/1.1 200 OK\r\nSet-Cookie: id=plain-secret\r\n"
                       b"Content-Length: 2\r\n\r\nok" + SEPARATOR)
        data, _ = self.import_file(path)
        lines = self.cat(data)
        self.assertNotIn("plain-secret", "\n".join(lines))
        self.assertEqual(exchanges_of(lines)["/orders/9"]["route"], "orders")
        for root, _, names in os.walk(os.path.join(data, "log")):
            for name in names:
                with open(os.path.join(root, name), "rb") as file:
                    self.assertNotIn(b"plain-secret", file.read())


class ReplayTest(unittest.TestCase):
    """A .gor of another tool is imported beside a running server and replayed to the candidate."""

    def test_an_imported_gor_is_replayed(self):
        ok = answer(b"HTTP/1.1 200 OK\nContent-Type: application/json\n", b'{"ok":true}')
        legacy, candidate = RawOrigin({}), RawOrigin({b"/orders/%d" % number: ok for number in range(20)})
        banyan = Banyan(legacy.port, candidate.port, ROUTES)
        self.addCleanup(banyan.clean)
        self.addCleanup(legacy.stop)
        self.addCleanup(candidate.stop)
        banyan.start()
        path = os.path.join(banyan.folder, "foreign.gor")
        with open(path, "wb") as file:
            for number in range(20):
                start = 1_700_000_000_000_000_000 + number * 1_000_000
                body = b"%d" % number
                file.write(b"1 id%d %d 0\nPOST /orders/%d HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer s%d\r\n"
                           b"Content-Length: %d\r\n\r\n%s" % (number, start, number, number, len(body), body) + SEPARATOR)
                file.write(b"2 id%d %d 500000\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                           b"Content-Length: 11\r\n\r\n{\"ok\":true}" % (number, start) + SEPARATOR)
        done = banyan.cli("log", "import", path)
        self.assertIn("imported 20 exchanges", done.stderr)
        run = banyan.json("replay", "--to", "candidate", "--filter", "route:orders", "--speed", "max")
        self.assertEqual(run["answered"], 20)
        self.assertEqual(sorted(target for _, target, _, _ in candidate.seen),
                         sorted("/orders/%d" % number for number in range(20)))
        for _, target, fields, body in candidate.seen:
            number = target.rsplit("/", 1)[1].encode()
            self.assertEqual(body, number)
            # The secret was sealed at the import; the sender alone opens it.
            self.assertIn(("Authorization", b"Bearer s" + number), fields)
        wait_until(lambda: sum(1 for record in banyan.records() if record["type"] == "VERDICT") == 20,
                   "every replayed exchange is compared")
        self.assertEqual({record["verdict"] for record in banyan.records() if record["type"] == "VERDICT"}, {"equal"})
        ledger = banyan.json("ledger")
        self.assertEqual(ledger["total"]["admitted"], 0)
        self.assertTrue(ledger["total"]["balanced"])


def proto(number, payload):
    """A field of wire type 2, or a varint."""
    def varint(value):
        out = b""
        while value >= 0x80:
            out += bytes([value & 0x7F | 0x80])
            value >>= 7
        return out + bytes([value])
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def observation(kind, data=None, second=1_700_000_000):
    stamp = proto(1, proto(1, second) + proto(2, 5))
    inner = b"" if data is None else proto({5: 2, 9: 2}.get(kind, 1), data)
    return stamp + proto(kind, inner)


def capture_line(connection, number, observations, is_last=False):
    stream = proto(1, connection) + proto(5, b"node") + b"".join(proto(2, one) for one in observations)
    return base64.b64encode(stream + proto(4 if is_last else 3, number)) + b"\n"


class CaptureTest(unittest.TestCase):
    """Lines of OpenSearch Migrations' capture: parts of connections, mixed and cut anywhere."""

    def test_connections_are_put_together(self):
        banyan = Banyan(1, 2, ROUTES)
        self.addCleanup(banyan.clean)
        first = b"POST /orders/_bulk HTTP/1.1\r\nHost: os\r\nContent-Length: 6\r\n\r\nab\ncd\n"
        second = b"GET /orders/_search?q=1 HTTP/1.1\r\nHost: os\r\n\r\n"
        answers = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        other = b"GET /orders/other HTTP/1.1\r\nHost: os\r\n\r\n"
        lines = (capture_line(b"c1", 0, [observation(5, first[:20]), observation(5, first[20:] + second[:5])]) +
                 capture_line(b"c2", 0, [observation(4, other)]) +
                 capture_line(b"c1", 1, [observation(4, second[5:]), observation(9, answers[:30])]) +
                 capture_line(b"c3", 0, [observation(4, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")], True) +
                 capture_line(b"c4", 3, [observation(4, other)], True) +
                 capture_line(b"c1", 2, [observation(8, answers[30:]), observation(11)], True))
        path = os.path.join(banyan.folder, "capture.proto.gz")
        with gzip.open(path, "wb") as file:
            file.write(lines)
        done = banyan.cli("log", "import", path)
        self.assertIn("imported 3 exchanges", done.stderr)
        self.assertIn("1 connections speak HTTP/2", done.stderr)
        self.assertIn("1 connections lack a part", done.stderr)
        self.assertIn("1 requests have no answer", done.stderr)
        records = banyan.records()
        requests = {record["target"]: record for record in records if record["type"] == "REQUEST"}
        bodies = {record["exchange"]: record for record in records if record["type"] == "RESPONSE"}
        bulk = requests["/orders/_bulk"]
        self.assertEqual((bulk["body"], bulk["route"], bulk["write"]), ("ab\ncd\n", "orders", True))
        self.assertEqual(bodies[bulk["exchange"]]["body"], "{}")
        search = requests["/orders/_search?q=1"]
        self.assertEqual(bodies[search["exchange"]]["body"], "abc")
        self.assertEqual(search["session"], bulk["session"])
        self.assertIn("/orders/other", requests)


HOSTILE = {
    # name: (bytes, exit code without --keep-going, exchanges with it)
    "empty": (b"", 2, 0),
    "noise": (b"\x00\x01\x02\x03" * 40, 2, 0),
    "har without entries": (b'{"log":{"version":"1.2"}}', 5, 0),
    "har cut": (b'{"log":{"entries":[{"startedDateTime":"2024-01-01T00:00:00Z","request":{"method":"GET","url":', 5, 0),
    "har entry is a number": (b'{"log":{"entries":[7]}}', 5, 0),
    "har url of a file": (b'{"log":{"entries":[{"startedDateTime":"2024-01-01T00:00:00Z","request":{"method":"GET",'
                          b'"url":"file:///etc/passwd","headers":[]}}]}}', 5, 0),
    "har smuggles": (b'{"log":{"entries":[{"startedDateTime":"2024-01-01T00:00:00Z","request":{"method":"GET",'
                     b'"url":"http://a/","headers":[{"name":"X\\r\\nY","value":"1"}]}}]}}', 5, 0),
    "har deep": (b'{"log":{"entries":[' + b"[" * 100000, 5, 0),
    "ndjson of others": (b'{"@timestamp":"2024-01-01T00:00:00Z","message":"hello"}\n', 5, 0),
    "ndjson method": (b'{"http":{"request":{"method":"GET /x HTTP/1.1\\r\\nA:"}},"banyan":{"schema":"banyan/exchange/1",'
                      b'"exchange":"00000000000000010000000000000001","primary":"legacy","target":"/"}}\n', 5, 0),
    "gor cut": (b"1 a 1700000000000000000 0\nGET / HTTP/1.1\r\n", 5, 0),
    "gor bad then good": (b"1 a 1700000000000000000 0\nnonsense\r\n\r\n" + SEPARATOR +
                          b"1 b 1700000000000000000 0\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" + SEPARATOR, 5, 1),
    "gor time": (b"1 a 99999999999999999999999 0\nGET / HTTP/1.1\r\n\r\n" + SEPARATOR, 5, 0),
    "gor conflicting lengths": (b"1 a 1700000000000000000 0\nGET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                                b"Content-Length: 2\r\n\r\nx" + SEPARATOR, 5, 0),
    "capture noise": (base64.b64encode(b"\xff" * 60) + b"\n", 5, 0),
    "capture length lies": (base64.b64encode(b"\x0a\xff\xff\xff\xff\x0f" + b"a" * 20) + b"\n", 5, 0),
    "gzip noise": (b"\x1f\x8b" + b"\x00" * 40, 5, 0),
}


class HostileTest(unittest.TestCase):
    def test_each_is_refused_with_its_place(self):
        banyan = Banyan(1, 2, ROUTES)
        self.addCleanup(banyan.clean)
        for name, (data, code, exchanges) in HOSTILE.items():
            with self.subTest(name):
                path = os.path.join(banyan.folder, "hostile")
                with open(path, "wb") as file:
                    file.write(data)
                done = banyan.cli("log", "import", path, code=code)
                self.assertIn("hostile", done.stderr)
                self.assertNotIn("\x00", done.stderr)
                done = banyan.cli("log", "import", path, "--keep-going", "--json", code=None)
                self.assertIn(done.returncode, (0, code))
                if done.stdout:
                    self.assertEqual(json.loads(done.stdout)["exchanges"], exchanges)
        self.assertIn("missing", banyan.cli("log", "import", os.path.join(banyan.folder, "missing"), code=2).stderr)
        banyan.cli("log", "verify")


if __name__ == "__main__":
    unittest.main()
