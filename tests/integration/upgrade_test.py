#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A WebSocket through Banyan: a real handshake and frames both ways, refusals, every end, the account."""

import base64
import hashlib
import os
import struct
import unittest

from harness import Banyan, wait_until
from wire import Cut, RawOrigin, connect

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
EXTRA = """\
auth = "none"
[[routes]]
name = "quiet"
match = { path = "/quiet/**" }
upgrades = []
[[routes]]
name = "all"
match = { path = "/**" }
mirror_writes = true
"""


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest())


def frame(opcode, payload, mask=None):
    head = bytes([0x80 | opcode])
    size = len(payload)
    bit = 0x80 if mask else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    if not mask:
        return head + payload
    key = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def read_frame(stream):
    first, second = stream.exactly(2)
    size = second & 0x7f
    if size == 126:
        size = struct.unpack(">H", stream.exactly(2))[0]
    elif size == 127:
        size = struct.unpack(">Q", stream.exactly(8))[0]
    mask = stream.exactly(4) if second & 0x80 else None
    payload = stream.exactly(size)
    if mask and size:
        key = (mask * (size // 4 + 1))[:size]
        payload = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return first & 0x0f, payload


class EchoOrigin(RawOrigin):
    """A WebSocket server that echoes; plain requests get what they asked for told."""

    def __init__(self):
        self.upgrades, self.plain, self.ended = 0, [], 0
        super().__init__()

    def serve(self, stream):
        while True:
            message = stream.request()
            if message is None:
                return
            stream.body(message, False, False)
            if message.target.startswith("/refuse"):
                stream.connection.sendall(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno")
                continue
            if message.all("upgrade") != ["websocket"] or message.all("connection") != ["Upgrade"]:
                with self.lock:
                    self.plain.append(message)
                stream.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")
                continue
            break
        with self.lock:
            self.upgrades += 1
        stream.connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  b"Sec-WebSocket-Accept: %s\r\n\r\n" % accept_of(message.all("sec-websocket-key")[0]))
        try:
            while True:
                opcode, payload = read_frame(stream)
                stream.connection.sendall(frame(opcode, payload))
                if opcode == 8:
                    return
        except Cut:
            pass
        finally:
            with self.lock:
                self.ended += 1


class UpgradeTest(unittest.TestCase):
    def setUp(self):
        self.legacy, self.candidate = EchoOrigin(), EchoOrigin()
        self.banyan = Banyan(self.legacy.port, self.candidate.port, EXTRA)
        self.addCleanup(self.banyan.clean)
        self.addCleanup(self.legacy.stop)
        self.addCleanup(self.candidate.stop)
        self.banyan.start()

    def ask(self, target="/chat", upgrade="websocket"):
        stream = connect(self.banyan.port)
        self.addCleanup(stream.close)
        self.key = base64.b64encode(os.urandom(16)).decode()
        stream.connection.sendall(("GET %s HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: %s\r\n"
                                   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n"
                                   % (target, upgrade, self.key)).encode())
        return stream, stream.answer()

    def open(self):
        stream, answer = self.ask()
        self.assertEqual(101, answer.status)
        self.assertEqual([accept_of(self.key).decode()], answer.all("sec-websocket-accept"))
        return stream

    def account(self):
        ledger = self.banyan.settle()
        self.assertTrue(ledger["total"]["balanced"])
        return ledger["total"]

    def test_frames_both_ways_and_the_account(self):
        stream = self.open()
        for size in (0, 1, 125, 126, 65535, 65536, 3 << 20):
            payload = os.urandom(size)
            stream.connection.sendall(frame(2, payload, os.urandom(4)))
            self.assertEqual((2, payload), read_frame(stream))
        stream.connection.sendall(frame(8, b"\x03\xe8", os.urandom(4)))
        self.assertEqual((8, b"\x03\xe8"), read_frame(stream))
        self.assertTrue(stream.at_end())
        total = self.account()
        self.assertEqual(1, total["answered"]["legacy"])
        self.assertEqual({"upgrade": 1}, total["mirror"]["skipped"])
        self.assertEqual(0, self.candidate.upgrades + len(self.candidate.plain))
        requests = [record for record in self.banyan.records() if record["type"] == "REQUEST"]
        self.assertIn("upgrade", requests[0]["decision"])
        responses = [record for record in self.banyan.records() if record["type"] == "RESPONSE"]
        self.assertEqual([101], [record["status"] for record in responses])

    def test_a_route_that_allows_none_asks_plainly(self):
        _, answer = self.ask("/quiet/chat")
        self.assertEqual((200, b"plain"), (answer.status, answer.body))
        self.assertEqual([], self.legacy.plain[0].all("upgrade"))

    def test_h2c_and_others_are_asked_plainly(self):
        for name in ("h2c", "foo", "websocket, h2c"):
            _, answer = self.ask(upgrade=name)
            self.assertEqual((200, b"plain"), (answer.status, answer.body))

    def test_a_refused_upgrade_leaves_the_connection_usable(self):
        stream, answer = self.ask("/refuse")
        self.assertEqual((426, b"no"), (answer.status, answer.body))
        stream.connection.sendall(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(b"plain", stream.answer().body)
        self.account()

    def test_a_client_that_leaves_ends_the_system_s_side(self):
        stream = self.open()
        stream.connection.sendall(frame(1, b"x", b"abcd"))
        read_frame(stream)
        stream.close()
        wait_until(lambda: self.legacy.ended == 1, "the system saw the end")
        self.account()

    def test_a_rollback_cuts_tunnels_of_the_candidate(self):
        self.banyan.cli("route", "set", "all", "--candidate-percent", "100")
        stream = self.open()
        self.assertEqual(1, self.candidate.upgrades)
        self.banyan.cli("route", "rollback", "all", "--cut")
        self.assertTrue(stream.at_end())
        self.account()
        self.open()
        self.assertEqual(1, self.legacy.upgrades)

    def test_sigterm_waits_for_tunnels_no_longer_than_the_drain(self):
        with open(self.banyan.config, "a", encoding="utf-8") as file:
            file.write('[timeouts]\ndrain = "200ms"\n')
        self.banyan.stop()
        self.banyan.start()
        stream = self.open()
        self.assertEqual(0, self.banyan.stop())
        self.assertTrue(stream.at_end())
        self.banyan.start()
        self.account()


if __name__ == "__main__":
    unittest.main()
