# SPDX-License-Identifier: Apache-2.0
"""Certificates of a listener are replaced while clients are served: new files, then SIGHUP or `banyan reload`."""

import http.client
import json
import os
import shutil
import signal
import socket
import unittest

from certificates import Certificates
from harness import Banyan, DEFAULT_ROUTE, Load, Origin, free_port, wait_until

ROTATIONS = 100
MADE = 4  # certificates that take turns


class RotationTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = Certificates()
        cls.addClassCleanup(cls.made.clean)
        for number in range(MADE):
            cls.made.make("turn%d" % number)
        cls.made.make("old", dates=("20200101000000Z", "20200201000000Z"))
        cls.context = cls.made.client_context()

    def setUp(self):
        self.legacy = Origin()
        self.addCleanup(self.legacy.stop)
        self.install("turn0")
        self.port = free_port()
        self.banyan = Banyan(self.legacy.port, free_port(), DEFAULT_ROUTE.replace("mirror_writes = true",
                                                                                  "mirror_percent = 0")
                             + '[[listeners]]\naddress = "127.0.0.1:%d"\ntls = { %s }\n' % (
                                 self.port, self.made.pair("live")))
        self.addCleanup(self.banyan.clean)
        self.banyan.start()

    def install(self, name):
        """As a tool for certificates does: the new files take the places of the old ones."""
        for kind in (".pem", ".key"):
            shutil.copyfile(self.made.path(name + kind), self.made.path("live.new"))
            os.chmod(self.made.path("live.new"), 0o600)
            os.replace(self.made.path("live.new"), self.made.path("live" + kind))

    def connect(self):
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        connection = http.client.HTTPConnection("localhost", self.port)
        connection.sock = self.context.wrap_socket(raw, server_hostname="localhost")
        self.addCleanup(connection.close)
        return connection

    def status_of(self, connection):
        connection.request("GET", "/kept")
        answer = connection.getresponse()
        answer.read()
        return answer.status

    @staticmethod
    def name_shown(connection):
        return dict(part[0] for part in connection.sock.getpeercert()["subject"])["commonName"]

    def name_of_new_connection(self):
        connection = self.connect()
        name = self.name_shown(connection)
        connection.close()
        return name

    def status(self):
        return json.loads(self.banyan.api("GET", "/api/v1/status")[1])

    def hang_up(self):
        self.banyan.process.send_signal(signal.SIGHUP)

    def test_a_hundred_rotations_under_load_fail_no_request(self):
        old = self.connect()
        self.assertEqual(200, self.status_of(old))
        loads = [Load(self.port, clients=2, tls=self.context).start(),
                 Load(self.port, clients=1, tls=self.context, is_kept=False).start()]
        for number in range(1, ROTATIONS + 1):
            name = "turn%d" % (number % MADE)
            self.install(name)
            if number % 20 == 0:
                self.banyan.cli("reload")  # has taken effect when it ends
                self.assertEqual(name, self.name_of_new_connection())
            else:
                self.hang_up()
                wait_until(lambda: self.name_of_new_connection() == name, "the new certificate is shown", step=0.005)
        for load in loads:
            load.stop()
            self.assertEqual([], load.failed[:5])
            self.assertGreater(load.done, ROTATIONS // 2)
        # The connection of before all of them goes on, with what it was shown.
        self.assertEqual(200, self.status_of(old))
        self.assertEqual("turn0", self.name_shown(old))
        config = self.status()["config"]
        self.assertEqual((1 + ROTATIONS, "ok"), (config["generation"], config["last_reload"]["result"]))
        self.assertTrue(self.banyan.settle()["total"]["balanced"])

    def test_a_bad_certificate_leaves_the_old_one_in_use_and_says_so(self):
        kept = self.connect()

        def other_key():
            shutil.copyfile(self.made.path("turn2.key"), self.made.path("live.key"))

        def unreadable():  # also for root, whom permissions do not stop
            os.remove(self.made.path("live.key"))
            os.mkdir(self.made.path("live.key"))
            self.addCleanup(shutil.rmtree, self.made.path("live.key"), True)

        def damaged():
            with open(self.made.path("live.pem"), "w", encoding="utf-8") as file:
                file.write("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")

        for spoil, message in ((other_key, "is not the key of"), (lambda: self.install("old"), "has expired on"),
                               (lambda: os.remove(self.made.path("live.pem")), "does not exist"),
                               (damaged, "holds a damaged certificate"), (unreadable, "is no regular file")):
            self.install("turn1")
            self.banyan.cli("reload")
            before = self.banyan.errors().count("reload refused")
            spoil()
            self.hang_up()
            wait_until(lambda: self.banyan.errors().count("reload refused") > before, "the refusal is logged")
            self.assertIn(message, self.banyan.errors(), spoil)
            done = self.banyan.cli("reload", code=3)
            self.assertRegex(done.stderr, r"banyan\.toml:\d+:\d+: error: ")
            self.assertIn(message, done.stderr)
            status = self.status()
            self.assertEqual("invalid", status["config"]["last_reload"]["result"])
            self.assertIn("the last reload failed", " ".join(status["alarms"]))
            self.assertEqual("turn1", self.name_of_new_connection(), message)
            self.assertEqual(200, self.status_of(kept))
        shutil.rmtree(self.made.path("live.key"))
        self.install("turn3")
        self.banyan.cli("reload")
        self.assertEqual("turn3", self.name_of_new_connection())
        self.assertEqual([], self.status()["alarms"])


if __name__ == "__main__":
    unittest.main()
