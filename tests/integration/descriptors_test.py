#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Descriptor sets ([endpoints] descriptors): answers of gRPC differ by the names of their fields, and a set that
cannot be read is refused with its file and a hint while the old config stays."""

import os
import re
import struct
import unittest

from h2_peers import H2Client, H2Origin
from harness import Banyan, wait_until

INT64, STRING, MESSAGE = 3, 9, 11  # FieldDescriptorProto.Type


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def part(number, content):
    """A field of the wire: bytes (or text) with their length, or a number."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def field(name, number, kind, of=None):
    return part(2, part(1, name) + part(3, number) + part(4, 1) + part(5, kind) + (part(6, of) if of else b""))


def descriptor_set(units="units"):
    """FileDescriptorSet of shop.v1, as protoc would write it: Orders.Get answers with an Order."""
    money = part(4, part(1, "Money") + field("currency", 1, STRING) + field(units, 2, INT64))
    order = part(4, part(1, "Order") + field("id", 1, STRING) + field("total", 2, MESSAGE, ".shop.v1.Money"))
    method = part(2, part(1, "Get") + part(2, ".shop.v1.Order") + part(3, ".shop.v1.Order"))
    orders = part(6, part(1, "Orders") + method)
    return part(1, part(1, "shop.proto") + part(2, "shop.v1") + money + order + orders + part(12, "proto3"))


def answer(units):
    """One framed message of Order."""
    order = part(1, "A-1") + part(2, part(1, "EUR") + part(2, units))
    return lambda request: (200, [("content-type", "application/grpc")], b"\0" + struct.pack(">I", len(order)) + order,
                            [("grpc-status", "0")])


class DescriptorsTest(unittest.TestCase):
    def setUp(self):
        self.legacy, self.candidate = H2Origin(answer(1000)), H2Origin(answer(1003))
        self.addCleanup(self.legacy.stop)
        self.addCleanup(self.candidate.stop)
        self.banyan = Banyan(self.legacy.port, self.candidate.port)
        self.addCleanup(self.banyan.clean)
        self.set = os.path.join(self.banyan.folder, "shop.pb")
        self.write(descriptor_set())
        with open(self.banyan.config, encoding="utf-8") as file:
            text = file.read()
        text = re.sub(r"^(urls = .*)$", r'\1\nhttp2 = "prior_knowledge"', text, flags=re.M)
        text = text.replace("[[listeners]]\n", "[[listeners]]\nhttp2 = true\n")
        with open(self.banyan.config, "w", encoding="utf-8") as file:
            file.write(text + '[endpoints]\ndescriptors = ["%s"]\n' % self.set)

    def write(self, content):
        with open(self.set, "wb") as file:
            file.write(content)

    def call(self, count=1):
        client = H2Client(self.banyan.port)
        self.addCleanup(client.close)
        for _ in range(count):
            stream = client.open("/shop.v1.Orders/Get", [("content-type", "application/grpc"), ("te", "trailers")])
            client.send(stream, b"\0\0\0\0\0", ends=True)
            client.read_until(lambda: client.streams[stream]["ended"])
            self.assertEqual(client.streams[stream]["trailers"], {"grpc-status": "0"})

    def paths(self):
        findings = self.banyan.json("findings", "list", "--all")["findings"]
        return {(it["endpoint"], it["path"]): (it["kind"], it["exchanges"]) for it in findings}

    def test_a_difference_has_the_name_of_its_field(self):
        self.banyan.start()
        self.call(3)
        self.banyan.settle(admitted=3)
        at = ("gRPC /shop.v1.Orders/Get", "body:$[].total.units")
        wait_until(lambda: self.paths() == {at: ("value", 3)}, "the one finding: %s" % self.paths())
        # Another set gives other names from the reload on.
        self.write(descriptor_set("cents"))
        self.banyan.cli("reload")
        self.call(2)
        wait_until(lambda: self.paths().get((at[0], "body:$[].total.cents")) == ("value", 2), "the new name")
        self.assertEqual(self.paths()[at], ("value", 3))

    def test_a_set_that_cannot_be_read_is_refused_and_the_old_one_stays(self):
        self.banyan.start()
        whole = descriptor_set()
        generation = self.banyan.json("status")["config"]["generation"]
        begin = len(whole)
        unnamed = whole.replace(b".shop.v1.Money", b".shop.v1.Nobody", 1)  # and its lengths are wrong now
        for content, why in (
                (whole[:-20], r"is cut: the \.proto file that begins at byte 0 of %d" % (len(whole) - 20)),
                (whole + whole[:30], r"is cut: the \.proto file that begins at byte %d of %d" % (begin, begin + 30)),
                (b"", r"is empty"),
                (b"syntax = \"proto3\";\n", r"nothing that one holds begins at byte 0"),
                (unnamed, r"byte \d+ of \d+"),
                (part(1, part(1, "a.proto") + part(4, part(1, "M") + field("f", 1, MESSAGE, ".other.M"))),
                 r"a\.proto: field M\.f has the type \"\.other\.M\", which no set defines")):
            with self.subTest(why=why):
                self.write(content)
                for verb in ("check", "reload"):
                    said = self.banyan.cli(verb, code=3).stderr
                    self.assertRegex(said, r"banyan\.toml:\d+:\d+: error: .*descriptors: .*shop\.pb: .*" + why)
                    self.assertIn("protoc --include_imports --descriptor_set_out=FILE", said)
        config = self.banyan.json("status")["config"]
        self.assertEqual(config["generation"], generation)
        self.call(1)
        self.banyan.settle(admitted=1)
        wait_until(lambda: self.paths() == {("gRPC /shop.v1.Orders/Get", "body:$[].total.units"): ("value", 1)},
                   "answers still go by the set that was read")


if __name__ == "__main__":
    unittest.main()
