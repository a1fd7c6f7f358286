#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many, slow and greedy clients: what they cost, and that others are served meanwhile."""

import os
import resource
import socket
import time
import unittest

from harness import Banyan, Origin, wait_until
from wire import Cut, connect

IDLE = int(os.environ.get("BANYAN_IDLE_CONNECTIONS", "10000"))
IDLE_BYTES_MAX = 4096
ROUTE = """\
[[routes]]
name = "all"
match = { path = "/**" }
mirror_percent = 0
durability = "none"
record = "off"
"""


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class CrowdTest(unittest.TestCase):
    def serve(self, extra, binary=None, preexec=None):
        self.origin = Origin(lambda request: (200, {}, b"ok"))
        self.addCleanup(self.origin.stop)
        self.banyan = Banyan(self.origin.port, self.origin.port, extra + ROUTE, **({"binary": binary} if binary else {}))
        self.addCleanup(self.banyan.clean)
        self.banyan.start(preexec=preexec)

    def ask(self, stream):
        stream.connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = stream.answer()
        self.assertEqual((200, b"ok"), (answer.status, answer.body))

    def ask_fresh(self):
        started = time.monotonic()
        stream = connect(self.banyan.port)
        self.ask(stream)
        stream.close()
        return time.monotonic() - started

    def open_slow(self, count, data):
        """Clients that send a part of something and then nothing."""
        streams = []
        for _ in range(count):
            stream = connect(self.banyan.port)
            stream.connection.sendall(data)
            streams.append(stream)
            self.addCleanup(stream.close)
        return streams

    def test_idle_connections_own_next_to_nothing(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < IDLE + 1000:
            self.fail("the hard limit of open files is %d: not enough for this test" % hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, IDLE + 1000), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        # A sanitizer's own memory would be measured else.
        self.serve('auth = "none"\n[limits]\nconnections = %d\n[timeouts]\nkeep_alive = "10m"\n' % (IDLE + 100),
                   os.environ.get("BANYAN_RELEASE_BINARY"))
        for _ in range(200):
            self.ask_fresh()
        before = self.banyan.memory_kib()
        streams = []
        for _ in range(IDLE):
            stream = connect(self.banyan.port)
            self.addCleanup(stream.close)
            self.ask(stream)
            streams.append(stream)
        self.assertEqual(IDLE, self.banyan.json("status")["proxy"]["connections_open"])
        least = 1 << 40

        def is_little():
            nonlocal least
            least = min(least, self.banyan.memory_kib())
            return (least - before) * 1024 <= IDLE_BYTES_MAX * IDLE
        wait_until(is_little, "idle connections let go of their memory", 10, 0.2)
        print("%d idle connections: %d bytes each" % (IDLE, (least - before) * 1024 // IDLE))
        for stream in streams[::1000]:
            self.ask(stream)  # They still serve.

    def test_slow_heads_and_bodies_cost_others_nothing(self):
        self.serve('auth = "none"\n[timeouts]\nhead = "2s"\nbody = "2s"\nrate_grace = "1s"\n')
        heads = self.open_slow(150, b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        bodies = self.open_slow(150, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
        worst = max(self.ask_fresh() for _ in range(50))
        self.assertLess(worst, 1.0)
        for stream in heads + bodies:
            answer = stream.answer()
            self.assertEqual((408, ["close"]), (answer.status, answer.all("connection")))
            self.assertTrue(stream.at_end())

    def test_out_of_descriptors_neither_spins_nor_stops_service(self):
        limit = 256

        def preexec():
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        # More connections allowed than descriptors: the limit of the system bites first. UBSan's check
        # of types opens a pipe to look at memory, and without one takes it for unreadable.
        self.serve('auth = "none"\n[timeouts]\nhead = "60s"\n[limits]\nconnections = 100000\n',
                   os.environ.get("BANYAN_RELEASE_BINARY"), preexec=preexec)
        crowd = []
        for _ in range(600):
            connection = socket.create_connection(("127.0.0.1", self.banyan.port))
            self.addCleanup(connection.close)
            crowd.append(connection)
        before = cpu_seconds(self.banyan.process.pid)
        started = time.monotonic()
        time.sleep(2)  # What is looked at is how much it works while nothing happens.
        busy = (cpu_seconds(self.banyan.process.pid) - before) / (time.monotonic() - started)
        self.assertLess(busy, 0.2)
        self.assertIn(b"banyan_proxy_accept_pauses_total", self.banyan.api("GET", "/metrics", with_token=False)[1])
        for connection in crowd:
            connection.close()
        wait_until(lambda: self.try_once(), "service again", 5)

    def try_once(self):
        try:
            self.ask_fresh()
            return True
        except (OSError, AssertionError, Cut):
            return False

    def test_connections_over_their_limit_get_503_and_when_to_come_back(self):
        self.serve('auth = "none"\n[limits]\nconnections = 5\n')
        held = [connect(self.banyan.port) for _ in range(5)]
        for stream in held:
            self.addCleanup(stream.close)
            self.ask(stream)
        over = connect(self.banyan.port)
        answer = over.answer()
        self.assertEqual((503, ["1"]), (answer.status, answer.all("retry-after")))
        self.assertTrue(over.at_end())
        self.ask(held[0])


if __name__ == "__main__":
    unittest.main()
