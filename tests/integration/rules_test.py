#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A rule on the real road: tried on what was recorded, refused where it is too broad, saved, in force at once, expired."""

import json
import os
import unittest

from harness import BanyanTest, wait_until

JSON = {"Content-Type": "application/json"}
ROUTES = """\
[[routes]]
name = "a"
match = { path = "/a/**" }

[[routes]]
name = "b"
match = { path = "/b/**" }
"""


class RulesTest(BanyanTest):
    extra = ROUTES
    asked = 0

    def ask(self, path, count=1):
        for _ in range(count):
            self.assertEqual(200, self.banyan.request("GET", path)[0])
        self.asked += count
        self.banyan.settle(admitted=self.asked)

    def verdicts(self, route):
        return self.banyan.json("ledger", code=None)["routes"][route]["compared"]

    def answer_differently(self):
        def legacy(request):
            return 200, JSON, b'{"at":1,"total":10,"meta":{"id":1,"build":7}}'

        def candidate(request):
            return 200, JSON, b'{"at":2,"total":10,"meta":{"id":1,"build":8}}' if "/a/" in request["target"] else \
                b'{"at":1,"total":10,"meta":{"id":1,"build":7}}'
        self.legacy.answer, self.candidate.answer = legacy, candidate

    def test_a_rule_is_tried_refused_saved_and_expires(self):
        self.answer_differently()
        self.banyan.start()
        self.ask("/a/1", 5)
        self.ask("/b/1", 2)
        findings = {one["path"]: one for one in self.banyan.json("findings", "list")["findings"]}
        self.assertEqual({"body:$.at", "body:$.meta.build"}, set(findings))

        # Tried, beside the server and through it: nothing changes.
        before = len(self.banyan.records())
        trial = self.banyan.json("rules", "try", "--route", "a", "--ignore", "body:$.at")
        self.assertEqual((7, 5, 5, 0), (trial["exchanges"]["read"], trial["exchanges"]["in_routes"],
                                        trial["exchanges"]["hidden"], trial["exchanges"]["changed"]))
        self.assertEqual([(findings["body:$.at"]["id"], 5, True)],
                         [(one["id"], one["hidden"], one["vanishes"]) for one in trial["findings"]])
        self.assertEqual((1, 0), (trial["fields"]["differed"], trial["fields"]["never_differed"]))
        text = self.banyan.cli("rules", "try", "--ignore", "body:$.at", "--ignore", "body:$.meta.build").stdout
        self.assertIn("it would hide 10 differences in 5 exchanges, of 2 findings", text)
        self.assertIn("different: 5, then 0", text)
        self.assertIn("never differed: body:$.at, route b, in 2 pairs", text)
        status, body = self.banyan.api("POST", "/api/v1/rules/try", json.dumps({"rule": {"ignore": ["body:$.at"]}}))
        self.assertEqual((200, 5), (status, json.loads(body)["differences"]["hidden"]))
        self.assertEqual(before, len(self.banyan.records()))

        for operation, hidden in (("--shape", 5), ("--type", 5), ("--ignore-all", 5), ("--coerce", 0)):
            trial = self.banyan.json("rules", "try", "--route", "a", operation, "body:$.at")
            self.assertEqual(hidden, trial["differences"]["hidden"], operation)
        trial = self.banyan.json("rules", "try", "--route", "a", "--unit", "body:$.at:factor=2")
        self.assertEqual((5, 2), (trial["differences"]["hidden"], trial["rule"]["unit"][0]["factor"]))
        self.banyan.cli("rules", "try", "--time", "body:$.at", code=2)

        # Too broad, with the reason; forced, that stays with it.
        self.assertIn("names no field", self.banyan.cli("rules", "try", "--ignore", "body:**", code=6).stdout)
        refused = self.banyan.cli("rules", "add", "--ignore", "body:$.meta", "--reason", "noise", code=6)
        self.assertIn("too broad", refused.stderr)
        self.assertIn("body:$.meta", refused.stdout)
        self.assertIn("--reason", self.banyan.cli("rules", "add", "--ignore", "body:$.at", code=2).stderr)
        self.banyan.cli("rules", "add", "--ignore", "body:x", "--reason", "typo", code=2)
        self.assertEqual([], self.banyan.json("rules", "list")["rules"])
        forced = self.banyan.json("rules", "add", "--route", "b", "--ignore", "body:$.meta", "--reason", "agreed",
                                  "--force")
        self.assertEqual(forced["rule"]["id"], self.banyan.json("rules", "list")["rules"][0]["id"])
        self.assertIn("structure", forced["rule"]["forced"][0])
        self.assertIn("removed", self.banyan.cli("rules", "remove", forced["rule"]["id"]).stdout)
        self.banyan.cli("rules", "remove", forced["rule"]["id"], code=2)

        # Saved, it is in force for what comes, and counts.
        added = self.banyan.json("rules", "add", "--route", "a", "--ignore", "body:$.at", "--reason", "clocks",
                                 "--owner", "ada")["rule"]
        self.banyan.cli("findings", "accept", findings["body:$.meta.build"]["id"], "--as-rule", "--reason", "builds",
                        "--until", "4s")
        self.ask("/a/1", 3)
        self.assertEqual((3, 5), (self.verdicts("a")["tolerated"], self.verdicts("a")["different"]))
        rules = self.banyan.json("rules", "list")["rules"]
        self.assertEqual([("body:$.at", "clocks", "ada", 3), ("body:$.meta.build", "builds", None, 3)],
                         [(one["ignore"][0], one["reason"], one.get("owner"), one["covered"]["differences"])
                          for one in rules])
        exchange = [one for one in self.banyan.records() if one["type"] == "VERDICT"][-1]
        self.assertIn("ignore body:$.at [%s]" % added["id"], json.dumps(exchange, ensure_ascii=False))

        # Past its end it covers nothing, and the difference is there again.
        wait_until(lambda: [one["expired"] for one in self.banyan.json("rules", "list")["rules"]] == [False, True],
                   "the rule expires")
        self.ask("/a/1")
        self.assertEqual((3, 6), (self.verdicts("a")["tolerated"], self.verdicts("a")["different"]))
        self.assertIn("(expired)", self.banyan.cli("rules", "list").stdout)

        # A restart keeps it; a damaged file covers nothing, loudly.
        self.banyan.stop()
        self.assertEqual(2, len(self.banyan.json("rules", "list", "--data-dir", self.banyan.data)["rules"]))
        offline = self.banyan.json("rules", "add", "--ignore", "body:$.total", "--route", "a", "--force", "--reason",
                                   "rounding", "--data-dir", self.banyan.data)
        self.banyan.cli("rules", "remove", offline["id"], "--data-dir", self.banyan.data)
        self.banyan.cli("compare", "--dry-run")
        self.banyan.start()
        self.assertEqual(added["id"], self.banyan.json("rules", "list")["rules"][0]["id"])
        self.banyan.stop()
        with open(os.path.join(self.banyan.data, "state", "rules"), "a", encoding="utf-8") as file:
            file.write("rubbish\n")
        self.banyan.start()
        self.assertIn("saved rules are not in force", " ".join(self.banyan.json("status")["alarms"]))
        self.assertIn("damaged", self.banyan.cli("rules", "add", "--route", "a", "--ignore", "body:$.at", "--reason",
                                                 "x", code=None).stderr)


if __name__ == "__main__":
    unittest.main()
