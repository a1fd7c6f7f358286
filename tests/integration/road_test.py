#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole road: a request through proxy, log, mirror, verdict, report, shift, rollback."""

import json
import os
import signal
import time
import unittest

from harness import BanyanTest, Load, wait_until


class RoadTest(BanyanTest):
    def test_a_request_is_answered_recorded_mirrored_and_compared(self):
        self.candidate.answer = lambda request: (200, {"Content-Type": "application/json"}, b'{"ok":false}')
        self.banyan.start()
        status, body, headers = self.banyan.request("GET", "/orders/1", headers={"Cookie": "session=a"})
        self.assertEqual((200, b'{"ok":true}'), (status, body))
        ledger = self.banyan.settle(admitted=1)
        self.assertEqual(1, ledger["total"]["compared"]["different"])
        types = [record["type"] for record in self.banyan.records()]
        for expected in ("REQUEST", "RESPONSE", "SHADOW", "VERDICT"):
            self.assertIn(expected, types)
        copy = wait_until(lambda: self.candidate.seen(), "the copy arrives")[0]
        self.assertEqual("1", copy["headers"]["banyan-shadow"])
        self.assertEqual("session=a", copy["headers"]["cookie"])
        found = wait_until(lambda: self.banyan.json("findings", "list")["findings"], "a finding")
        self.assertEqual(("GET /orders/{}", "body:$.ok", "value"),
                         (found[0]["endpoint"], found[0]["path"], found[0]["kind"]))
        exchange = self.banyan.json("exchange", found[0]["exemplars"][0])
        self.assertEqual("different", exchange["verdict"])
        self.assertEqual(200, exchange["responses"]["candidate"]["status"])

    def test_who_serves_no_client_steps_back(self):
        """docs/decisions/0041-clients-first.md"""
        self.banyan.start()
        self.banyan.request("GET", "/orders/1")
        values = self.banyan.nice_values()
        served = os.getpriority(os.PRIO_PROCESS, 0)
        for name in ("banyan-mirror", "banyan-compare", "banyan-ledger", "sealer"):
            self.assertEqual({min(served + 10, 19)}, values.pop(name), name)
        self.assertIn("recorder", values)
        self.assertEqual({served}, set.union(*values.values()), values)

    def test_findings_of_names_of_things_become_one(self):
        self.candidate.answer = lambda request: (200, {"Content-Type": "application/json"}, b'{"ok":false}')
        self.banyan.start()

        def endpoints():
            found = self.banyan.json("findings", "list")["findings"]
            return sorted((f["endpoint"], f["exchanges"]) for f in found if f["path"] == "body:$.ok")
        self.banyan.request("GET", "/users/ada")
        wait_until(lambda: endpoints() == [("GET /users/ada", 1)], "a finding for a word")
        old = self.banyan.json("findings", "list")["findings"][0]["id"]
        for number in range(80):
            if number % 8 == 0:
                self.banyan.request("GET", "/users/me")
            self.banyan.request("GET", "/users/u" + chr(97 + number // 26) + chr(97 + number % 26))
        self.banyan.request("POST", "/graphql", json.dumps({"query": "mutation Add { add }"}),
                            {"Content-Type": "application/json"})
        wait_until(lambda: endpoints() == [("GET /users/me", 10), ("GET /users/{}", 81),
                                           ("POST /graphql mutation Add", 1)], "one finding for the template")
        self.assertEqual("GET /users/{}", self.banyan.json("findings", "show", old)["endpoint"])
        explained = self.banyan.json("findings", "list")["explained"]
        self.assertEqual(([81, 91, 92], 92),
                         ([step["explained"] for step in explained["steps"]], explained["exchanges"]))
        self.assertIn("deciding these 3 explains 100.0 % of the 92 exchanges that differ",
                      self.banyan.cli("findings", "list").stdout)

    def test_what_is_special_and_one_cause_at_two_endpoints(self):
        def answer(factor):
            return lambda request: (200, {"Content-Type": "application/json"}, json.dumps(
                {"price": 12.5 * (factor if "currency=CHF" in request["target"] else 1)}).encode())
        self.legacy.answer, self.candidate.answer = answer(1), answer(100)
        self.banyan.start()
        for number in range(80):
            self.banyan.request("GET", f"/{'carts' if number % 2 else 'orders'}"
                                + ("?currency=CHF" if number % 4 < 2 else "?page=1"))

        def listed():
            told = self.banyan.json("findings", "list")
            return told if sum(one["exchanges"] for one in told["issues"]) == 40 else None
        issue = wait_until(listed, "one issue of two endpoints")["issues"][0]
        self.assertEqual(("price: ×100", 2), (issue["label"], issue["endpoint_count"]))
        shown = self.banyan.json("findings", "show", issue["findings"][0])
        self.assertEqual((20, 20), (shown["special_of"]["differing"], shown["special_of"]["others"]))
        self.assertIn(shown["special"][0]["what"], ("?currency=", "?currency=CHF", "no ?page="))
        self.assertIn("price: ×100", self.banyan.cli("findings", "list").stdout)
        self.banyan.cli("findings", "accept", issue["id"][:6], "--reason", "cents")
        self.assertEqual({"accepted"}, {one["state"] for one in self.banyan.json("findings", "list")["findings"]})

    def test_writes_are_mirrored_after_the_primary_and_carry_a_key(self):
        self.banyan.start()
        status, _, _ = self.banyan.request("POST", "/orders", json.dumps({"id": 1}),
                                           {"Content-Type": "application/json", "Cookie": "session=a"})
        self.assertEqual(200, status)
        copy = wait_until(lambda: self.candidate.seen(lambda request: request["method"] == "POST"), "the write")[0]
        self.assertEqual(b'{"id": 1}', copy["body"])
        self.assertTrue(copy["headers"]["idempotency-key"])

    def test_refused_writes_are_not_mirrored(self):
        self.legacy.answer = lambda request: (409, {}, b"no")
        self.banyan.start()
        self.assertEqual(409, self.banyan.request("POST", "/orders", "x")[0])
        ledger = self.banyan.settle(admitted=1)
        self.assertEqual({"primary_refused": 1}, ledger["total"]["mirror"]["skipped"])
        self.assertEqual([], self.candidate.seen())

    def test_max_forwards_is_counted_down_for_both_systems_and_ends_here_at_0(self):
        self.banyan.start()
        for left in ("3", "0"):
            self.assertEqual(200, self.banyan.request("OPTIONS", "/orders", headers={"Max-Forwards": left})[0])
        self.assertEqual(405, self.banyan.request("TRACE", "/orders", headers={"Max-Forwards": "0"})[0])
        total = self.banyan.settle(admitted=3)["total"]
        self.assertTrue(total["balanced"], total)
        self.assertEqual((1, 2), (total["answered"]["legacy"], total["answered"]["banyan"]))
        self.assertEqual({"not_forwarded": 2}, total["mirror"]["skipped"])
        for system in (self.legacy, self.candidate):
            self.assertEqual(["2"], [request["headers"]["max-forwards"] for request in system.seen()])

    def test_a_shift_moves_sessions_and_a_rollback_brings_them_back(self):
        self.candidate.answer = lambda request: (200, {}, b"candidate")
        self.legacy.answer = lambda request: (200, {}, b"legacy")
        self.banyan.start()
        cookie = {"Cookie": "session=a"}
        self.assertEqual(b"legacy", self.banyan.request(headers=cookie)[1])
        self.banyan.cli("route", "set", "all", "--candidate-percent", "100", "--reason", "test")
        self.assertEqual(b"candidate", self.banyan.request(headers=cookie)[1])
        explained = self.banyan.json("route", "explain", "GET", "http://x/a", "-H", "Cookie:session=a")
        self.assertEqual("candidate", explained["primary"])
        self.banyan.cli("route", "rollback", "all", "--reason", "test")
        self.assertEqual(b"legacy", self.banyan.request(headers=cookie)[1])
        actions = [(change["action"], change["reason"]) for change in self.banyan.json("route", "history")["history"]]
        self.assertIn(("set", "test"), actions)
        self.assertIn(("rollback", "test"), actions)

    def test_routing_survives_a_restart_and_a_kill(self):
        self.banyan.start()
        self.banyan.cli("route", "set", "all", "--candidate-percent", "30", "--reason", "kept")
        self.assertEqual(0, self.banyan.stop())
        self.banyan.start()
        self.assertEqual(30, self.banyan.json("route", "show", "all")["candidate_percent"])
        self.banyan.cli("route", "rollback", "--all")
        wait_until(lambda: not self.banyan.json("status").get("alarms"), "the rollback is on disk")
        self.banyan.kill()
        self.banyan.start()
        self.assertEqual(0, self.banyan.json("route", "show", "all")["candidate_percent"])

    def test_rollback_under_load_is_in_force_within_a_second_and_fails_no_client(self):
        self.legacy.answer = lambda request: (200, {"X-By": "legacy"}, b"same")
        self.candidate.answer = lambda request: (200, {"X-By": "candidate"}, b"same")
        self.banyan.start()
        self.banyan.cli("route", "set", "all", "--candidate-percent", "100", "--reason", "test")
        is_copy = lambda request: "banyan-shadow" in request["headers"]
        for how in ("command", "SIGUSR2"):
            load = Load(self.banyan.port).start()
            wait_until(lambda: len(self.candidate.seen(lambda r: not is_copy(r))) > 50, "the candidate answers")
            asked = time.monotonic()
            if how == "command":
                self.banyan.cli("route", "rollback", "--all", "--reason", "3 am")
            else:
                self.banyan.process.send_signal(signal.SIGUSR2)
            while time.monotonic() < asked + 1.0:
                time.sleep(0.01)
            with self.candidate.lock:
                self.candidate.requests.clear()
            time.sleep(0.5)
            load.stop()
            late = self.candidate.seen(lambda r: not is_copy(r))
            self.assertEqual([], late, "the candidate still answered a second after the rollback by " + how)
            self.assertEqual([], load.failed[:3])
            self.assertGreater(load.done, 100)
            self.banyan.cli("route", "set", "all", "--candidate-percent", "100", "--reason", "again")
        self.assertTrue(self.banyan.settle(60)["total"]["balanced"])

    def test_a_graceful_stop_finishes_what_runs(self):
        def slow(request):
            time.sleep(0.5)
            return (200, {}, b"done")
        self.legacy.answer = slow
        self.banyan.start()
        load = Load(self.banyan.port, clients=4, make=lambda client, number: ("GET", "/slow", None)).start()
        wait_until(lambda: len(self.legacy.seen()) >= 4, "requests run")
        load.stopping.set()
        self.assertEqual(0, self.banyan.stop())
        load.stop()
        self.assertEqual([], load.failed)
        self.assertTrue(self.banyan.json("ledger")["total"]["balanced"])


if __name__ == "__main__":
    unittest.main()
