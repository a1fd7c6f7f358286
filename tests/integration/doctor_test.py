#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`banyan doctor` on machines and systems that are well, and on some that are not."""

import socket
import unittest

from harness import BanyanTest, SocketServer, free_port


class RawSystem(SocketServer):
    """Answers each request of a connection with the next of `answers`; closes after the last one."""

    def __init__(self, answers):
        self.answers = answers
        super().__init__()

    def serve(self, connection):
        for answer in self.answers:
            data = b""
            while b"\r\n\r\n" not in data:
                piece = connection.recv(4096)
                if not piece:
                    return
                data += piece
            connection.sendall(answer)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


class DoctorTest(BanyanTest):
    def doctor(self, code=0):
        report = self.banyan.json("doctor", code=code)
        self.assertEqual("banyan/doctor/1", report["schema"])
        for result, count in (("ok", "ok"), ("warn", "warnings"), ("fail", "failures")):
            self.assertEqual(report[count], len([check for check in report["checks"] if check["result"] == result]))
        return report["checks"]

    def find(self, checks, check, text):
        found = [one for one in checks if one["check"] == check and text in one["message"]]
        self.assertTrue(found, "%s: %s not in %s" % (check, text, checks))
        return found[0]

    def candidate_is(self, port):
        with open(self.banyan.config, encoding="utf-8") as file:
            text = file.read()
        with open(self.banyan.config, "w", encoding="utf-8") as file:
            file.write(text.replace("127.0.0.1:%d" % self.candidate.port, "127.0.0.1:%d" % port))

    def system(self, answers):
        system = RawSystem(answers)
        self.addCleanup(system.stop)
        self.candidate_is(system.port)

    def test_a_sound_place_passes(self):
        checks = self.doctor()
        for check, text in (("config", "is valid"), ("ports", "is free"), ("disk", "free of"), ("systems", "keeps connections"),
                            ("libraries", "openssl 3"), ("kernel", "somaxconn"), ("descriptors", "descriptors"), ("clock", "clock")):
            self.find(checks, check, text)
        self.assertIn("failures", self.banyan.cli("doctor").stdout)

    def test_beside_a_running_banyan_its_ports_are_its_own(self):
        self.banyan.start()
        self.assertEqual("ok", self.find(self.doctor(), "ports", "is held by the running Banyan")["result"])

    def test_a_port_of_another_program_fails(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", self.banyan.port))
            other.listen(1)
            found = self.find(self.doctor(code=1), "ports", "in use by another program")
        self.assertEqual("fail", found["result"])
        self.assertTrue(found["hint"])

    def test_a_system_that_is_down_fails(self):
        self.candidate_is(free_port())
        self.assertEqual("fail", self.find(self.doctor(code=1), "systems", "candidate")["result"])

    def test_quirks_are_warnings(self):
        cases = (([b"HTTP/1.0 200 OK\r\n\r\nold"], "speaks HTTP/1.0"),
                 ([b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"], "closes the connection after an answer"),
                 ([OK], "says keep-alive, but"),
                 ([OK, HEAD], "closes after HEAD"),
                 ([b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n", HEAD, OK],
                  "behind (Date)"))
        for answers, text in cases:
            with self.subTest(text):
                self.setUp()
                self.system(answers)
                self.assertEqual("warn", self.find(self.doctor(), "systems", text)["result"])

    def test_what_is_no_http_fails(self):
        self.system([b"SSH-2.0-OpenSSH_9\r\n"])
        self.find(self.doctor(code=1), "systems", "not HTTP/1.1")

    def test_an_invalid_config_is_told_with_its_place(self):
        with open(self.banyan.config, "a", encoding="utf-8") as file:
            file.write("\n[limits]\nhead = 1\n")
        found = self.find(self.doctor(code=3), "config", "banyan.toml:")
        self.assertEqual("fail", found["result"])

    def test_version_names_the_libraries(self):
        libraries = self.banyan.json("version")["libraries"]
        for name in ("openssl", "nghttp2", "c-ares"):
            self.assertRegex(libraries[name], r"^\d+\.\d+")


if __name__ == "__main__":
    unittest.main()
