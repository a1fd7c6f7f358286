#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Witnesses on the real road: what is asked again, how findings stand by it, and what it costs legacy."""

import itertools
import json
import re
import threading
import unittest

from harness import BanyanTest, Origin, wait_until

ROUTES = """\
[[routes]]
name = "all"
match = { path = "/**" }
mirror_writes = true
[noise]
"""


def is_witness(request):
    return request["headers"].get("banyan-shadow") == "1"


class NoiseCase(BanyanTest):
    """Legacy and candidate differ always in `price`, and each from itself in `nonce`."""

    def setUp(self):
        super().setUp()
        self.numbers = itertools.count()
        self.legacy.answer = lambda request: self.answer(request, 1)
        self.candidate.answer = lambda request: self.answer(request, "1")

    def answer(self, request, price):
        if request["target"] == "/plain":
            return 200, {"Content-Type": "application/json"}, b"{}"
        body = {"price": price, "nonce": "n%d" % next(self.numbers), "ok": True}
        return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()

    def ask(self, count, target="/stock", method="GET"):
        for _ in range(count):
            self.assertEqual(200, self.banyan.request(method, target, b"x" if method == "POST" else None)[0])

    def standings(self):
        return {finding["path"]: finding["standing"] for finding in self.banyan.json("findings", "list")["findings"]}

    def metric(self, name, labels=""):
        text = self.banyan.api("GET", "/metrics")[1].decode()
        found = re.search(r"^%s%s (\S+)$" % (name, re.escape(labels)), text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0


class ConfirmationTest(NoiseCase):
    extra = ROUTES + "control = 0\nlegacy_floor = 200\n"

    def test_what_is_always_wrong_is_a_regression_and_what_legacy_changes_itself_is_not(self):
        self.banyan.start()
        self.ask(12)
        wait_until(lambda: self.standings() == {"body:$.price": "regression", "body:$.nonce": "flaky"},
                   "both are judged")
        findings = {finding["path"]: finding for finding in self.banyan.json("findings", "list")["findings"]}
        price, nonce = findings["body:$.price"]["evidence"], findings["body:$.nonce"]["evidence"]
        self.assertEqual((0, 0), (price["cleared"], price["legacy_changed"]))
        self.assertGreaterEqual(price["held"], 2)
        self.assertEqual(0, nonce["held"])
        self.assertGreaterEqual(nonce["legacy_changed"], 3)
        shown = self.banyan.cli("findings", "show", findings["body:$.price"]["id"]).stdout
        self.assertIn("standing    regression", shown)
        self.assertIn("asked both again for", shown)
        lines = self.banyan.cli("findings", "list").stdout.splitlines()
        self.assertIn("regression", lines[1])
        self.assertIn("flaky", lines[2])

        # Witnesses are no exchanges: the ledger knows the client's requests alone, and the log tells them apart.
        total = self.banyan.settle(admitted=12)["total"]
        self.assertEqual((12, 12), (total["admitted"], total["mirror"]["mirrored"]))
        self.assertEqual(12, sum(count for word, count in total["compared"].items() if word != "pending"))
        shadows = [record for record in self.banyan.records() if record["type"] == "SHADOW" and record.get("witness")]
        self.assertTrue(shadows)
        self.assertEqual({"confirmation"}, {record["witness"]["reason"] for record in shadows})
        self.assertEqual({"legacy", "candidate"}, {record["witness"]["whom"] for record in shadows})
        self.assertEqual(len(self.legacy.seen(is_witness)), self.metric("banyan_witness_questions_total",
                                                                       '{system="legacy"}'))

    def test_writes_are_never_asked_again(self):
        self.banyan.start()
        self.ask(5, method="POST")
        self.ask(1)
        wait_until(lambda: self.metric("banyan_witness_exchanges_total", '{reason="confirmation"}') >= 1,
                   "the read is asked again")
        self.banyan.settle(admitted=6)
        self.assertEqual([], self.legacy.seen(lambda request: is_witness(request) and request["method"] != "GET"))
        self.assertEqual(5, len(self.candidate.seen(lambda request: request["method"] == "POST")))


class BudgetTest(NoiseCase):
    """The same, where legacy may be asked 20 times, and once a second."""

    extra = ROUTES + "control = 0\nlegacy_budget = 0\nlegacy_floor = 1\n"

    def test_what_is_past_the_budget_is_passed_over_and_counted(self):
        self.banyan.start()
        for number in range(60):
            self.ask(1, "/page%d/x" % number)
        self.banyan.settle(admitted=60)
        wait_until(lambda: self.metric("banyan_witness_passed_over_total", '{reason="budget"}') > 0,
                   "what waited too long is passed over", 30)
        self.assertTrue(20 <= len(self.legacy.seen(is_witness)) <= 50, len(self.legacy.seen(is_witness)))


class OffTest(NoiseCase):
    extra = ROUTES + "confirm = 0\ncontrol = 0\n"

    def test_nothing_is_asked_where_it_is_switched_off(self):
        self.banyan.start()
        self.ask(5)
        wait_until(lambda: self.standings() == {"body:$.price": "suspect", "body:$.nonce": "suspect"},
                   "both are found")
        self.banyan.settle(admitted=5)
        self.assertEqual([], self.legacy.seen(is_witness))


class TwinTest(NoiseCase):
    """A second instance of legacy is asked for every safe exchange, once, and legacy itself never."""

    extra = ROUTES + "confirm = 0\n"

    def setUp(self):
        super().setUp()
        self.twin = Origin(lambda request: self.answer(request, 1))
        self.addCleanup(self.twin.stop)
        with open(self.banyan.config, "a", encoding="utf-8") as file:
            file.write('[systems.legacy_twin]\nurls = ["http://127.0.0.1:%d"]\n' % self.twin.port)

    def test_pairs_tell_the_candidates_own_from_what_legacy_does_as_well(self):
        self.banyan.start()
        self.ask(1, "/plain", "POST")
        self.banyan.settle(admitted=1)  # else a read of the same client may race with it
        self.ask(30)
        wait_until(lambda: self.standings() == {"body:$.price": "regression", "body:$.nonce": "blind"},
                   "pairs have decided")
        self.banyan.settle(admitted=31)
        self.assertEqual(30, len(self.twin.seen()))
        self.assertEqual({"GET"}, {request["method"] for request in self.twin.seen()})
        self.assertEqual([], self.legacy.seen(is_witness))
        self.assertEqual(31, len(self.candidate.seen()))
        evidence = {f["path"]: f["evidence"] for f in self.banyan.json("findings", "list")["findings"]}
        self.assertEqual((30, 0), (evidence["body:$.price"]["candidate_only"], evidence["body:$.price"]["both"]))
        self.assertEqual((0, 30), (evidence["body:$.nonce"]["candidate_only"], evidence["body:$.nonce"]["both"]))


class RaceTest(BanyanTest):
    """The candidate does a write later than legacy, and is asked for the same thing in between."""

    extra = ROUTES.replace("[noise]", 'sticky = "cookie:session"\n[noise]') + "control = 0\nlegacy_floor = 200\n"

    def setUp(self):
        super().setUp()
        self.writes = {}  # target: may the candidate do it
        self.stores = {"legacy": {}, "candidate": {}}
        self.legacy.answer = lambda request: self.answer("legacy", request)
        self.candidate.answer = lambda request: self.answer("candidate", request)

    def answer(self, system, request):
        target, store = request["target"], self.stores[system]
        if request["method"] == "PUT":
            if system == "candidate":
                self.writes[target].wait(20)
            store[target] = request["body"].decode()
        return 200, {"Content-Type": "application/json"}, json.dumps({"name": store.get(target, "")}).encode()

    def findings(self):
        return self.banyan.json("findings", "list")["findings"]

    def test_what_a_write_explains_is_a_race_and_hidden_but_not_dropped(self):
        self.banyan.start()
        for number in range(80):
            self.banyan.request("GET", "/item/%d" % (1000 + number))
        for number in range(5):
            target = "/item/%d" % number
            self.writes[target] = threading.Event()
            self.banyan.request("PUT", target, b"new", {"Cookie": "session=writer"})
            wait_until(lambda: self.candidate.seen(lambda r: r["target"] == target), "the write is copied")
            # Of another session: the copies of one keep their order.
            self.banyan.request("GET", target, None, {"Cookie": "session=reader"})
            wait_until(lambda: self.candidate.seen(lambda r: r["target"] == target and r["method"] == "GET"),
                       "the read is copied")
            self.writes[target].set()
        wait_until(lambda: [(f["standing"], f["evidence"]["raced"]) for f in self.findings()] == [("race", 5)],
                   "all were asked again")
        finding = self.findings()[0]
        self.assertEqual(("GET /item/{}", "body:$.name"), (finding["endpoint"], finding["path"]))
        evidence = finding["evidence"]
        self.assertEqual((5, 0, 5), (evidence["raced"], evidence["held"], evidence["overlapped"]))
        self.assertLess(evidence["race"]["after_ms"], 0)
        self.assertIn("overlapped a write", evidence["text"])
        listed = self.banyan.cli("findings", "list").stdout
        self.assertNotIn("body:$.name", listed)
        self.assertIn("1 more is noise or races with writes (--all shows them)", listed)
        self.assertIn("race", self.banyan.cli("findings", "list", "--all").stdout)
        raced = [record for record in self.banyan.records() if record["type"] == "VERDICT" and record.get("race")]
        self.assertEqual(5, len(raced))
        self.assertEqual(5, self.metric_raced())

    def metric_raced(self):
        text = self.banyan.api("GET", "/metrics")[1].decode()
        return float(re.search(r"^banyan_compare_raced_total (\S+)$", text, re.MULTILINE).group(1))


if __name__ == "__main__":
    unittest.main(verbosity=2)
