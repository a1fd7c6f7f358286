#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Restarts under load with sockets that outlive the process, and what the service manager hears."""

import http.client
import os
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from harness import Banyan, Origin, wait_until

ROUTE = """\
[[routes]]
name = "all"
mirror_percent = 0
durability = "interval"
"""

# Sets LISTEN_PID to the pid that banyan will have, as systemd does between fork and exec.
LAUNCH = ("import os, sys\n"
          "os.environ['LISTEN_PID'] = str(os.getpid())\n"
          "os.execv(sys.argv[1], sys.argv[1:])\n")


class Manager:
    """What systemd does: holds the sockets, starts the service with them, hears its messages."""

    def __init__(self, banyan, sockets=2, abstract=False, watchdog_us=None):
        self.banyan, self.watchdog_us = banyan, watchdog_us
        self.sockets = []
        for _ in range(sockets):
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(("127.0.0.1", banyan.port))
            listener.listen(1024)
            self.sockets.append(listener)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if abstract:
            name = "\0banyan-restart-test-%d" % os.getpid()
            self.address = "@" + name[1:]
        else:
            name = self.address = os.path.join(tempfile.mkdtemp(prefix="banyan-notify-"), "notify")
        self.notify.bind(name)
        self.notify.settimeout(30)
        self.messages = []

    def start(self):
        numbers = [listener.fileno() for listener in self.sockets]

        def hand_over():
            # Descriptors 3, 4 … in the child, whatever they were here.
            copies = [os.dup(number) for number in numbers]
            copies = [os.dup2(copy, 100 + i) for i, copy in enumerate(copies)]
            for i, copy in enumerate(copies):
                os.dup2(copy, 3 + i, inheritable=True)
                os.close(copy)

        environment = dict(os.environ, LISTEN_FDS=str(len(numbers)),
                           LISTEN_FDNAMES=":".join("http" for _ in numbers), NOTIFY_SOCKET=self.address)
        if self.watchdog_us:
            environment["WATCHDOG_USEC"] = str(self.watchdog_us)
        with open(self.banyan.stderr, "ab") as errors:
            self.banyan.process = subprocess.Popen(
                ["python3", "-c", LAUNCH, self.banyan.binary, "serve", "-c", self.banyan.config],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, env=environment,
                preexec_fn=hand_over, close_fds=False)

    def hear(self):
        message = dict(line.split("=", 1) for line in self.notify.recv(4096).decode().splitlines())
        self.messages.append(message)
        return message

    def hear_until(self, key):
        while True:
            message = self.hear()
            if key in message:
                return message

    def close(self):
        for listener in self.sockets:
            listener.close()
        self.notify.close()


class Clients:
    """A connection per request, without a pause; nothing is tried twice."""

    def __init__(self, port, count=6):
        self.port, self.stopping, self.lock = port, threading.Event(), threading.Lock()
        self.done, self.failed = 0, []
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.stopping.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            why = None
            try:
                connection.request("GET", "/", headers={"Connection": "close"})
                answer = connection.getresponse()
                answer.read()
                why = None if answer.status == 200 else answer.status
            except (OSError, http.client.HTTPException) as error:
                why = repr(error)
            connection.close()
            with self.lock:
                self.done += 1
                if why is not None:
                    self.failed.append(why)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(70)


class RestartTest(unittest.TestCase):
    def setUp(self):
        self.origin = Origin()
        self.addCleanup(self.origin.stop)
        self.banyan = Banyan(self.origin.port, self.origin.port, ROUTE)
        self.addCleanup(self.banyan.clean)

    def manage(self, **options):
        manager = Manager(self.banyan, **options)
        self.addCleanup(manager.close)
        return manager

    def test_restarts_under_load_refuse_nobody(self):
        for sockets in (1, 2, 3):  # fewer, as many, and more than workers
            with self.subTest(sockets=sockets):
                banyan = Banyan(self.origin.port, self.origin.port, ROUTE)
                self.addCleanup(banyan.clean)
                manager = Manager(banyan, sockets=sockets)
                self.addCleanup(manager.close)
                manager.start()
                manager.hear_until("READY")
                clients = Clients(banyan.port)
                for _ in range(4):
                    before = clients.done
                    wait_until(lambda: clients.done > before + 50, "clients are served", 60)
                    self.assertEqual(0, banyan.stop())
                    manager.start()
                    manager.hear_until("READY")
                clients.stop()
                self.assertEqual([], clients.failed[:5], "of %d" % clients.done)
                self.assertEqual(0, banyan.stop())

    def test_a_socket_no_listener_has_is_a_clear_error(self):
        other = socket.socket()
        other.bind(("127.0.0.1", 0))
        other.listen(5)
        manager = self.manage(sockets=0)
        manager.sockets.append(other)
        manager.start()
        self.assertEqual(3, self.banyan.process.wait(timeout=60))
        self.assertIn("127.0.0.1:%d was handed over" % other.getsockname()[1], self.banyan.errors())

    def test_what_is_no_listening_socket_is_a_clear_error(self):
        manager = self.manage(sockets=0)
        manager.sockets.append(socket.socket())
        manager.start()
        self.assertEqual(3, self.banyan.process.wait(timeout=60))
        self.assertIn("descriptor 3 is not a listening TCP socket", self.banyan.errors())

    def test_the_manager_hears_everything_in_order(self):
        for abstract in (False, True):
            with self.subTest(abstract=abstract):
                manager = self.manage(sockets=1, abstract=abstract)
                manager.start()
                ready = manager.hear()
                self.assertEqual("1", ready["READY"])
                self.assertIn("listening on 127.0.0.1:%d" % self.banyan.port, ready["STATUS"])
                self.banyan.process.send_signal(signal.SIGHUP)
                reloading = manager.hear()
                self.assertEqual("1", reloading["RELOADING"])
                self.assertGreater(int(reloading["MONOTONIC_USEC"]), 0)
                again = manager.hear()
                self.assertEqual("1", again["READY"])
                self.assertIn("config generation 2", again["STATUS"])
                with open(self.banyan.config, encoding="utf-8") as file:
                    good = file.read()
                with open(self.banyan.config, "w", encoding="utf-8") as file:
                    file.write("nonsense")
                self.banyan.process.send_signal(signal.SIGHUP)
                self.assertIn("RELOADING", manager.hear())
                refused = manager.hear()
                self.assertEqual("1", refused["READY"])  # it serves on
                self.assertIn("last reload refused", refused["STATUS"])
                with open(self.banyan.config, "w", encoding="utf-8") as file:
                    file.write(good)
                self.assertEqual(0, self.banyan.stop())
                self.assertEqual("1", manager.hear()["STOPPING"])
                manager.close()

    def test_the_watchdog_is_fed_while_all_is_well(self):
        manager = self.manage(sockets=1, watchdog_us=400000)
        manager.start()
        manager.hear_until("READY")
        for _ in range(3):
            self.assertEqual("1", manager.hear_until("WATCHDOG")["WATCHDOG"])
        self.assertEqual(0, self.banyan.stop())


if __name__ == "__main__":
    unittest.main()
