#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Readiness on the real road: from no data to ready, different and noise only, and what the gate says of it."""

import unittest

from harness import BanyanTest, wait_until

ROUTES = """\
[readiness]
mismatch_rate_max = 0.05
time_min = "0"
cell_pairs_min = 30

[[routes]]
name = "a"
match = { path = "/a/**" }

[[routes]]
name = "b"
match = { path = "/b/**" }
"""


class ReadinessTest(BanyanTest):
    extra = ROUTES

    def ask(self, path, count, admitted):
        for _ in range(count):
            self.assertEqual(200, self.banyan.request("GET", path)[0])
        self.banyan.settle(admitted=admitted)

    def readiness(self, *arguments):
        return {route["route"]: route for route in self.banyan.json("report", *arguments)["readiness"]}

    def words(self, *arguments):
        return {name: route["readiness"] for name, route in self.readiness(*arguments).items()}

    def test_a_route_becomes_ready_and_the_gate_waits_for_it(self):
        self.candidate.answer = lambda request: (200, {"Content-Type": "application/json"},
                                                 b'{"ok":false}' if "/b/" in request["target"] else b'{"ok":true}')
        self.banyan.start()
        self.assertEqual({"a": "no data", "b": "no data"}, self.words())
        # Who gates on findings and ledger alone sees no change.
        self.banyan.cli("report", "--gate")
        self.assertIn("route a is not ready (no data)", self.banyan.cli("report", "--gate=ready", code=1).stdout)
        self.assertIn("--gate=ready", self.banyan.cli("report", "--gate=never", code=2).stderr)

        self.ask("/a/1?limit=10&page=1", 20, 20)
        wait_until(lambda: self.words()["a"] == "collecting", "pairs are counted")
        route = self.readiness()["a"]
        self.assertEqual((20, 0, ["2xx"], 1), (route["pairs"], route["mismatches"], route["status_classes"],
                                              route["request_shapes"]))
        self.assertIn("more pairs", route["missing"])
        uncovered = route["endpoints"][0]["uncovered"]
        self.assertEqual((1, 20, 8), (len(uncovered), uncovered[0]["pairs"], len(uncovered[0]["shape"])))
        self.assertEqual("/a/1?limit=10&page=1", self.banyan.json("exchange", uncovered[0]["exemplar"])["target"])
        needed = route["pairs_needed"]
        self.ask("/a/1?page=2&limit=10", needed, 20 + needed)
        wait_until(lambda: self.words()["a"] == "ready", "the bound is shown")
        route = self.readiness()["a"]
        self.assertLessEqual(route["mismatch_rate_bound"], 0.05)
        self.assertEqual(("", []), (route["missing"], route["endpoints"][0]["uncovered"]))
        wait_until(lambda: [r["readiness"] for r in self.banyan.json("status")["routes"]] == ["ready", "no data"],
                   "status shows it")
        self.assertIn("ready", self.banyan.cli("route", "list").stdout)
        latency = self.banyan.json("report")["latency"][0]
        low, high = latency["legacy"]["p50_range"]
        self.assertTrue(low <= latency["legacy"]["p50"] <= high, latency)

        self.ask("/b/1", 3, 23 + needed)
        wait_until(lambda: self.words()["b"] == "different", "a difference is seen")
        finding = self.readiness()["b"]["findings"][0]
        failed = self.banyan.cli("report", "--gate=ready", "--format", "markdown", code=1).stdout
        self.assertIn("route b is not ready", failed)
        self.assertIn(finding, failed)
        self.banyan.cli("findings", "accept", finding, "--reason", "agreed")
        self.assertEqual({"a": "ready", "b": "noise only"}, self.words())
        self.banyan.cli("report", "--gate")
        self.banyan.cli("report", "--gate=ready", "--format", "junit", code=1)

        # Set aside with a reason, and from then on asked for by the config.
        with open(self.banyan.config, encoding="utf-8") as file:
            text = file.read()
        with open(self.banyan.config, "w", encoding="utf-8") as file:
            file.write(text.replace("[readiness]\n", "[readiness]\ngate = true\n"))
        self.banyan.cli("reload")
        self.assertIn("route b is not ready (noise only)", self.banyan.cli("report", "--gate", code=1).stdout)
        with open(self.banyan.config, "a", encoding="utf-8") as file:
            file.write('readiness = { set_aside = "answers by hand" }\n')
        self.banyan.cli("reload")
        self.assertIn("set aside: answers by hand", self.banyan.cli("report", "--gate").stdout)

        # The same without a server, from the data directory.
        self.banyan.stop()
        self.assertEqual({"a": "ready", "b": "noise only"}, self.words("--data-dir", self.banyan.data))
        self.banyan.cli("report", "--gate", "--data-dir", self.banyan.data)


if __name__ == "__main__":
    unittest.main()
