#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A canary secret in a request or an answer is found nowhere: data directory, output, API, metrics."""

import os
import unittest

from harness import BanyanTest, DEFAULT_ROUTE, wait_until

CANARIES = ["canary-authorization-5f1e", "canary-cookie-77ab", "canary-setcookie-19cd", "canary-apikey-42ef",
            "canary-partner-8d3c", "canary-password-0b9a", "canary-query-66d1"]


class SecretsTest(BanyanTest):
    extra = DEFAULT_ROUTE + """
[record]
redact = ["header:X-Partner-Secret", "body:$..password", "query:token"]
"""

    def test_canaries_are_found_nowhere_but_at_the_systems(self):
        answer = lambda name: (lambda request: (200, {
            "Content-Type": "application/json", "Set-Cookie": "session=canary-setcookie-19cd; Path=/; HttpOnly",
            "X-System": name}, b'{"system":"%s","password":"canary-password-0b9a"}' % name.encode()))
        self.legacy.answer, self.candidate.answer = answer("legacy"), answer("candidate")
        self.banyan.start()
        headers = {"Authorization": "Bearer canary-authorization-5f1e",
                   "Cookie": "session=canary-cookie-77ab; other=canary-cookie-77ab", "X-Api-Key": "canary-apikey-42ef",
                   "X-Partner-Secret": "canary-partner-8d3c", "Content-Type": "application/json"}
        for _ in range(3):
            status, body, answered = self.banyan.request(
                "POST", "/login?token=canary-query-66d1&page=2", '{"user":"u","password":"canary-password-0b9a"}', headers)
            self.assertEqual(200, status)
            self.assertIn(b"canary-password-0b9a", body)  # the client's own answer is unchanged
            self.assertIn("canary-setcookie-19cd", answered["Set-Cookie"])
        self.banyan.settle()
        # The copy carries the real values.
        copy = self.candidate.seen()[0]
        self.assertEqual("Bearer canary-authorization-5f1e", copy["headers"]["authorization"])
        self.assertEqual("session=canary-cookie-77ab; other=canary-cookie-77ab", copy["headers"]["cookie"])
        self.assertEqual("canary-partner-8d3c", copy["headers"]["x-partner-secret"])
        self.assertIn(b"canary-password-0b9a", copy["body"])
        self.assertIn("token=canary-query-66d1", copy["target"])
        findings = wait_until(lambda: self.banyan.json("findings", "list")["findings"], "findings")

        outputs = {"stderr": self.banyan.errors()}
        for arguments in (["log", "cat"], ["log", "cat", "--json"], ["findings", "list", "--json"], ["report"],
                          ["report", "--format", "html"], ["report", "--format", "json"], ["ledger"], ["status"],
                          ["exchange", findings[0]["exemplars"][0], "--json"]):
            outputs[" ".join(arguments)] = self.banyan.cli(*arguments, code=None).stdout
        for path in ("/metrics", "/api/v1/status", "/api/v1/findings", "/api/v1/log?limit=100"):
            outputs[path] = self.banyan.api("GET", path)[1].decode()
        self.banyan.stop()
        for folder, _, names in os.walk(self.banyan.data):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    outputs[path] = file.read().decode("latin-1")
        found = [(canary, where) for canary in CANARIES for where, text in outputs.items() if canary in text]
        self.assertEqual([], found)
        # Equal values still compare equal: what differs is the planted field alone.
        self.assertEqual(["body:$.system", "header:X-System"], sorted(f["path"] for f in findings))


if __name__ == "__main__":
    unittest.main()
