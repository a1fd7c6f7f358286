#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input and bad disks: a clear message and the right exit code, never a crash."""

import glob
import os
import socket
import subprocess
import unittest

from harness import BanyanTest, DEFAULT_ROUTE, wait_until


class BadConfigTest(BanyanTest):
    def refuse(self, text, code=3):
        with open(self.banyan.config, "w", encoding="utf-8") as file:
            file.write(text)
        for verb in ("check", "serve"):
            done = self.banyan.cli(verb, code=code)
            self.assertNotIn("Traceback", done.stderr)
        return done.stderr

    def test_all_errors_at_once_with_line_and_column(self):
        text = self.refuse('data_dir = 7\n[systems.legacy]\nurls = ["http://127.0.0.1:1"]\n'
                           '[systems.candidate]\nurls = ["nonsense"]\n[[listeners]]\naddress = "127.0.0.1:0"\n'
                           '[[routes]]\nname = "a"\ncandidate_percent = "ten"\nmirror_percnt = 5\n')
        for place in ("banyan.toml:1:", "banyan.toml:5:", "banyan.toml:10:", "banyan.toml:11:"):
            self.assertIn(place, text)
        self.assertIn("mirror_percent", text)  # the nearest name

    def test_syntax_error_has_its_place(self):
        self.assertIn("banyan.toml:2:", self.refuse('data_dir = "x"\n[systems\n'))

    def test_missing_file(self):
        os.unlink(self.banyan.config)
        self.assertIn("banyan.toml", self.banyan.cli("check", code=3).stderr)

    def test_unknown_verb_and_flag_are_usage(self):
        self.banyan.cli("frobnicate", code=2)
        self.banyan.cli("route", "set", "all", "--candidate-percent", "101", code=2)

    def test_no_server_is_4(self):
        self.assertIn(str(self.banyan.admin_port), self.banyan.cli("status", code=4).stderr)


class BadPlaceTest(BanyanTest):
    def fails(self, code):
        self.banyan.start(wait=False)
        self.assertEqual(code, self.banyan.process.wait(timeout=30), self.banyan.errors())
        return self.banyan.errors()

    def test_a_port_in_use_is_named(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", self.banyan.port))
            taken.listen()
            self.assertIn(str(self.banyan.port), self.fails(3))

    def test_an_admin_port_in_use_is_named(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", self.banyan.admin_port))
            taken.listen()
            self.assertIn(str(self.banyan.admin_port), self.fails(3))

    def test_a_data_dir_that_cannot_be_written(self):
        with open(self.banyan.data, "w", encoding="utf-8") as file:
            file.write("a file, not a folder")
        self.assertIn(self.banyan.data, self.fails(5))

    def test_a_data_dir_in_use(self):
        self.banyan.start()
        first = self.banyan.process
        self.addCleanup(first.wait)
        self.addCleanup(first.kill)
        self.assertIn("another", self.fails(3))

    def test_a_damaged_segment(self):
        self.banyan.start()
        for number in range(50):
            self.banyan.request("GET", "/a/%d" % number)
        self.banyan.settle()
        self.assertEqual(0, self.banyan.stop())
        segment = max(glob.glob(os.path.join(self.banyan.data, "log", "main", "*.seg")), key=os.path.getsize)
        with open(segment, "r+b") as file:
            file.seek(4096 + 400)
            byte = file.read(1)
            file.seek(4096 + 400)
            file.write(bytes([byte[0] ^ 0x40]))
        done = self.banyan.cli("log", "verify", code=5)
        self.assertIn(os.path.basename(segment), done.stdout + done.stderr)
        # Reading goes on behind the damage and names it; the server still starts and serves.
        self.assertIn("damaged", self.banyan.cli("log", "cat", code=None).stdout)
        self.banyan.start()
        self.assertEqual(200, self.banyan.request()[0])

    def test_a_log_of_another_version(self):
        self.banyan.start()
        self.assertEqual(0, self.banyan.stop())
        for segment in glob.glob(os.path.join(self.banyan.data, "log", "main", "*.seg")):
            with open(segment, "r+b") as file:
                head = bytearray(file.read(16))
                file.seek(0)
                head[8] = 99  # format version: behind the eight bytes of magic (docs/formats/log.md)
                file.write(head)
        self.assertIn("version", self.fails(5))
        self.banyan.cli("log", "cat", code=5)


@unittest.skipUnless(os.geteuid() == 0, "mounting a small disk needs root")
class FullDiskTest(BanyanTest):
    extra = 'auth = "none"\n[log]\nsegment_size = "1MiB"\nretention = { min_free = "0%" }\n' + DEFAULT_ROUTE

    def serve_on_small_disk(self, size, before=""):
        """The data directory is a small disk of its own, in a mount namespace that ends with the process."""
        os.makedirs(self.banyan.data)
        script = "mount -t tmpfs -o size=%s none %s && %s exec %s serve -c %s" % (
            size, self.banyan.data, before, self.banyan.binary, self.banyan.config)
        with open(self.banyan.stderr, "wb") as errors:
            self.banyan.process = subprocess.Popen(["unshare", "-m", "sh", "-c", script], stderr=errors)

    def test_start_on_a_full_disk_is_refused_with_its_message(self):
        self.serve_on_small_disk("64k", "dd if=/dev/zero of=%s/ballast bs=1k count=64 2>/dev/null;" % self.banyan.data)
        self.assertEqual(5, self.banyan.process.wait(timeout=60), self.banyan.errors())
        self.assertIn("No space left", self.banyan.errors())

    def test_a_disk_that_fills_up_costs_no_client_an_answer(self):
        self.serve_on_small_disk("4m")
        wait_until(lambda: "banyan: ready" in self.banyan.errors() or self.banyan.process.poll() is not None,
                   "banyan is ready", 60)
        for number in range(400):
            self.assertEqual(200, self.banyan.request("POST", "/a/%d" % number, "x" * 20000)[0])
        alarms = wait_until(lambda: self.banyan.json("status").get("alarms"), "an alarm")
        self.assertTrue(any("log" in alarm for alarm in alarms), alarms)
        self.assertIn("No space left", " ".join(alarms) + self.banyan.errors())
        # Back is open all the same.
        self.banyan.cli("route", "rollback", "--all")


if __name__ == "__main__":
    unittest.main()
