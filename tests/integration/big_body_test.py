#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""2 GiB pass each way through one connection with under 40 MiB of extra memory (BANYAN_BIG_BODY=10737418240: 10 GiB)."""

import os
import socket
import unittest

from harness import Banyan, SocketServer, wait_until

SIZE = int(os.environ.get("BANYAN_BIG_BODY", str(2 << 30)))
# What the log may hold: its tail 16 MiB, what is not durable 8 (most of it in the tail as well), a lane, a cut and
# the pool 4 each, and buffers of direct transfers, 2 for each thread that makes them.
EXTRA_KIB_MAX = 40 * 1024
PIECE = b"0123456789abcdef" * 4096  # 64 KiB
ROUTE = """\
[[routes]]
name = "all"
match = { path = "/**" }
mirror_percent = 0
durability = "interval"
"""


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        got = connection.recv(65536)
        if not got:
            return head, b""
        head += got
    head, _, rest = head.partition(b"\r\n\r\n")
    return head, rest


class StreamingOrigin(SocketServer):
    """Reads an upload to its end and answers its size, or sends SIZE bytes; keeps no body."""

    def serve(self, connection):
        head, rest = read_head(connection)
        if head.startswith(b"GET /small"):
            connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        elif head.startswith(b"GET"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % SIZE)
            sent = 0
            while sent < SIZE:
                sent += connection.send(PIECE[:SIZE - sent])
        else:
            got = len(rest)
            while got < SIZE:
                piece = connection.recv(1 << 20)
                if not piece:
                    return
                got += len(piece)
            answer = b"%d" % got
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                               % (len(answer), answer))


class BigBodyTest(unittest.TestCase):
    def setUp(self):
        self.origin = StreamingOrigin()
        self.addCleanup(self.origin.stop)
        binary = os.environ.get("BANYAN_RELEASE_BINARY")  # a sanitizer's own memory would be measured else
        self.banyan = Banyan(self.origin.port, self.origin.port, ROUTE, **({"binary": binary} if binary else {}))
        self.addCleanup(self.banyan.clean)
        self.banyan.start()
        # What a first small exchange makes for good (readers of the log, connections) is no extra of a large body.
        with socket.create_connection(("127.0.0.1", self.banyan.port)) as client:
            client.sendall(b"GET /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            while client.recv(65536):
                pass
        wait_until(lambda: self.banyan.json("ledger", code=None)["total"]["admitted"] == 1, "it is on the log")
        self.before, self.peak = self.banyan.memory_kib(), 0

    def watch(self, moved):
        if moved % (16 << 20) < len(PIECE):
            self.peak = max(self.peak, self.banyan.memory_kib())

    def test_each_way_through_one_connection(self):
        with socket.create_connection(("127.0.0.1", self.banyan.port)) as client:
            self.upload(client)
            self.download(client)
        self.check()

    def upload(self, client):
        client.sendall(b"POST /big HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % SIZE)
        sent = 0
        while sent < SIZE:
            sent += client.send(PIECE[:SIZE - sent])
            self.watch(sent)
        _, rest = read_head(client)
        self.assertEqual(b"%d" % SIZE, rest or client.recv(100))

    def download(self, client):
        client.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        _, rest = read_head(client)
        got = len(rest)
        while got < SIZE:
            piece = client.recv(len(PIECE))
            self.assertTrue(piece, "cut after %d bytes" % got)
            got += len(piece)
            self.watch(got)

    def check(self):
        extra = max(self.peak, self.banyan.memory_kib()) - self.before
        print("extra memory: %d KiB" % extra)
        self.assertLess(extra, EXTRA_KIB_MAX)


if __name__ == "__main__":
    unittest.main()
