#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load: an outside client keeps a list of what was acknowledged and finds all of it again.

BANYAN_KILL_TRIALS sets the number of kills (the bar is 200; CI runs fewer).
"""

import collections
import http.client
import os
import random
import time
import unittest

from harness import Banyan, Load, Origin

TRIALS = int(os.environ.get("BANYAN_KILL_TRIALS", "12"))
SEED = int(os.environ.get("BANYAN_KILL_SEED", str(random.SystemRandom().randrange(1 << 30))))
ROUTE = """\
[[routes]]
name = "all"
match = { path = "/**" }
durability = "%s"
mirror_percent = 0
"""


class Acknowledged(Load):
    """Posts numbered requests; a number is acknowledged once its whole answer arrived."""

    def __init__(self, port, trial):
        super().__init__(port, clients=6)
        self.trial, self.acknowledged = trial, set()

    def run(self, client):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            number = 0
            while not self.stopping.is_set():
                number += 1
                name = "%d-%d-%d" % (self.trial, client, number)
                connection.request("POST", "/ack/" + name, name)
                answer = connection.getresponse()
                if answer.read() == b"got " + name.encode() and answer.status == 200:
                    self.acknowledged.add(name)
        except (OSError, http.client.HTTPException):
            pass  # the kill


class KillTest(unittest.TestCase):
    def kill_and_count(self, durability, trials):
        rng = random.Random(SEED)
        print("seed %d, %d kills at durability %s" % (SEED, trials, durability))
        origin = Origin(lambda request: (200, {}, b"got " + request["body"]))
        banyan = Banyan(origin.port, origin.port, ROUTE % durability)
        acknowledged = set()
        try:
            for trial in range(trials):
                banyan.start()
                load = Acknowledged(banyan.port, trial)
                load.start()
                time.sleep(0.05 + rng.random() * 0.25)
                banyan.kill()
                load.stop()
                acknowledged |= load.acknowledged
            banyan.start()
            self.assertEqual(0, banyan.stop())
            requests, closed = collections.Counter(), collections.Counter()
            names = {}
            for record in banyan.records():
                if record["type"] == "REQUEST":
                    names[record["exchange"]] = record["target"][len("/ack/"):]
                    requests[names[record["exchange"]]] += 1
                elif record["type"] == "RESPONSE" and record["exchange"] in names:
                    closed[names[record["exchange"]]] += 1
            self.assertGreater(len(acknowledged), trials * 5)
            missing = [name for name in acknowledged if requests[name] == 0 or closed[name] == 0]
            twice = [name for name in acknowledged if requests[name] > 1 or closed[name] > 1]
            self.assertEqual([], missing[:5], "%d acknowledged exchanges are missing" % len(missing))
            self.assertEqual([], twice[:5], "%d acknowledged exchanges are there twice" % len(twice))
            ledger = banyan.json("ledger")
            self.assertTrue(ledger["total"]["balanced"], ledger)
            self.assertEqual(0, ledger["total"]["open"])
            print("%d acknowledged, all found once; ledger: %s" % (len(acknowledged), ledger["total"]["answered"]))
        finally:
            banyan.clean()
            origin.stop()

    def test_nothing_acknowledged_is_lost_at_request(self):
        self.kill_and_count("request", TRIALS - TRIALS // 2)

    def test_nothing_acknowledged_is_lost_at_response(self):
        self.kill_and_count("response", TRIALS // 2)


if __name__ == "__main__":
    unittest.main()
