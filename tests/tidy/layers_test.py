#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the real includes against docs/layers.txt, and the house rules a script can see."""

import os
import re
import subprocess
import unittest

ROOT = os.environ.get("BANYAN_SOURCE_DIR") or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)
PRODUCT_LINES_MAX = 600


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def sources():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.h", "*.cc"], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout.split()
    return [path for path in listed if os.path.exists(os.path.join(ROOT, path))]


def load_layers():
    rooms, doors = {}, {}
    for line in read("docs/layers.txt").splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        head, _, rest = line.partition(":")
        if head.startswith("door "):
            doors[head[5:].strip()] = rest.split()
        else:
            rooms[head.strip()] = rest.split()
    return rooms, doors


def room_of(path, rooms):
    matches = [room for room in rooms if path.startswith(room + "/")]
    return max(matches, key=len) if matches else None


def violations(files, rooms, doors):
    """files: {path: text}. Yields a sentence for each include that the table does not allow."""
    for path, text in files.items():
        room = room_of(path, rooms)
        if room is None:
            yield f"{path}: lies in no room of docs/layers.txt"
            continue
        allowed = rooms[room]
        for kind, name in INCLUDE.findall(text):
            if kind == '"':
                target = room_of(name, rooms)
                if target is None:
                    yield f"{path}: includes {name}, which lies in no room"
                elif target != room and allowed != ["*"] and target not in allowed:
                    yield f"{path}: {room} may not include {target} ({name})"
            elif room not in ("tests", "bench"):
                for door, owners in doors.items():
                    if name.startswith(door) and room not in owners:
                        yield f"{path}: {name} belongs behind the door of {' '.join(owners)}"


class LayersTest(unittest.TestCase):
    def test_includes_follow_the_table(self):
        rooms, doors = load_layers()
        files = {path: read(path) for path in sources()}
        self.assertGreater(len(files), 40)
        self.assertEqual([], list(violations(files, rooms, doors)))

    def test_an_unknown_edge_is_found(self):
        rooms, doors = load_layers()
        bad = {"recorder/x.cc": '#include "comparator/compare.h"\n', "proxy/y.cc": "#include <sqlite3.h>\n",
               "misc/z.h": ""}
        self.assertEqual(3, len(list(violations(bad, rooms, doors))))

    def test_the_table_has_no_cycle(self):
        rooms, _ = load_layers()
        done = set()

        def visit(room, path):
            self.assertNotIn(room, path, " -> ".join(path + [room]))
            if room in done or rooms[room] == ["*"]:
                return
            for below in rooms[room]:
                visit(below, path + [room])
            done.add(room)

        for room in rooms:
            visit(room, [])


class HouseRulesTest(unittest.TestCase):
    def test_each_source_opens_with_its_licence(self):
        bad = [path for path in sources() if not read(path).startswith("// SPDX-License-Identifier: Apache-2.0")]
        self.assertEqual([], bad)

    def test_headers_have_pragma_once_and_no_using_namespace(self):
        headers = [path for path in sources() if path.endswith(".h")]
        self.assertEqual([], [path for path in headers if "#pragma once" not in read(path)])
        self.assertEqual([], [path for path in headers if re.search(r"^\s*using namespace", read(path), re.M)])

    def test_nothing_is_left_to_do_without_an_issue(self):
        bad = []
        for path in sources():
            bad += [f"{path}: {line.strip()}" for line in read(path).splitlines()
                    if re.search(r"\b(TODO(?!\(#\d+\))|FIXME|XXX|HACK)\b", line)]
        self.assertEqual([], bad)

    def test_product_code_throws_nothing(self):
        bad = [path for path in sources()
               if not path.startswith(("tests/", "bench/")) and re.search(r"^\s*throw\b", read(path), re.M)]
        self.assertEqual([], bad)

    def test_sources_stay_short(self):
        long = [(path, read(path).count("\n")) for path in sources() if not path.startswith(("tests/", "bench/"))]
        self.assertEqual([], [entry for entry in long if entry[1] > PRODUCT_LINES_MAX])


if __name__ == "__main__":
    unittest.main()
