#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Upstreams as production has them: several addresses, one killed under load, names that move,
health checks, a DNS server that hangs. With the real binary."""

import socket
import struct
import threading
import time
import unittest

from harness import Banyan, DEFAULT_ROUTE, Load, Origin, free_port, wait_until


class Dns:
    """A small DNS server on loopback UDP. `zone` maps names to IPv4 addresses; `hangs` is silence."""

    def __init__(self, zone=None):
        self.zone, self.hangs, self.asked = dict(zone or {}), False, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                question, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            self.asked += 1
            if self.hangs:
                continue
            at, labels = 12, []
            while question[at]:
                labels.append(question[at + 1:at + 1 + question[at]].decode())
                at += question[at] + 1
            kind = struct.unpack(">H", question[at + 1:at + 3])[0]
            addresses = self.zone.get(".".join(labels))
            code = 3 if addresses is None else 0
            answers = b""
            count = 0
            for address in (addresses or []) if kind == 1 else []:
                answers += b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(address)
                count += 1
            head = question[:2] + struct.pack(">HHHHH", 0x8580 | code, 1, count, 0, 0)
            self.socket.sendto(head + question[12:at + 5] + answers, peer)

    def stop(self):
        self.socket.close()


def with_urls(banyan, system, urls, more=""):
    """Replaces the urls of one system in the config, and adds keys to it."""
    with open(banyan.config, encoding="utf-8") as file:
        lines = file.read().splitlines()
    at = lines.index("[systems.%s]" % system) + 1
    lines[at] = "urls = [%s]\n%s" % (", ".join('"%s"' % url for url in urls), more)
    with open(banyan.config, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def url_of(origin):
    return "http://127.0.0.1:%d" % origin.port


class UpstreamsTest(unittest.TestCase):
    def origin(self, answer=None):
        origin = Origin(answer)
        self.addCleanup(origin.stop)
        return origin

    def dns(self, zone=None):
        server = Dns(zone)
        self.addCleanup(server.stop)
        return server

    def make(self, urls, more="", extra=DEFAULT_ROUTE, candidate=None, candidate_more=""):
        banyan = Banyan(1, 1, extra)
        self.addCleanup(banyan.clean)
        with_urls(banyan, "legacy", urls, more)
        with_urls(banyan, "candidate", [url_of(candidate or self.origin())], candidate_more)
        return banyan

    def addresses(self, banyan, system="legacy"):
        return {it["address"]: it for it in banyan.json("status")["systems"][system]["addresses"]}

    def test_an_address_killed_under_load_costs_no_idempotent_request(self):
        origins = [self.origin() for _ in range(3)]
        banyan = self.make([url_of(origin) for origin in origins],
                           'slow_start = "500ms"\nejection = { failures = 2, time = "500ms", time_max = "1s" }').start()
        load = Load(banyan.port, clients=6).start()
        self.addCleanup(load.stop)
        wait_until(lambda: all(len(origin.seen()) > 50 for origin in origins), "all three are used")
        for round_number in range(3):
            victim = origins[round_number % 2]
            victim.stop()
            done = load.done
            wait_until(lambda: load.done > done + 300, "the others serve on")
            name = "127.0.0.1:%d" % victim.port
            wait_until(lambda: self.addresses(banyan)[name]["state"] == "ejected", "it is out")
            before = len(victim.seen())
            victim.start()
            wait_until(lambda: len(victim.seen()) > before + 20, "it is used again")
        load.stop()
        self.assertEqual(load.failed, [])
        total = sum(len(origin.seen()) for origin in origins)
        self.assertGreaterEqual(total, load.done)
        text = banyan.errors()
        self.assertIn("is ejected for 500ms", text)
        self.assertIn("takes requests again after its ejection", text)
        # Said at a change, not at every request.
        self.assertLess(text.count("is ejected"), 40)
        ledger = banyan.settle()
        self.assertTrue(ledger["total"]["balanced"])

    def test_load_goes_where_less_is_under_way(self):
        slow = self.origin(lambda request: (time.sleep(0.2), (200, {}, b"slow"))[1])
        quick = self.origin()
        banyan = self.make([url_of(slow), url_of(quick)]).start()
        load = Load(banyan.port, clients=8).start()
        wait_until(lambda: load.done > 400, "some load")
        load.stop()
        self.assertEqual(load.failed, [])
        self.assertGreater(len(quick.seen()), 4 * len(slow.seen()))

    def test_status_and_metrics_show_each_address(self):
        live = self.origin()
        dead = free_port()
        banyan = self.make([url_of(live), "http://127.0.0.1:%d" % dead], 'ejection = { failures = 2 }').start()
        for _ in range(40):
            self.assertEqual(banyan.request()[0], 200)
            if self.addresses(banyan)["127.0.0.1:%d" % dead]["state"] == "ejected":
                break
            time.sleep(0.1)
        shown = self.addresses(banyan)["127.0.0.1:%d" % dead]
        self.assertEqual(shown["state"], "ejected")
        self.assertIn("connect_failed", shown["reason"])
        self.assertGreater(shown["ejected_for"], 0)
        text = banyan.cli("status").stdout
        self.assertIn("127.0.0.1:%d  ejected for" % dead, text)
        self.assertIn("127.0.0.1:%d  usable, 0 in flight" % live.port, text)
        metrics = banyan.api("GET", "/metrics", with_token=False)[1].decode()
        self.assertIn('banyan_upstream_usable{system="legacy",address="127.0.0.1:%d"} 0' % dead, metrics)
        self.assertIn('banyan_upstream_usable{system="legacy",address="127.0.0.1:%d"} 1' % live.port, metrics)
        self.assertIn('banyan_upstream_addresses{system="candidate"} 1', metrics)

    def test_a_single_address_is_always_tried(self):
        origin = self.origin()
        banyan = self.make([url_of(origin)], "ejection = { failures = 1 }").start()
        self.assertEqual(banyan.request()[0], 200)
        origin.stop()
        for _ in range(5):
            self.assertEqual(banyan.request()[0], 502)
        origin.start()
        self.assertEqual(banyan.request()[0], 200)

    def test_a_name_that_moves_is_followed(self):
        dns = self.dns({"legacy.test": ["127.0.0.1"]})
        origin = self.origin()
        # The same port on another loopback address.
        other = Origin(lambda request: (200, {}, b"other"))
        other.stop()
        other.server_class.address_family = socket.AF_INET
        other.server = other.server_class(("127.0.0.2", origin.port), other.handler)
        threading.Thread(target=other.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.addCleanup(other.stop)
        banyan = self.make(["http://legacy.test:%d" % origin.port],
                           extra=DEFAULT_ROUTE + '[dns]\nservers = ["%s"]\nttl_min = "200ms"\n' % dns.address)
        banyan.start()
        self.assertEqual(banyan.request()[0], 200)
        load = Load(banyan.port, clients=4).start()
        self.addCleanup(load.stop)
        dns.zone["legacy.test"] = ["127.0.0.2"]
        wait_until(lambda: list(self.addresses(banyan)) == ["127.0.0.2:%d" % origin.port], "the new address is used")
        self.assertEqual(banyan.request()[1], b"other")
        # Trouble with DNS changes nothing.
        for trouble in ({}, {"legacy.test": []}):
            dns.zone = trouble
            def is_noticed():
                return banyan.json("status")["systems"]["legacy"]["names"][0]["error"]
            wait_until(is_noticed, "the failure is shown")
            self.assertEqual(banyan.request()[1], b"other")
            dns.zone = {"legacy.test": ["127.0.0.2"]}
            wait_until(lambda: not is_noticed(), "it resolves again")
        load.stop()
        self.assertEqual(load.failed, [])

    def test_a_name_unknown_at_the_start_heals_by_itself(self):
        dns = self.dns()
        origin = self.origin()
        banyan = self.make(["http://legacy.test:%d" % origin.port],
                           extra=DEFAULT_ROUTE + '[dns]\nservers = ["%s"]\nttl_min = "200ms"\n' % dns.address)
        warned = banyan.cli("check")
        self.assertIn("warning: systems.legacy: cannot resolve legacy.test", warned.stderr)
        banyan.start()
        self.assertEqual(banyan.request()[0], 502)
        self.assertIn("cannot resolve legacy.test: the name does not exist", banyan.errors())
        self.assertIn("NO ADDRESS", banyan.cli("status").stdout)
        dns.zone["legacy.test"] = ["127.0.0.1"]
        wait_until(lambda: banyan.request()[0] == 200, "the name resolves")
        self.assertEqual(banyan.errors().count("cannot resolve legacy.test"), 1)

    def test_a_dns_server_that_hangs_holds_nothing_up(self):
        dns = self.dns({"candidate.test": ["127.0.0.1"]})
        dns.hangs = True
        legacy, candidate = self.origin(), self.origin()
        banyan = self.make([url_of(legacy)], extra=DEFAULT_ROUTE + '[dns]\nservers = ["%s"]\ntimeout = "20s"\n' %
                           dns.address)
        with_urls(banyan, "candidate", ["http://candidate.test:%d" % candidate.port])
        start = time.monotonic()
        banyan.start()
        self.assertLess(time.monotonic() - start, 10)
        self.assertEqual(banyan.request()[0], 200)
        banyan.cli("route", "set", "all", "--candidate-percent", "100", "--force")
        self.assertEqual(banyan.request()[0], 502)
        start = time.monotonic()
        banyan.cli("route", "rollback", "--all")
        self.assertLess(time.monotonic() - start, 3)
        self.assertEqual(banyan.request()[0], 200)
        self.assertGreater(dns.asked, 0)
        start = time.monotonic()
        self.assertEqual(banyan.stop(), 0)
        self.assertLess(time.monotonic() - start, 15)

    def test_active_checks_take_an_address_out_and_bring_it_back(self):
        sick = threading.Event()

        def answer(request):
            if request["target"] == "/up" and sick.is_set():
                return 500, {}, b"no"
            return 200, {}, b"ok"
        first, second = self.origin(answer), self.origin()
        banyan = self.make([url_of(first), url_of(second)],
                           'health = { path = "/up", interval = "100ms" }\nslow_start = "0s"').start()
        name = "127.0.0.1:%d" % first.port
        wait_until(lambda: self.addresses(banyan)[name]["health"] == "healthy", "it is checked")
        sick.set()
        wait_until(lambda: self.addresses(banyan)[name]["state"] == "unhealthy", "it is out")
        self.assertIn("status 500", self.addresses(banyan)[name]["reason"])
        self.assertIn("%s is unhealthy: status 500" % name, banyan.errors())
        before = len(first.seen(lambda request: request["target"] != "/up"))
        for _ in range(20):
            self.assertEqual(banyan.request()[0], 200)
        self.assertEqual(len(first.seen(lambda request: request["target"] != "/up")), before)
        # Both are out: requests go through all the same.
        second.stop()
        wait_until(lambda: self.addresses(banyan)["127.0.0.1:%d" % second.port]["state"] == "unhealthy",
                   "the other is out too")
        wait_until(lambda: banyan.request()[0] == 200, "the one that answers is found")
        sick.clear()
        wait_until(lambda: self.addresses(banyan)[name]["state"] == "usable", "it is back")
        self.assertEqual(banyan.request()[0], 200)
        # Checks are nobody's exchange.
        self.assertFalse(any(record.get("target") == "/up" for record in banyan.records()))

    def test_the_circuit_spares_a_candidate_that_hangs(self):
        gate = threading.Event()

        def answer(request):
            if not gate.is_set():
                gate.wait(30)
            return 200, {}, b'{"ok":true}'
        candidate = self.origin(answer)
        self.addCleanup(gate.set)
        legacy = self.origin()
        banyan = self.make([url_of(legacy)], candidate=candidate,
                           candidate_more='circuit = { failures = 4, time = "300ms", time_max = "500ms" }',
                           extra=DEFAULT_ROUTE + '[mirror]\ndeadline = "300ms"\nin_flight = 4\n').start()
        def send():
            self.assertEqual(banyan.request()[0], 200)
            return banyan.json("status")["systems"]["candidate"]["circuit"] != "closed"
        wait_until(send, "the circuit opens")
        self.assertIn("the circuit is open", banyan.errors())
        self.assertIn("circuit ", banyan.cli("status").stdout)
        before = len(candidate.seen())
        for _ in range(30):
            self.assertEqual(banyan.request()[0], 200)
        self.assertLess(len(candidate.seen()) - before, 15)
        gate.set()
        wait_until(lambda: banyan.json("status")["systems"]["candidate"]["circuit"] == "closed", "it closes")
        ledger = banyan.settle()
        self.assertTrue(ledger["total"]["balanced"])


if __name__ == "__main__":
    unittest.main()
