# SPDX-License-Identifier: Apache-2.0
"""An outside account of what was acknowledged, and the comparison with what a log holds after a crash.

Who watches from outside can be believed: nothing of Banyan decides what counts as acknowledged.
"""

import collections
import http.client
import random
import time

from harness import Load

ROUTE = """\
[[routes]]
name = "all"
match = { path = "/**" }
durability = "%s"
mirror_percent = 0
"""
LEVELS = ("request", "response", "interval", "none")
# `interval` may lose what was acknowledged so shortly before: one flush interval (50 ms), one sync, and a machine
# that runs other things too.
WINDOW = 0.5


def seed(environment, name):
    return int(environment.get(name, str(random.SystemRandom().randrange(1 << 30))))


def answer(request):
    """What the origin says: it names what it got."""
    return 200, {}, b"got " + request["body"]


class Acknowledged(Load):
    """Posts numbered requests; one is acknowledged once its whole answer arrived: (name, monotonic time)."""

    def __init__(self, port, trial, clients=6):
        super().__init__(port, clients=clients)
        self.trial, self.acknowledged = trial, []

    def run(self, client):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            number = 0
            while not self.stopping.is_set():
                number += 1
                name = "%s-%d-%d" % (self.trial, client, number)
                connection.request("POST", "/ack/" + name, name)
                got = connection.getresponse()
                if got.read() == b"got " + name.encode() and got.status == 200:
                    self.acknowledged.append((name, time.monotonic()))
        except (OSError, http.client.HTTPException):
            pass  # the crash
        finally:
            connection.close()


class Found:
    """What a stopped Banyan's log holds, and whether its numbering holds together."""

    def __init__(self, banyan):
        self.requests, self.closed = collections.Counter(), collections.Counter()
        self.problems, names, last = [], {}, -1
        for record in banyan.records():
            if record["type"] == "HOLE" or "hole" in record:
                self.problems.append("a hole: %s" % record)
                continue
            if record["offset"] <= last:
                self.problems.append("offset %d comes behind %d" % (record["offset"], last))
            last = record["offset"]
            if record["type"] == "REQUEST":
                if record["exchange"] in names:
                    self.problems.append("exchange id %s is used twice" % record["exchange"])
                names[record["exchange"]] = record["target"][len("/ack/"):]
                self.requests[names[record["exchange"]]] += 1
            elif record["type"] == "RESPONSE" and record["exchange"] in names:
                self.closed[names[record["exchange"]]] += 1

    def check(self, test, acknowledged, may_lose=False):
        """All of these must be there; and whatever is there is there once."""
        test.assertEqual([], self.problems[:5], "%d problems of offsets and ids" % len(self.problems))
        lost = [] if may_lose else [name for name in acknowledged
                                    if self.requests[name] == 0 or self.closed[name] == 0]
        twice = [name for counter in (self.requests, self.closed) for name, times in counter.items() if times > 1]
        test.assertEqual([], lost[:5], "%d of %d acknowledged exchanges are lost" % (len(lost), len(acknowledged)))
        test.assertEqual([], twice[:5], "%d exchanges are there twice" % len(twice))


def check_log(test, banyan):
    """Of a stopped Banyan: the ledger balances with nothing open, and verify finds nothing wrong. Answers the total."""
    total = banyan.json("ledger")["total"]
    test.assertTrue(total["balanced"], total)
    test.assertEqual(0, total["open"], total)
    report = banyan.json("log", "verify")
    test.assertEqual([], report["problems"][:3])
    test.assertEqual(0, report["torn_tail_bytes"])
    return total
