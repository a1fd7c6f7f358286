#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sick disks under the real binary: full, dead, read-only, hanging; two servers on one data directory; a data directory
of a newer version; damage and its repair. Clients are served as their route says, nothing that was acknowledged is
lost, and the server goes on when the disk does.

Where no disk can be mounted the tests say so and run their fallback: the same faults on the disk in memory.
"""

import os
import re
import resource
import signal
import subprocess
import threading
import time
import unittest

from acknowledged import Found, answer, check_log
from harness import BINARY, Banyan, Origin, wait_until
from loop_disk import LoopDisk, run, why_not

CONFIG = """\
[log]
segment_size = "1MiB"
retention = { min_free = "0%" }
[[routes]]
name = "closed"
match = { path = "/ack/closed*" }
durability = "request"
on_failure = "fail_closed"
mirror_percent = 0
[[routes]]
name = "interval"
match = { path = "/ack/interval*" }
durability = "interval"
mirror_percent = 0
[[routes]]
name = "open"
match = { path = "/**" }
durability = "request"
mirror_percent = 0
"""
BODY = "x" * 20000


class SickDisk(unittest.TestCase):
    def setUp(self):
        self.origin = Origin(answer)
        self.addCleanup(self.origin.stop)
        self.acknowledged, self.number = [], 0

    def banyan_at(self, data=None):
        self.banyan = Banyan(self.origin.port, self.origin.port, CONFIG, data=data)
        self.addCleanup(self.banyan.clean)
        return self.banyan

    def disk_or_fall_back(self, tests, mib=48):
        """A disk; or None, and the same faults were tried on the disk in memory."""
        why = why_not()
        if not why:
            self.disk = LoopDisk(mib=mib)
            self.addCleanup(self.disk.close)
            self.banyan_at(os.path.join(self.disk.mount, "data"))
            return self.disk
        print("\n*** NO DISK CAN BE MOUNTED HERE (%s).\n*** This test runs its FALLBACK on a disk in memory: %s\n"
              % (why, tests), flush=True)
        program = os.path.join(os.path.dirname(BINARY), "tests", "recorder_faults_test")
        done = subprocess.run([program, "--gtest_filter=" + tests, "--gtest_brief=1"], capture_output=True, text=True,
                              timeout=600, errors="replace")
        self.assertEqual(0, done.returncode, done.stdout[-3000:])
        return None

    def post(self, route="open", body=BODY):
        """(status, seconds)"""
        self.number += 1
        began = time.monotonic()
        status, _, _ = self.banyan.request("POST", "/ack/%s-%d" % (route, self.number), body)
        return status, time.monotonic() - began

    def post_durably(self, count=20):
        for _ in range(count):
            self.assertEqual(200, self.post()[0])
            self.acknowledged.append("open-%d" % self.number)

    def log(self):
        return self.banyan.json("status")["log"]

    def post_until_failed(self):
        def failed():
            self.assertEqual(200, self.post()[0])  # fail_open: served whatever the disk does
            return self.log()["failed"]
        wait_until(failed, "the log has failed", 30, 0)

    def expect_policy(self):
        for _ in range(3):
            self.assertEqual(200, self.post()[0])
            self.assertEqual(503, self.post("closed")[0])
            self.assertEqual(200, self.post("interval")[0])
        seen = self.origin.seen(lambda request: request["target"] == "/ack/closed-%d" % (self.number - 1))
        self.assertEqual([], seen, "fail_closed forwards nothing")

    def expect_all_found(self):
        self.assertEqual(0, self.banyan.stop())
        Found(self.banyan).check(self, self.acknowledged)
        check_log(self, self.banyan)


class FullDiskTest(SickDisk):
    def test_a_full_disk_serves_as_routes_say_and_heals_when_it_is_freed(self):
        disk = self.disk_or_fall_back("*FaultSweepTest*Enospc*")
        if disk is None:
            return
        self.banyan.start()
        self.post_durably()
        filler = os.path.join(disk.mount, "filler")
        with open(filler, "wb", buffering=0) as file:
            try:
                while file.write(b"f" * 65536):
                    pass
            except OSError:
                pass
        self.post_until_failed()
        self.assertIn("No space left", self.log()["failure"])
        self.expect_policy()
        os.remove(filler)
        began = time.monotonic()
        wait_until(lambda: not self.log()["failed"], "the log is written again", 10)
        print("written again %.1f s after there was space" % (time.monotonic() - began))
        self.post_durably()
        self.expect_all_found()

    def test_files_that_may_not_grow_are_a_full_disk_too(self):
        """Needs no mount: the limit of file sizes of the process, set from outside."""
        self.banyan_at().start(preexec=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
        self.post_durably()
        pid = self.banyan.process.pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (16384, resource.RLIM_INFINITY))
        self.post_until_failed()
        self.assertIn("too large", self.log()["failure"])
        self.expect_policy()
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        wait_until(lambda: not self.log()["failed"], "the log is written again", 10)
        self.post_durably()
        self.expect_all_found()


class ReadOnlyDiskTest(SickDisk):
    def test_a_file_system_that_turns_read_only_loses_nothing_and_a_start_on_it_is_refused(self):
        disk = self.disk_or_fall_back("ReadOnlyDisk.*:*FaultSweepTest*Erofs*")
        if disk is None:
            return
        run("mount", "-o", "remount,errors=remount-ro", disk.mount)
        self.banyan.start()
        self.post_durably()
        # As the kernel does when it meets a damaged block.
        with open("/sys/fs/ext4/%s/trigger_fs_error" % os.path.basename(disk.device), "w", encoding="ascii") as file:
            file.write("1")
        self.post_until_failed()
        self.expect_policy()
        self.banyan.kill()
        # On a file system that may only be read: no start, but every way of reading.
        disk.mount_again("ro")
        self.banyan.start(wait=False)
        self.assertEqual(5, self.banyan.process.wait(30), self.banyan.errors()[-500:])
        self.assertIn("Read-only file system", self.banyan.errors())
        self.assertEqual([], self.banyan.json("log", "verify")["problems"])
        Found(self.banyan).check(self, self.acknowledged)
        disk.mount_again("rw")
        self.banyan.start()
        self.post_durably()
        self.expect_all_found()


class HangingDiskTest(SickDisk):
    def test_clients_wait_as_long_as_the_log_may_take_and_no_longer(self):
        disk = self.disk_or_fall_back("*HangingDisk*")
        if disk is None:
            return
        self.banyan.start()
        self.post_durably()
        disk.freeze()
        for _ in range(3):
            status, took = self.post()
            self.assertEqual(200, status)
            self.assertGreater(took, 0.2)  # [log] wait is 250 ms, once for the request and once for the answer
            self.assertLess(took, 2.0)
            status, took = self.post("closed")
            self.assertEqual(503, status)
            self.assertLess(took, 1.5)
            status, took = self.post("interval")
            self.assertEqual(200, status)
            self.assertLess(took, 1.0)
        # Back is always open: also while the disk hangs.
        done = threading.Event()

        def roll_back():
            self.banyan.api("POST", "/api/v1/rollback", "{}")
            done.set()
        threading.Thread(target=roll_back, daemon=True).start()
        disk_hangs_still = not done.wait(5)
        disk.thaw()
        self.assertFalse(disk_hangs_still, "a rollback waited for the disk")
        wait_until(lambda: self.log()["durable"] == self.log()["written"], "the disk caught up")
        self.post_durably()
        self.expect_all_found()


class DataDirectoryTest(SickDisk):
    def test_a_second_server_on_it_is_refused(self):
        first = self.banyan_at().start()
        self.post_durably(3)
        second = Banyan(self.origin.port, self.origin.port, CONFIG, data=first.data)
        self.addCleanup(second.clean)
        second.start(wait=False)
        self.assertEqual(3, second.process.wait(30))
        self.assertIn(str(first.process.pid), second.errors())
        self.assertRegex(second.errors(), r"locked|holds|in use")
        self.post_durably(3)
        self.expect_all_found()

    def test_one_of_a_newer_version_is_refused_and_not_touched(self):
        self.banyan_at().start()
        self.post_durably(3)
        self.assertEqual(0, self.banyan.stop())
        meta = os.path.join(self.banyan.data, "log", "main", "meta")
        with open(meta, encoding="ascii") as file:
            content = file.read()
        newer = re.sub(r"^(\S+) \d+", r"\1 99", content)
        self.assertNotEqual(newer, content)
        with open(meta, "w", encoding="ascii") as file:
            file.write(newer)
        self.banyan.start(wait=False)
        self.assertEqual(5, self.banyan.process.wait(30))
        self.assertRegex(self.banyan.errors(), "version")
        with open(meta, encoding="ascii") as file:
            self.assertEqual(newer, file.read())
        with open(meta, "w", encoding="ascii") as file:
            file.write(content)
        self.banyan.start()
        self.expect_all_found()


class RepairTest(SickDisk):
    def rot(self):
        """One byte of each third of the largest segment."""
        folder = os.path.join(self.banyan.data, "log", "main")
        path = max((os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".seg")),
                   key=os.path.getsize)
        size = os.path.getsize(path)
        with open(path, "r+b") as file:
            for at in (size // 3, size // 3 * 2):
                file.seek(at)
                byte = file.read(1)[0]
                file.seek(at)
                file.write(bytes([byte ^ 0x40]))

    def test_damage_is_found_named_and_repaired_offline(self):
        self.banyan_at().start()
        self.post_durably(60)
        self.banyan.cli("log", "repair", code=3)  # beside a server
        self.assertEqual(0, self.banyan.stop())
        self.assertEqual([], self.banyan.json("log", "repair")["replaced"])
        self.rot()
        damaged = self.banyan.json("log", "verify", code=5)
        self.assertNotEqual([], damaged["problems"])
        before = {record["offset"]: record for record in self.banyan.records() if "type" in record
                  and record["type"] != "HOLE"}
        plan = self.banyan.json("log", "repair", "--dry-run", code=1)
        self.assertTrue(plan["dry_run"])
        self.assertEqual(damaged, self.banyan.json("log", "verify", code=5), "a dry run changes nothing")
        told = self.banyan.cli("log", "repair").stdout
        self.assertIn("to do:", told)
        self.assertIn("/damaged/", told)
        self.assertEqual([], self.banyan.json("log", "verify")["problems"])
        after = {record["offset"]: record for record in self.banyan.records()}
        for offset, record in before.items():
            self.assertEqual(record, after[offset])
        self.assertEqual(len(plan["holes"]), sum(record["type"] == "GAP" for record in after.values()))
        self.banyan.start()
        self.post_durably(3)
        self.assertEqual(0, self.banyan.stop())
        check = self.banyan.json("log", "verify")
        self.assertEqual([], check["problems"])
        self.assertTrue(self.banyan.json("ledger", code=None)["total"]["balanced"])


if __name__ == "__main__":
    unittest.main()
