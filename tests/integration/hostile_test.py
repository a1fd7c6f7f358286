#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile requests and answers as raw bytes through the real binary (tests/cases/wire_*.txt).

What counts is what the other side saw: one proper message or nothing. After every case a canary must be
answered properly and alone, by the same pool of connections.
"""

import threading
import unittest

from harness import Banyan
from wire import Cut, Improper, RawOrigin, connect, load_cases, reset

EXTRA = """\
auth = "none"
[timeouts]
head = "5s"
body = "5s"
[[routes]]
name = "all"
match = { path = "/**" }
mirror_percent = 0
durability = "none"
"""


class RecordingOrigin(RawOrigin):
    """Answers every proper request with its target; keeps whole messages, and what was none."""

    def __init__(self):
        self.messages, self.partial, self.improper = [], [], []
        super().__init__()

    def serve(self, stream):
        while True:
            message = None
            try:
                message = stream.request()
                if message is None:
                    return
                if message.target.startswith("/early"):
                    stream.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")
                    while stream.fill():
                        stream.buffer = b""
                    return
                stream.body(message, False, False)
            except Cut:
                with self.lock:
                    self.partial.append(message)
                return
            except Improper as error:
                with self.lock:
                    self.improper.append(str(error))
                return
            with self.lock:
                self.messages.append(message)
            body = message.target.encode("latin1")[:100]
            stream.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (
                len(body), b"" if message.method == "HEAD" else body))

    def take(self):
        with self.lock:
            taken = self.messages, self.partial, self.improper
            self.messages, self.partial, self.improper = [], [], []
            return taken


class WireTest(unittest.TestCase):
    def serve(self, origin, extra=EXTRA):
        self.origin = origin
        self.addCleanup(origin.stop)
        # One worker: every case and every canary shares one pool of connections to the origin.
        self.banyan = Banyan(origin.port, origin.port, extra)
        with open(self.banyan.config, encoding="utf-8") as file:
            text = file.read().replace("workers = 2", "workers = 1")
        with open(self.banyan.config, "w", encoding="utf-8") as file:
            file.write(text)
        self.addCleanup(self.banyan.clean)
        self.banyan.start()

    def canary(self, stream, number):
        target = "/canary/%d" % number
        stream.connection.sendall(b"GET %s HTTP/1.1\r\nHost: canary\r\n\r\n" % target.encode())
        answer = stream.answer()
        self.assertEqual((200, target.encode()), (answer.status, answer.body))
        return target


class HostileRequestsTest(WireTest):
    def test_every_request_of_the_table(self):
        cases = load_cases("wire_requests.txt")
        self.assertGreater(len(cases), 300)
        self.serve(RecordingOrigin())
        for number, case in enumerate(cases):
            with self.subTest(case=case.name, section=case.section):
                self.judge(case, number)
        # All of them are in the account, and it balances.
        self.banyan.settle()
        self.assertIsNone(self.banyan.process.poll())

    def judge(self, case, number):
        self.origin.take()
        stream = connect(self.banyan.port)
        try:
            goes_on = self.converse(case, stream)
            canaries = []
            if goes_on:
                canaries.append(self.canary(stream, number))
        finally:
            stream.close()
        fresh = connect(self.banyan.port)
        try:
            canaries.append(self.canary(fresh, number + 1000))
        finally:
            fresh.close()
        self.look_at_origin(case, canaries)

    def answers(self, stream, count, method="GET"):
        for _ in range(count):
            self.assertEqual(200, stream.answer(method).status)

    def end(self, stream):
        self.assertTrue(stream.at_end(), "left over: %r" % stream.buffer[:200])

    def refusal(self, stream, status):
        answer = stream.answer()
        self.assertEqual(status, answer.status)
        self.assertEqual(["close"], answer.all("connection"))
        self.assertIn(b'"error"', answer.body)
        self.end(stream)

    def converse(self, case, stream):
        """Sends the case and reads what it must get. True where the connection goes on."""
        try:
            stream.connection.sendall(case.data)
        except OSError:  # A refusal may come before all of it was sent.
            pass
        if case.kind in ("refuse", "cut"):
            self.skip_continue(stream)
            self.refusal(stream, case.numbers[0])
            return False
        if case.kind == "aborted":
            stream.connection.shutdown(1)
            self.end(stream)
            return False
        if case.kind == "pass-head":
            self.answers(stream, 1, "HEAD")
            return True
        if case.kind == "pass-continue":
            first = stream.answer()
            if first.status == 100:
                first = stream.answer()
            self.assertEqual(200, first.status)
            return True
        if case.kind == "early":
            answer = stream.answer()
            self.assertEqual((200, b"early"), (answer.status, answer.body))
            self.end(stream)
            return False
        self.answers(stream, case.numbers[0])
        if case.kind == "pass-then-refuse":
            self.refusal(stream, case.numbers[1])
            return False
        if case.kind == "pass-close" or b" HTTP/1.0\r\n" in case.data and b"keep-alive" not in case.data:
            self.end(stream)
            return False
        self.assertEqual("pass", case.kind)
        return True

    def skip_continue(self, stream):
        while not stream.buffer and stream.fill():
            pass
        if stream.buffer.startswith(b"HTTP/1.1 100 "):
            stream.answer()

    def look_at_origin(self, case, canaries):
        messages, partial, improper = self.origin.take()
        self.assertEqual([], improper)
        targets = [message.target for message in messages]
        for canary in canaries:
            self.assertEqual(1, targets.count(canary), targets)
        self.assertNotIn("/smuggled", " ".join(targets))
        seen = [message for message in messages if message.target not in canaries]
        wanted = {"refuse": 0, "cut": 0, "aborted": 0, "early": 0, "pass-head": 1, "pass-continue": 1}.get(case.kind)
        self.assertEqual(case.numbers[0] if wanted is None else wanted, len(seen), targets)
        if case.kind == "refuse":
            self.assertEqual([], partial)
        for message in seen[:1]:
            self.check(case, message)

    def check(self, case, message):
        checks = case.checks
        if "target" in checks:
            self.assertEqual(checks["target"], message.target)
        if checks.get("body", "").isdigit() and checks["body"] != "0123456789":
            self.assertEqual(int(checks["body"]), len(message.body))
        elif "body" in checks:
            self.assertEqual(checks["body"].encode(), message.body)
        if "has" in checks:
            name, value = checks["has"].split(":", 1)
            self.assertEqual([value], message.all(name))
        names = [name for name, _ in message.fields + message.trailers]
        for name in filter(None, checks.get("lacks", "").split(",")):
            self.assertNotIn(name, names)
        for name, value in message.trailers:
            self.assertNotIn(name, ("content-length", "transfer-encoding", "host", "authorization", "cookie"), value)


class AnsweringOrigin(RawOrigin):
    """Answers /case/NAME with that case's bytes, all else with its target; knows which connection it was."""

    def __init__(self, cases):
        self.cases = {"/case/" + case.name: case for case in cases}
        self.count, self.seen = 0, []
        super().__init__()

    def serve(self, stream):
        with self.lock:
            self.count += 1
            number = self.count
        while True:
            try:
                message = stream.request()
                if message is None:
                    return
                stream.body(message, False, False)
            except (Cut, Improper):
                return
            with self.lock:
                self.seen.append((message.target, number))
            case = self.cases.get(message.target)
            if case is None:
                body = message.target.encode()
                stream.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                continue
            stream.connection.sendall(case.data)
            behind = case.checks.get("then")
            if behind == "close":
                return
            if behind == "reset":
                # All of it has to be on its way: a reset overtakes what the kernel still holds.
                stream.connection.shutdown(0)
                self.wait_until_taken(stream.connection)
                reset(stream.connection)
                return

    @staticmethod
    def wait_until_taken(connection):
        import array
        import fcntl
        import termios
        import time
        deadline = time.monotonic() + 5
        left = array.array("i", [1])
        while left[0] and time.monotonic() < deadline:
            fcntl.ioctl(connection, termios.TIOCOUTQ, left)

    def connections_of(self, target):
        with self.lock:
            return [number for found, number in self.seen if found == target]


