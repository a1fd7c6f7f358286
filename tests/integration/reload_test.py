#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reloads while clients are served: all of a config or nothing of it, and never a failed request."""

import http.client
import re
import signal
import unittest

from harness import BanyanTest, Load, Origin, free_port, wait_until

ROUTES = """\
[[routes]]
name = "orders"
match = { path = "/orders/**" }
candidate_percent = %s
mirror_percent = 0
[[routes]]
name = "rest"
mirror_percent = 100
"""


class ReloadTest(BanyanTest):
    extra = ROUTES % "0"

    def setUp(self):
        super().setUp()
        self.legacy.answer = lambda request: (200, {}, b"legacy")
        self.candidate.answer = lambda request: (200, {}, b"candidate")
        self.banyan.start()

    def text(self):
        with open(self.banyan.config, encoding="utf-8") as file:
            return file.read()

    def write(self, text):
        with open(self.banyan.config, "w", encoding="utf-8") as file:
            file.write(text)

    def change(self, pattern, replacement):
        text = re.sub(pattern, replacement, self.text(), count=1, flags=re.M)
        self.assertNotEqual(self.text(), text)
        self.write(text)

    def config_status(self):
        return self.banyan.json("status")["config"]

    def metric(self, name):
        _, body = self.banyan.api("GET", "/metrics")
        found = re.search(r"^%s (\S+)$" % re.escape(name), body.decode(), re.M)
        return float(found.group(1)) if found else None

    def test_a_hundred_reloads_under_load_fail_no_request(self):
        base = self.text()
        kept = Load(self.banyan.port, clients=4).start()
        fresh = Load(self.banyan.port, clients=2, is_kept=False).start()
        for number in range(100):
            self.write(base.replace("[admin]", "[limits]\nhead = \"%dKiB\"\nconnections = %d\n"
                                    "[timeouts]\nkeep_alive = \"%ds\"\n[admin]"
                                    % (16 + number % 8, 500 + number, 30 + number % 5)))
            if number % 2:
                self.banyan.cli("reload")
            else:
                generation = self.config_status()["generation"]
                self.banyan.process.send_signal(signal.SIGHUP)
                wait_until(lambda: self.config_status()["generation"] > generation, "the reload", 20, 0.01)
        kept.stop()
        fresh.stop()
        self.assertEqual([], (kept.failed + fresh.failed)[:5])
        self.assertGreater(kept.done, 200)
        self.assertGreater(fresh.done, 100)
        self.assertEqual(101, self.config_status()["generation"])
        self.assertEqual(100, self.metric('banyan_config_reloads_total{result="ok"}'))
        ledger = self.banyan.settle()
        self.assertTrue(ledger["total"]["balanced"], ledger)

    def test_a_bad_config_keeps_the_old_one_with_every_place(self):
        before = self.text()
        bad = before + "[limits]\nhead = \"many\"\nfieldz = 3\n[[routes]]\nname = \"x\"\ncandidate_percent = 101\n"
        self.write(bad)
        done = self.banyan.cli("reload", code=3)
        lines = bad.splitlines()
        for needle, what in (("head = ", "limits.head"), ("fieldz", "unknown key"), ("candidate_percent = 101", "101")):
            line = next(i for i, text in enumerate(lines) if needle in text) + 1
            self.assertRegex(done.stderr, r"banyan\.toml:%d:\d+: error: .*" % line, what)
        checked = self.banyan.cli("check", code=3)
        for text in checked.stderr.splitlines()[:-1]:
            self.assertIn(text, done.stderr)  # the same words as `check`
        config = self.config_status()
        self.assertEqual(1, config["generation"])
        self.assertEqual("invalid", config["last_reload"]["result"])
        self.assertGreaterEqual(len(config["last_reload"]["diagnostics"]), 3)
        self.assertIn("the last reload failed", " ".join(self.banyan.json("status")["alarms"]))
        self.assertIn("reload refused", self.banyan.errors())
        self.assertEqual(1, self.metric('banyan_config_reloads_total{result="invalid"}'))
        self.assertEqual(0, self.metric("banyan_config_last_reload_ok"))
        self.assertEqual(200, self.banyan.request()[0])
        self.write(before)
        self.banyan.cli("reload")
        wait_until(lambda: self.banyan.json("status")["alarms"] == [], "no alarm is left")
        self.assertEqual(1, self.metric("banyan_config_last_reload_ok"))

    def test_what_is_no_toml_is_refused_by_command_and_signal(self):
        before = self.text()
        self.write(before + "[limits\n")
        done = self.banyan.cli("reload", code=3)
        self.assertRegex(done.stderr, r"banyan\.toml:%d:\d+: error: not TOML" % (before.count("\n") + 1))
        self.banyan.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "not TOML" in self.banyan.errors(), "the refusal is logged")
        self.assertEqual(200, self.banyan.request()[0])
        self.write(before)
        self.assertEqual("invalid", self.config_status()["last_reload"]["result"])

    def test_what_needs_a_restart_is_refused_as_a_whole_and_named(self):
        self.change(r"^workers = 2", "workers = 3")
        self.change(r'^data_dir = ".*"', 'data_dir = "elsewhere"')
        self.change(r'^address = "127.0.0.1:%d"' % self.banyan.admin_port, 'address = "127.0.0.1:1"')
        self.change(r"candidate_percent = 0", "candidate_percent = 100")
        done = self.banyan.cli("reload", "--admin", "127.0.0.1:%d" % self.banyan.admin_port,
                               "--data-dir", self.banyan.data, code=6)
        for key in ("workers", "data_dir", "admin.address"):
            self.assertIn(key + " cannot change while Banyan runs", done.stderr)
        self.assertIn("restart", done.stderr)
        self.assertEqual(b"legacy", self.banyan.request(target="/orders/1")[1])

    def test_routes_change_and_people_are_heard(self):
        self.change(r"candidate_percent = 0", "candidate_percent = 100")
        done = self.banyan.cli("reload")
        self.assertIn("changed: routes", done.stdout)
        self.assertEqual(b"candidate", self.banyan.request(target="/orders/1")[1])
        self.banyan.cli("route", "rollback", "orders")
        self.assertEqual(b"legacy", self.banyan.request(target="/orders/1")[1])
        # The rollback stands, whatever the file says, until a person resets it.
        self.change(r"candidate_percent = 100", "candidate_percent = 50")
        self.banyan.cli("reload")
        route = self.banyan.json("route", "show", "orders")
        self.assertEqual(0, route["candidate_percent"])
        self.assertTrue(route["conflict"])
        self.banyan.cli("route", "reset", "orders")
        self.assertEqual(50, self.banyan.json("route", "show", "orders")["candidate_percent"])
        # Routes come and go.
        self.change(r'\[\[routes\]\]\nname = "rest"', '[[routes]]\nname = "late"\nmatch = { path = "/late/**" }\n[[routes]]\nname = "rest"')
        self.banyan.cli("reload")
        self.assertEqual(["orders", "late", "rest"], [route["name"] for route in self.banyan.json("route", "list")["routes"]])

    def test_rules_take_effect(self):
        self.legacy.answer = lambda request: (200, {"Content-Type": "application/json"}, b'{"a":1}')
        self.candidate.answer = lambda request: (200, {"Content-Type": "application/json"}, b'{"a":2}')
        self.banyan.request(target="/x")
        def compared():
            total = self.banyan.json("ledger", code=None)["total"]["compared"]
            return total["different"], total["tolerated"]
        wait_until(lambda: compared() == (1, 0), "the old rules")
        self.write(self.text() + "[[compare]]\nignore = [\"body:$.a\"]\n[record]\nredact = [\"header:X-New\"]\n")
        self.banyan.cli("reload")
        self.banyan.request(target="/x", headers={"X-New": "canary-value"})
        wait_until(lambda: compared() == (1, 1), "the new rules")
        self.assertNotIn("canary-value", self.banyan.cli("log", "cat", "--json").stdout)

    def test_limits_and_listeners_change(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.banyan.port, timeout=20)
        connection.request("GET", "/a")
        self.assertEqual(200, connection.getresponse().read() and 200)
        port = free_port()
        self.write(self.text() + "[[listeners]]\naddress = \"127.0.0.1:%d\"\n[limits]\ntarget = 64\n" % port)
        self.banyan.cli("reload")
        old, self.banyan.port = self.banyan.port, port
        self.assertEqual(200, self.banyan.request(target="/b")[0])
        self.assertEqual(414, self.banyan.request(target="/" + "x" * 100)[0])
        self.change(r'\[\[listeners\]\]\naddress = "127.0.0.1:%d"\n' % old, "")
        self.banyan.cli("reload")
        with self.assertRaises(OSError):
            http.client.HTTPConnection("127.0.0.1", old, timeout=5).request("GET", "/")
        # A connection of before is served to its end.
        connection.request("GET", "/c")
        self.assertEqual(200, connection.getresponse().status)
        connection.close()

    def test_other_urls_take_over(self):
        other = Origin(lambda request: (200, {}, b"other"))
        self.addCleanup(other.stop)
        self.change(r"127\.0\.0\.1:%d" % self.legacy.port, "127.0.0.1:%d" % other.port)
        self.banyan.cli("reload")
        wait_until(lambda: self.banyan.request(target="/orders/1")[1] == b"other", "the new origin answers")

    def test_a_port_in_use_refuses_the_whole(self):
        self.write(self.text().replace("candidate_percent = 0", "candidate_percent = 100")
                   + "[[listeners]]\naddress = \"127.0.0.1:%d\"\n" % self.legacy.port)
        done = self.banyan.cli("reload", code=3)
        self.assertIn(str(self.legacy.port), done.stderr)
        self.assertEqual(b"legacy", self.banyan.request(target="/orders/1")[1])

    def test_killed_in_a_reload_it_starts_with_either_config(self):
        for number in range(6):
            percent = 100 if number % 2 == 0 else 0
            self.change(r"candidate_percent = \d+", "candidate_percent = %d" % percent)
            self.banyan.process.send_signal(signal.SIGHUP)
            self.banyan.kill()
            self.banyan.start()
            self.assertEqual(percent, self.banyan.json("route", "show", "orders")["candidate_percent"])
            self.assertEqual(200, self.banyan.request(target="/orders/1")[0])

    def test_without_a_server_it_cannot_be_reached(self):
        self.banyan.stop()
        self.banyan.cli("reload", code=4)


if __name__ == "__main__":
    unittest.main()
