#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The access log through the real binary: every format read back, hostile values, rotation under load."""

import json
import os
import re
import signal
import socket
import unittest

from harness import BanyanTest, Load, wait_until

ROUTE = """\
[[routes]]
name = "all"
mirror_percent = 0
[record]
redact = ["query:token"]
[access_log]
path = "%s"
format = "%s"
"""

# host ident user [time] "request" status bytes, as every tool reads it.
COMMON = re.compile(r'^(\S+) (\S+) (\S+) \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000)\] '
                    r'"((?:[^"\\]|\\x[0-9A-F]{2})*)" (\d{3}) (\d+|-)')
COMBINED = re.compile(COMMON.pattern + r' "((?:[^"\\]|\\x[0-9A-F]{2})*)" "((?:[^"\\]|\\x[0-9A-F]{2})*)"$')


class AccessLogTest(BanyanTest):
    def prepare(self, format_name, path=None):
        self.path = path or os.path.join(self.banyan.folder, "access.log")
        with open(self.banyan.config, encoding="utf-8") as file:
            text = file.read().split("[[routes]]")[0].replace("workers = 2", "workers = 1")  # one order
        with open(self.banyan.config, "w", encoding="utf-8") as file:
            file.write(text + ROUTE % (self.path, format_name))
        self.banyan.start()

    def lines(self, path=None):
        with open(path or self.path, encoding="utf-8") as file:
            return file.read().splitlines()

    def ask_all(self):
        """One of each kind; stops the server, so that every line is there."""
        self.banyan.request(target="/plain?token=canary&b=c", headers={
            "User-Agent": 'evil"\\agent', "Referer": "http://x/?token=canary", "Authorization": "Bearer canary"})
        self.banyan.request("POST", "/post", b"12345")
        self.raw(b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n")  # refused
        self.raw(b"nonsense\r\n\r\n")
        self.legacy.stop()
        self.banyan.request(target="/down")
        self.assertEqual(0, self.banyan.stop())
        with open(self.path, "rb") as file:
            self.assertNotIn(b"canary", file.read())

    def raw(self, data):
        with socket.create_connection(("127.0.0.1", self.banyan.port), timeout=20) as client:
            client.sendall(data)
            while client.recv(4096):
                pass

    def test_json(self):
        self.prepare("json")
        self.ask_all()
        lines = [json.loads(line) for line in self.lines()]
        self.assertEqual([200, 200, 400, 400, 502], [line["status"] for line in lines])
        first = lines[0]
        self.assertTrue(first["target"].startswith("/plain?token=banyan:t:"), first)
        self.assertEqual(("all", "legacy", "legacy", "127.0.0.1", "HTTP/1.1"),
                         (first["route"], first["primary"], first["answered_by"], first["client"], first["protocol"]))
        self.assertIn(str(self.legacy.port), first["upstream"])
        self.assertEqual('evil"\\agent', first["user_agent"])
        self.assertGreater(first["duration"], 0)
        self.assertEqual(5, lines[1]["request_bytes"])
        self.assertEqual(11, first["bytes"])
        self.assertEqual("connect_failed", lines[4]["error"])
        # The line leads to the exchange.
        exchanges = {record["exchange"] for record in self.banyan.records() if record["type"] == "REQUEST"}
        self.assertIn(first["exchange"], exchanges)

    def test_ecs(self):
        self.prepare("ecs")
        self.ask_all()
        lines = [json.loads(line) for line in self.lines()]
        self.assertEqual([200, 200, 400, 400, 502], [line["http"]["response"]["status_code"] for line in lines])
        self.assertEqual("/plain", lines[0]["url"]["path"])
        self.assertEqual("GET", lines[0]["http"]["request"]["method"])
        self.assertEqual("success", lines[0]["event"]["outcome"])
        self.assertEqual("failure", lines[4]["event"]["outcome"])
        self.assertEqual("all", lines[0]["banyan"]["route"])

    def test_common_and_combined(self):
        for name, pattern in (("common", COMMON), ("combined", COMBINED)):
            with self.subTest(name):
                if name == "combined":
                    self.setUp()
                self.prepare(name)
                self.ask_all()
                found = [pattern.match(line) for line in self.lines()]
                self.assertTrue(all(found), self.lines())
                self.assertEqual(["200", "200", "400", "400", "502"], [match.group(6) for match in found])
                self.assertEqual("-", found[2].group(5))
                self.assertRegex(found[0].group(5), r"^GET /plain\?token=banyan:t:[0-9a-f]{32}&b=c HTTP/1\.1$")
                if name == "combined":
                    self.assertEqual("evil\\x22\\x5Cagent", found[0].group(9))

    def test_rotation_under_load_loses_and_doubles_no_line(self):
        self.prepare("json")
        load = Load(self.banyan.port, clients=6, make=lambda client, number: ("GET", "/%d/%d" % (client, number), None)).start()
        rotated = []
        for number in range(12):
            done = load.done
            wait_until(lambda: load.done > done + 30, "some requests", 30)
            rotated.append(self.path + ".%d" % number)
            os.rename(self.path, rotated[-1])
            if number % 3 == 2:
                self.banyan.cli("reload")  # opens it again, too
            else:
                self.banyan.process.send_signal(signal.SIGUSR1)
            wait_until(lambda: os.path.exists(self.path), "the file is made again", 20)
        load.stop()
        self.assertEqual([], load.failed[:3])
        self.assertEqual(0, self.banyan.stop())
        targets = [json.loads(line)["target"] for path in rotated + [self.path] for line in self.lines(path)]
        self.assertEqual(load.done, len(targets))
        self.assertEqual(len(targets), len(set(targets)))

    def test_a_full_disk_is_an_alarm_and_no_trouble(self):
        self.prepare("json", "/dev/full")
        for _ in range(5):
            self.assertEqual(200, self.banyan.request()[0])
        wait_until(lambda: any("access log" in alarm for alarm in self.banyan.json("status")["alarms"]), "the alarm")
        _, metrics = self.banyan.api("GET", "/metrics")
        self.assertRegex(metrics.decode(), r'banyan_access_log_dropped_total\{reason="disk"\} [1-9]')
        self.assertEqual(0, self.banyan.stop())

    def test_a_path_that_cannot_be_opened_refuses_start_and_reload(self):
        self.prepare("json")
        with open(self.banyan.config, encoding="utf-8") as file:
            good = file.read()
        with open(self.banyan.config, "w", encoding="utf-8") as file:
            file.write(good.replace(self.path, "/nonexistent/access.log").replace('name = "all"', 'name = "other"'))
        done = self.banyan.cli("reload", code=3)
        self.assertIn("/nonexistent/access.log", done.stderr)
        self.assertEqual("all", self.banyan.json("route", "list")["routes"][0]["name"])
        self.assertEqual(0, self.banyan.stop())
        self.banyan.start(wait=False)
        self.assertEqual(3, self.banyan.process.wait(timeout=60))


if __name__ == "__main__":
    unittest.main()
