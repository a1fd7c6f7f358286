#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""h2spec in strict mode against the real binary: HTTP/2 over TLS, and by prior knowledge. Exits 1 where a case fails
that docs/conformance.md does not explain, or one passes that it does."""

import argparse
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from certificates import Certificates  # noqa: E402
from harness import Banyan, Origin, free_port  # noqa: E402

ROUTE = """\
[[routes]]
name = "all"
match = { path = "/**" }
mirror_percent = 0
[[listeners]]
address = "127.0.0.1:%d"
tls = { %s }
"""
# Over which connection, and which case; the reasons stand in docs/conformance.md.
EXCEPTIONS = {("plain", "Sends invalid connection preface")}


def run(h2spec, kind, port, report):
    arguments = [h2spec, "--strict", "--host", "127.0.0.1", "--port", str(port), "--timeout", "5",
                 "--junit-report", report]
    if kind == "tls":
        arguments += ["--tls", "--insecure"]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=900, check=False)
    cases = xml.etree.ElementTree.parse(report).getroot().iter("testcase")
    results = []
    for case in cases:
        is_failed = case.find("failure") is not None or case.find("error") is not None
        results.append((case.get("package"), case.get("classname"), is_failed))
    if not results:
        raise SystemExit("h2spec told of no case:\n" + done.stdout[-2000:] + done.stderr[-2000:])
    return results


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--h2spec", required=True)
    options.add_argument("--binary", required=True)
    given = options.parse_args()
    certificates, origin = Certificates(), Origin()
    certificates.make("server")
    secure = free_port()
    banyan = Banyan(origin.port, free_port(), ROUTE % (secure, certificates.pair("server")), binary=given.binary)
    with open(banyan.config, encoding="utf-8") as file:
        text = file.read().replace("[[listeners]]\n", "[[listeners]]\nhttp2 = true\n", 1)
    with open(banyan.config, "w", encoding="utf-8") as file:
        file.write(text)
    failed, excused = [], set()
    try:
        banyan.start()
        with tempfile.TemporaryDirectory() as folder:
            for kind, port in (("tls", secure), ("plain", banyan.port)):
                results = run(given.h2spec, kind, port, os.path.join(folder, kind + ".xml"))
                bad = [it for it in results if it[2]]
                print("%s: %d cases, %d passed, %d failed" % (kind, len(results), len(results) - len(bad), len(bad)))
                for package, title, _ in bad:
                    if (kind, title) in EXCEPTIONS:
                        excused.add((kind, title))
                    else:
                        failed.append((kind, package, title))
                    print("  %s %s: %s" % ("explained" if (kind, title) in EXCEPTIONS else "FAILED", package, title))
        if banyan.process.poll() is not None:
            failed.append(("the binary ended", banyan.process.returncode, banyan.errors()[-2000:]))
        elif banyan.stop() != 0:
            failed.append(("the binary did not stop well", banyan.process.returncode, ""))
    finally:
        banyan.clean()
        origin.stop()
        certificates.clean()
    for kind, name in sorted(EXCEPTIONS - excused):
        print("passes by now, docs/conformance.md says otherwise: %s: %s" % (kind, name))
    return 1 if failed or EXCEPTIONS - excused else 0


if __name__ == "__main__":
    sys.exit(main())
