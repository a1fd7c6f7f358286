#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demo's check is a test: twelve planted differences, shift, rollback, outage, reconcile, ledger."""

import os
import subprocess
import sys
import unittest

from harness import BINARY, SOURCE


class DemoTest(unittest.TestCase):
    def test_demo_check_passes(self):
        done = subprocess.run([sys.executable, os.path.join(SOURCE, "examples", "demo", "demo.py"), "--binary", BINARY,
                               "--check"], capture_output=True, text=True, timeout=600)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