class HostileAnswersTest(WireTest):
    def test_every_answer_of_the_table(self):
        cases = load_cases("wire_answers.txt")
        self.assertGreater(len(cases), 100)
        self.serve(AnsweringOrigin(cases))
        for number, case in enumerate(cases):
            with self.subTest(case=case.name, section=case.section):
                self.judge(case, number)
        self.banyan.settle()
        self.assertIsNone(self.banyan.process.poll())

    def judge(self, case, number):
        method = "HEAD" if case.kind == "head" else "GET"
        stream = connect(self.banyan.port)
        stream.connection.sendall(b"%s /case/%s HTTP/1.1\r\nHost: a\r\n\r\n" % (method.encode(), case.name.encode()))
        if case.kind == "cut":
            with self.assertRaises(Cut):
                stream.answer()
            stream.close()
        else:
            self.read_whole(case, stream, method)
            self.canary(stream, number)  # The client's connection goes on: its answer was whole.
            stream.close()
        fresh = connect(self.banyan.port)
        canary = self.canary(fresh, number + 1000)
        fresh.close()
        used = self.origin.connections_of("/case/" + case.name)
        # A kept connection that dies without a byte may have been idle: an idempotent request is sent once more.
        self.assertIn(len(used), (1, 2) if not case.data else (1,), "asked more than once")
        again = self.origin.connections_of(canary)
        if case.kind in ("502", "cut") or case.checks.get("reuse") == "no":
            self.assertFalse(set(used) & set(again))
        if case.checks.get("reuse") == "yes":
            self.assertEqual(used, again)

    def read_whole(self, case, stream, method):
        interim = 0
        while True:
            answer = stream.answer(method)
            if answer.status >= 200:
                break
            self.assertEqual([], answer.all("content-length"))
            interim += 1
        if case.kind == "502":
            self.assertEqual(502, answer.status)
            self.assertIn(b'"error"', answer.body)
            return
        self.assertEqual(200 if method == "HEAD" else int(case.kind), answer.status)
        self.assertEqual(int(case.checks.get("interim", "0")), interim)
        if "body" in case.checks:
            self.assertEqual(case.checks["body"].encode(), answer.body)
        names = [name for name, _ in answer.fields + answer.trailers]
        for name in filter(None, case.checks.get("lacks", "").split(",")):
            self.assertNotIn(name, names)


