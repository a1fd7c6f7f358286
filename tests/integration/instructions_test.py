#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A request costs no more instructions than is pinned (bench/instructions.json): the release binary
under Callgrind, by thread role. The figures are of the binary that users get, so there is nothing to
compare where only another one was built; ./dev test always builds it."""

import os
import subprocess
import sys
import unittest

SOURCE = os.environ.get("BANYAN_SOURCE_DIR") or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class InstructionsTest(unittest.TestCase):
    def test_a_request_stays_within_its_budget(self):
        binary = os.environ.get("BANYAN_RELEASE_BINARY")
        if not binary:
            self.assertFalse(os.environ.get("CI"), "BANYAN_RELEASE_BINARY is not set; ./dev test sets it")
            return
        run = subprocess.run([sys.executable, os.path.join(SOURCE, "bench", "instructions.py"),
                              "--binary", binary, "--check"], capture_output=True, text=True, timeout=600)
        print(run.stdout, flush=True)
        self.assertEqual(run.returncode, 0, run.stderr)


if __name__ == "__main__":
    unittest.main()
