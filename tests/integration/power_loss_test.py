#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Power loss under load, at each level of durability. The data directory lies on an ext4 file system in a file; while
the load runs the file is copied, which is what a power cut at that moment would leave: what the file system had not
yet written is not in it (a canary proves that). Each copy is mounted, recovered by the real binary, and compared with
an outside list of what was acknowledged.

BANYAN_POWER_TRIALS sets the number of images (the bar is 200; CI runs fewer), BANYAN_POWER_SEED repeats a run.
Where mounting is not permitted the test says so and runs its fallback: the crash images that the disk in memory of
tests/recorder/faults enumerates.
"""

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from acknowledged import LEVELS, ROUTE, WINDOW, Acknowledged, Found, answer, check_log, seed
from harness import BINARY, Banyan, Origin
from loop_disk import LoopDisk, why_not

TRIALS = int(os.environ.get("BANYAN_POWER_TRIALS", "6"))
SEED = seed(os.environ, "BANYAN_POWER_SEED")
SHARES = {"request": 0.4, "response": 0.3, "interval": 0.2, "none": 0.1}
IMAGES_PER_DISK = 10
LOG = '[log]\nsegment_size = "1MiB"\nretention = { min_free = "0%" }\n'


class PowerLossTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="banyan-power-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.origin = Origin(answer)
        self.addCleanup(self.origin.stop)
        self.rng = random.Random(SEED)
        self.canaries = [0, 0]  # absent, present

    def banyan_on(self, disk, level):
        banyan = Banyan(self.origin.port, self.origin.port, LOG + ROUTE % level, data=os.path.join(disk.mount, "data"))
        self.addCleanup(banyan.clean)
        return banyan

    def take_images(self, level, count):
        """[(path, names that must be in it)] of `count` moments of one run."""
        disk = LoopDisk()
        self.addCleanup(disk.close)
        banyan = self.banyan_on(disk, level).start()
        load = Acknowledged(banyan.port, level).start()
        images = []
        try:
            if level == "interval":
                time.sleep(WINDOW)
            for number in range(count):
                time.sleep(0.05 + self.rng.random() * 0.25)
                banyan.process.send_signal(signal.SIGSTOP)
                try:
                    cut = time.monotonic()
                    time.sleep(0.02)  # answers that had left arrive: they count as acknowledged
                    names = [name for name, when in list(load.acknowledged)
                             if level != "interval" or when < cut - WINDOW]
                    with open(os.path.join(disk.mount, "canary-%d" % number), "wb") as file:
                        file.write(b"c" * 65536)
                    image = os.path.join(self.folder, "image-%d" % number)
                    disk.copy(image)
                finally:
                    banyan.process.send_signal(signal.SIGCONT)
                images.append((image, number, names))
        finally:
            banyan.kill()
            load.stop()
            disk.close()
        return images

    def recover(self, level, image, number, names):
        disk = LoopDisk(image)
        self.addCleanup(disk.close)
        try:
            canary = os.path.join(disk.mount, "canary-%d" % number)
            is_there = os.path.exists(canary) and os.path.getsize(canary) > 0
            self.canaries[is_there] += 1
            banyan = self.banyan_on(disk, level).start()
            self.assertEqual(0, banyan.stop())
            Found(banyan).check(self, names, may_lose=level == "none")
            check_log(self, banyan)
            banyan.clean()
        finally:
            disk.close()
            os.remove(image)
        return len(names)

    def test_nothing_acknowledged_is_lost(self):
        why = why_not()
        if why:
            return self.fall_back(why)
        print("seed %d, %d power cuts on a mounted file system" % (SEED, TRIALS))
        for level in LEVELS:
            with self.subTest(level):
                trials = left = max(1, round(TRIALS * SHARES[level]))
                began, total = time.monotonic(), 0
                while left > 0:
                    for image in self.take_images(level, min(left, IMAGES_PER_DISK)):
                        total += self.recover(level, *image)
                    left -= IMAGES_PER_DISK
                print("%s: %d images, %d times an acknowledged exchange%s, %.0f s" % (
                    level, trials, total, "" if level == "none" else ", all found once", time.monotonic() - began),
                    flush=True)
                self.assertGreater(total, 0)
        # Else the disk lied, and nothing above was tested.
        print("what was not synced was absent in %d of %d images" % (self.canaries[0], sum(self.canaries)))
        self.assertGreaterEqual(self.canaries[0], 0.8 * sum(self.canaries))

    def fall_back(self, why):
        print("\n*** NO DISK CAN BE MOUNTED HERE (%s).\n*** The power loss test runs its FALLBACK: crash images that "
              "a disk in memory enumerates.\n" % why, flush=True)
        program = os.path.join(os.path.dirname(BINARY), "tests", "recorder_faults_test")
        done = subprocess.run([program, "--gtest_filter=CrashImageTest.*", "--gtest_brief=1"], capture_output=True,
                              text=True, timeout=800, errors="replace")
        print("\n".join(line for line in done.stdout.splitlines() if "crash images" in line))
        self.assertEqual(0, done.returncode, done.stdout[-3000:])


if __name__ == "__main__":
    unittest.main()
