#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An encrypted and chained log of the real binary: nothing readable on disk, keys changed by a reload, an exchange and a
session found by index, time travel, and a changed byte that verify shows."""

import glob
import re
import threading
import time
import unittest

from harness import BanyanTest, DEFAULT_ROUTE, wait_until

FIRST, SECOND = "the first key of this log", "the second key of this log"
LOG = '[log]\nencryption = true\naudit = true\ncompression = "zstd"\n'
CANARY = "canary-of-a-body-6d2f"


class LogTravelTest(BanyanTest):
    extra = DEFAULT_ROUTE + LOG + 'key = "%s"\n' % FIRST

    def files_of_log(self):
        content = b""
        for path in glob.glob(self.banyan.data + "/log/*/*.seg"):
            with open(path, "rb") as file:
                content += file.read()
        return content

    def change_config(self, before, after):
        with open(self.banyan.config, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(before, text)
        with open(self.banyan.config, "w", encoding="utf-8") as file:
            file.write(text.replace(before, after))

    def test_keys_change_by_reload_and_every_record_stays_readable(self):
        self.legacy.answer = self.candidate.answer = lambda request: (200, {}, CANARY.encode() * 20)
        self.banyan.start()
        for number in range(20):
            self.banyan.request("GET", "/first/%d" % number)
        self.banyan.settle(admitted=20)
        self.change_config('key = "%s"' % FIRST, 'key = "%s"\nold_keys = ["%s"]' % (SECOND, FIRST))
        self.banyan.cli("reload")
        for number in range(20):
            self.banyan.request("GET", "/second/%d" % number)
        self.banyan.settle(admitted=40)
        wait_until(lambda: len(glob.glob(self.banyan.data + "/log/main/*.seg")) == 2, "a segment under the new key")
        self.banyan.stop()
        self.assertNotIn(CANARY.encode(), self.files_of_log())
        self.assertNotIn(b"/second/7", self.files_of_log())
        targets = [record["target"] for record in self.banyan.records() if record["type"] == "REQUEST"]
        self.assertEqual(sorted("/%s/%d" % (half, n) for half in ("first", "second") for n in range(20)), sorted(targets))
        verified = self.banyan.json("log", "verify")
        self.assertEqual([], verified["problems"])
        self.assertGreater(verified["chained_batches"], 40)
        # Its head stood in the operator's log too, so that it can be held against the files later.
        noted = re.findall(r"audit chain stands at (main:\d+:[0-9a-f]{64})", self.banyan.errors())
        self.assertIn(verified["heads"][0], noted)
        self.banyan.cli("log", "verify", "--anchor", noted[0])
        # Without the old key what it protects cannot be read, and the message says which one is missing.
        self.change_config('old_keys = ["%s"]\n' % FIRST, "")
        self.assertIn("needs the key", self.banyan.cli("log", "cat", code=5).stderr)

    def test_an_exchange_and_a_session_are_found_by_index(self):
        self.banyan.start()
        for number in range(30):
            self.banyan.request("GET", "/stock/%d" % number, headers={"Cookie": "session=%d" % (number % 3)})
        self.banyan.settle(admitted=30)
        self.banyan.stop()
        requests = [record for record in self.banyan.records() if record["type"] == "REQUEST"]
        wanted = requests[17]
        found = self.banyan.records("--exchange", wanted["exchange"])
        self.assertEqual(["REQUEST", "RESPONSE", "SHADOW", "VERDICT"], sorted(record["type"] for record in found))
        self.assertEqual({wanted["exchange"]}, {record["exchange"] for record in found})
        session = self.banyan.records("--session", wanted["session"])
        self.assertEqual(10, len(session))
        self.banyan.cli("log", "cat", "--exchange", "f" * 32, code=1)
        self.banyan.cli("log", "cat", "--exchange", "none", code=2)

    def test_time_travel_shows_what_was_open_and_the_routes_then(self):
        release = threading.Event()
        self.addCleanup(release.set)
        self.legacy.answer = lambda request: (release.wait(30), (200, {}, b"late"))[1] if request["target"] == "/slow" else (
            200, {}, b"ok")
        self.banyan.start()
        self.banyan.request("GET", "/before")
        waiting = threading.Thread(target=self.banyan.request, args=("GET", "/slow"))
        waiting.start()
        wait_until(lambda: any(r["target"] == "/slow" for r in self.legacy.seen()), "the slow request is under way")
        now = time.time()  # once: the parts of two looks may belong to different seconds
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + ".%06dZ" % (now % 1 * 1e6)
        self.banyan.cli("route", "set", "all", "--mirror-percent", "50", "--reason", "less of it")
        release.set()
        waiting.join(30)
        self.banyan.request("GET", "/after")
        self.banyan.settle(admitted=3)
        then = self.banyan.json("log", "cat", "--at", moment)
        self.assertEqual(["/slow"], [exchange["target"] for exchange in then["exchanges"]])
        self.assertEqual(200, then["exchanges"][0]["status"])
        self.assertEqual(100, then["routes"][0]["dials"]["mirror_percent"])
        later = self.banyan.json("log", "cat", "--at", moment, "--window", "60s")
        self.assertEqual(["/slow", "/after"], [exchange["target"] for exchange in later["exchanges"]])
        now = self.banyan.json("log", "cat", "--at", "now")
        self.assertEqual([], now["exchanges"])
        self.assertEqual(50, now["routes"][0]["dials"]["mirror_percent"])
        self.assertEqual("less of it", now["routes"][0]["reason"])
        self.assertIn("0 exchanges", self.banyan.cli("log", "cat", "--at", "now").stdout)
        self.banyan.cli("log", "cat", "--at", "yesterday", code=2)
        self.banyan.cli("log", "cat", "--window", "30s", code=2)

    def test_a_changed_byte_shows(self):
        self.banyan.start()
        for number in range(5):
            self.banyan.request("GET", "/stock/%d" % number)
        self.banyan.settle(admitted=5)
        self.banyan.stop()
        path = glob.glob(self.banyan.data + "/log/main/*.seg")[0]
        with open(path, "r+b") as file:
            file.seek(4096 + 200)
            byte = file.read(1)
            file.seek(4096 + 200)
            file.write(bytes([byte[0] ^ 1]))
        self.assertNotEqual([], self.banyan.json("log", "verify", code=5)["problems"])

    def test_a_second_process_without_the_key_is_told(self):
        self.banyan.start()
        self.banyan.request("GET", "/")
        self.banyan.settle(admitted=1)
        self.banyan.stop()
        self.change_config('key = "%s"\n' % FIRST, 'key = "%s"\n' % SECOND)
        self.banyan.start()  # A key of its own for what it writes; recovery needs none.
        self.banyan.stop()
        self.change_config('key = "%s"\n' % SECOND, "")
        self.assertIn("log.encryption needs log.key", self.banyan.cli("check", code=3).stderr)


if __name__ == "__main__":
    unittest.main()
