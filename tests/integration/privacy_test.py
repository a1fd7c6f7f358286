#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What patterns name (card numbers, e-mail addresses, credentials, a user's own) is found nowhere in the data
directory, wherever a client or a system put it; the systems get the real values."""

import gzip
import json
import os
import unittest

from harness import BanyanTest, DEFAULT_ROUTE, wait_until

CARD, MAIL, CUSTOMER = "4111111111111111", "ada.planted@example.com", "KD-20261128"
CREDENTIAL = "planted5f1e7d2c9a"
PLANTED = [CARD, "4111 1111 1111 1111", MAIL, "ada.planted", CUSTOMER, CREDENTIAL]


class PrivacyTest(BanyanTest):
    extra = DEFAULT_ROUTE + """
[record]
redact = ["pattern:card", "pattern:email", "pattern:bearer", "body:$.pin",
          { field = "header:X-Pin", keep = "drop" },
          { pattern = "KD-[0-9]{8}", name = "customer number" }]
"""

    def files(self):
        for folder, _, names in os.walk(self.banyan.data):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    yield path, file.read()

    def test_patterns_are_found_nowhere_but_at_the_systems(self):
        plain = json.dumps({"mail": MAIL, "card": int(CARD), "note": f"{CUSTOMER} pays 4111 1111 1111 1111"}).encode()
        answer = lambda name: (lambda request: (200, {
            "Content-Type": "application/json", "Content-Encoding": "gzip", "X-Owner": MAIL, "X-System": name},
            gzip.compress(plain)))
        self.legacy.answer, self.candidate.answer = answer("legacy"), answer("candidate")
        self.banyan.start()
        multipart = ("--b\r\nContent-Disposition: form-data; name=\"pin\"\r\n\r\n" + CREDENTIAL +
                     "\r\n--b\r\nContent-Disposition: form-data; name=\"mail\"\r\n\r\n" + MAIL + "\r\n--b--\r\n").encode()
        requests = [
            ("GET", f"/users/{MAIL}?q={CUSTOMER}&m=ada.planted%40example.com", None, {"X-Note": f"for {MAIL}"}),
            ("GET", "/", None, {"X-Forwarded-Auth": f"Bearer {CREDENTIAL}", "Referer": f"http://h/?m={MAIL}"}),
            ("POST", "/", plain, {"Content-Type": "application/json"}),
            ("POST", "/", b"mail=ada.planted%40example.com&card=4111+1111+1111+1111",
             {"Content-Type": "application/x-www-form-urlencoded"}),
            ("POST", "/", multipart, {"Content-Type": "multipart/form-data; boundary=b"}),
            ("POST", "/", b"<mail>" + MAIL.encode() + b"</mail>", {"Content-Type": "application/xml"}),
            ("POST", "/", gzip.compress(plain), {"Content-Type": "application/json", "Content-Encoding": "gzip"}),
            # Cannot be read, or is too large to be: left out, never stored.
            ("POST", "/", plain[:-1], {"Content-Type": "application/json", "Content-Encoding": "gzip"}),
            ("POST", "/", plain + b" " * 400_000, {"Content-Type": "application/json"}),
        ]
        for method, target, body, headers in requests:
            status, got, _ = self.banyan.request(method, target, body, dict(headers))
            self.assertEqual(200, status)
            self.assertEqual(plain, gzip.decompress(got))  # the client's own answer is unchanged
        self.banyan.settle()
        seen = self.candidate.seen()
        by_target = [copy for copy in seen if copy["target"].startswith("/users/")]
        self.assertEqual(requests[0][1], by_target[0]["target"])  # the copy carries the real values
        bodies = [copy["body"] for copy in seen if copy["method"] == "POST"]
        for _, _, body, _ in requests[2:7]:
            self.assertIn(body, bodies)
        findings = wait_until(lambda: self.banyan.json("findings", "list")["findings"], "findings")
        self.assertEqual(["header:X-System"], sorted(f["path"] for f in findings))  # equal stays equal

        outputs = {"stderr": self.banyan.errors()}
        for arguments in (["log", "cat"], ["log", "cat", "--json"], ["findings", "list", "--json"],
                          ["report", "--format", "json"]):
            outputs[" ".join(arguments)] = self.banyan.cli(*arguments, code=None).stdout
        metrics = self.banyan.api("GET", "/metrics")[1].decode()
        left_out = [line for line in metrics.splitlines() if line.startswith("banyan_redaction_bodies_left_out_total")]
        self.assertEqual(1, len(left_out))
        self.assertGreaterEqual(int(float(left_out[0].split()[-1])), 1)
        self.banyan.stop()
        outputs.update((path, data.decode("latin-1")) for path, data in self.files())
        found = [(planted, where) for planted in PLANTED for where, text in outputs.items() if planted in text]
        self.assertEqual([], found)
        # Compressed bytes would hide them from the search above: answers are recorded in their coding.
        records = [json.loads(line) for line in outputs["log cat --json"].splitlines()]
        answers = [r for r in records if r["type"] in ("RESPONSE", "SHADOW")]
        self.assertTrue(answers)
        for record in answers:
            self.assertTrue(record["body_redacted"])

    def test_a_rotated_token_key_makes_no_differences(self):
        """Both answers carry a cookie; one is recorded before the rotation and its copy after it."""
        answer = lambda name: (lambda request: (200, {"Content-Type": "application/json",
                                                      "Set-Cookie": "session=planted; Path=/"}, b"{}"))
        self.legacy.answer, self.candidate.answer = answer("legacy"), answer("candidate")
        self.banyan.start()
        self.banyan.request("GET", "/before")
        self.banyan.settle()
        self.banyan.cli("mirror", "pause")
        self.banyan.request("POST", "/across", b"x")
        self.assertEqual(2, self.banyan.json("keys", "rotate")["number"])
        # An import would take the new key into use while the server still writes tokens of the old one.
        capture = os.path.join(self.banyan.data, "..", "empty.gor")
        with open(capture, "wb"):
            pass
        self.assertIn("start it, then import", self.banyan.cli("log", "import", capture, "--as", "gor", code=None).stderr)
        self.banyan.stop()
        self.banyan.start()
        self.banyan.request("GET", "/after")
        self.banyan.settle()
        keys = self.banyan.json("keys", "list")["keys"]
        self.assertEqual([2], [key["number"] for key in keys if key["kind"] == "token"])  # the old one is destroyed
        self.assertIn("digest", [key["kind"] for key in keys])
        records = self.banyan.records()
        targets = {r["exchange"]: r["target"] for r in records if r["type"] == "REQUEST"}
        verdicts = {targets[r["exchange"]]: (r["verdict"], r.get("reason")) for r in records if r["type"] == "VERDICT"}
        self.assertEqual("equal", verdicts["/before"][0])
        self.assertEqual(("incomparable", "key_rotated"), verdicts["/across"])
        self.assertEqual("equal", verdicts["/after"][0])
        self.assertEqual([], self.banyan.json("findings", "list")["findings"])
        self.banyan.stop()

    def test_what_is_dropped_is_sent_to_nobody_and_is_no_finding(self):
        self.legacy.answer = self.candidate.answer = lambda request: (
            200, {"Content-Type": "text/plain"}, request["headers"].get("x-pin", "none").encode())
        self.banyan.start()
        self.assertEqual(b"1234-planted", self.banyan.request("GET", "/", None, {"X-Pin": "1234-planted"})[1])
        self.banyan.settle()
        self.assertNotIn("x-pin", self.candidate.seen()[0]["headers"])
        verdict = [r for r in self.banyan.records() if r["type"] == "VERDICT"][0]
        self.assertEqual(("incomparable", "dropped_secret"), (verdict["verdict"], verdict["reason"]))
        self.assertEqual([], self.banyan.json("findings", "list")["findings"])
        self.banyan.stop()
        # The answer repeats it, and no rule names that body; but the request's own record holds nothing of it.
        checked = self.banyan.cli("check").stdout
        self.assertIn("redacts header:X-Pin, the real value is dropped", checked)
        self.assertIn("are not recorded", checked)

    def test_keys_are_wrapped_by_another_master_key(self):
        self.banyan.start()
        self.banyan.request("GET", "/one")
        self.banyan.settle()
        with open(self.banyan.config, encoding="utf-8") as file:
            config = file.read()
        with open(self.banyan.config, "w", encoding="utf-8") as file:
            file.write(config.replace("[record]", '[record]\nkey = "a master key of ours"'))
        self.assertIn("another process", self.banyan.cli("keys", "rewrap", code=None).stderr)  # it runs
        self.banyan.stop()
        self.banyan.cli("keys", "rewrap")
        states = {key["file"]: key["state"] for key in self.banyan.json("keys", "list")["keys"]}
        self.assertEqual({"wrapped"}, set(states.values()))
        self.banyan.start()
        self.banyan.request("GET", "/two")
        self.banyan.settle()
        self.banyan.stop()
        with open(self.banyan.config, "w", encoding="utf-8") as file:
            file.write(config)
        self.banyan.cli("keys", "rewrap", code=2)  # no key in the config, and nobody said --plain
        old = os.path.join(self.banyan.folder, "old_key")
        with open(old, "w", encoding="utf-8") as file:
            file.write("a master key of ours\n")
        self.banyan.cli("keys", "rewrap", "--plain", "--old-key-file", old)
        states = {key["file"]: key["state"] for key in self.banyan.json("keys", "list")["keys"]}
        self.assertEqual({"plain"}, set(states.values()))


if __name__ == "__main__":
    unittest.main()
