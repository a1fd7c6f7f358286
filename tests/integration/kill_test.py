#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load, at each level of durability: an outside client keeps a list of what was acknowledged and finds
all of it again, once; offsets and exchange ids are never used twice; the ledger balances.

BANYAN_KILL_TRIALS sets the number of kills (the bar is 2000; CI runs fewer), BANYAN_KILL_SEED repeats a run.
"""

import os
import random
import time
import unittest

from acknowledged import LEVELS, ROUTE, WINDOW, Acknowledged, Found, answer, check_log, seed
from harness import Banyan, Origin

TRIALS = int(os.environ.get("BANYAN_KILL_TRIALS", "14"))
SEED = seed(os.environ, "BANYAN_KILL_SEED")
SHARES = {"request": 0.4, "response": 0.4, "interval": 0.1, "none": 0.1}
# One log takes so many; then it is read and the next begins, so that the time of a run grows no faster than its trials.
TRIALS_PER_LOG = 50


class KillTest(unittest.TestCase):
    def one_log(self, level, trials, rng):
        origin = Origin(answer)
        banyan = Banyan(origin.port, origin.port, ROUTE % level)
        acknowledged = []
        try:
            for trial in range(trials):
                banyan.start()
                load = Acknowledged(banyan.port, trial).start()
                # At `interval` long enough for something to be older than the window.
                time.sleep(0.02 + rng.random() * 0.15 + (WINDOW if level == "interval" else 0))
                killed = time.monotonic()
                banyan.kill()
                load.stop()
                acknowledged += [name for name, when in load.acknowledged
                                 if level != "interval" or when < killed - WINDOW]
            banyan.start()
            self.assertEqual(0, banyan.stop())
            Found(banyan).check(self, acknowledged, may_lose=level == "none")
            check_log(self, banyan)
            return len(acknowledged)
        finally:
            banyan.clean()
            origin.stop()

    def test_nothing_acknowledged_is_lost(self):
        rng = random.Random(SEED)
        print("seed %d, %d kills" % (SEED, TRIALS))
        for level in LEVELS:
            with self.subTest(level):
                left, began, total = max(1, round(TRIALS * SHARES[level])), time.monotonic(), 0
                trials = left
                while left > 0:
                    total += self.one_log(level, min(left, TRIALS_PER_LOG), rng)
                    left -= TRIALS_PER_LOG
                print("%s: %d kills, %d acknowledged%s, %.0f s" % (
                    level, trials, total, "" if level == "none" else " and all found once", time.monotonic() - began),
                    flush=True)
                self.assertGreater(total, trials)


if __name__ == "__main__":
    unittest.main()