class IdleConnectionTest(WireTest):
    def test_bytes_on_an_idle_connection_are_nobodys_answer(self):
        """A system that sends an answer nobody asked for: the connection goes, the next client asks anew."""
        # At once with its answer; or once the client has that, thus while nobody waits for another.
        # (Behind the next request it would be an answer like any other.)
        answered, closed = threading.Semaphore(0), threading.Semaphore(0)

        class Chatty(RecordingOrigin):
            def serve(self, stream):
                own = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
                while (request := stream.request()) is not None:
                    if request.target == "/next":
                        stream.connection.sendall(own)
                        continue
                    if request.target == "/at-once":
                        stream.connection.sendall(own + evil)
                    else:
                        stream.connection.sendall(own)
                        answered.acquire()
                        stream.connection.sendall(evil)
                    stream.fill()  # until Banyan closes
                    closed.release()
                    return
        self.serve(Chatty())
        for _ in range(10):
            for target in (b"/at-once", b"/next", b"/idle", b"/next"):
                stream = connect(self.banyan.port)
                stream.connection.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % target)
                answer = stream.answer()
                self.assertEqual((200, b"ok"), (answer.status, answer.body))
                if target == b"/idle":
                    answered.release()
                if target != b"/next":
                    self.assertTrue(closed.acquire(timeout=10), "the connection is still open")
                stream.close()


if __name__ == "__main__":
    unittest.main()
