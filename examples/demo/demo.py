#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demo: a legacy shop, its candidate with planted differences, traffic, and Banyan before them.

`./dev demo` shows it; `./dev demo --check` runs it headless, asserts what must be found, and ends.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import shop  # noqa: E402
from traffic import Traffic  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = """\
data_dir = "{data}"
workers = 2

[systems.legacy]
urls = ["http://127.0.0.1:{legacy}"]

[systems.candidate]
urls = ["http://127.0.0.1:{candidate}"]

[[listeners]]
address = "127.0.0.1:{proxy}"

[admin]
address = "127.0.0.1:{admin}"

[mirror]
read_staleness = "2s"
deadline = "5s"

[[routes]]
name = "orders"
match = {{ path = "/orders/**" }}
mirror_writes = true
sticky = "cookie:session"

[[routes]]
name = "customers"
match = {{ path = "/customers/**" }}
sticky = "cookie:session"

[[routes]]
name = "shop"
match = {{ path = "/**" }}
sticky = "cookie:session"
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Failed(Exception):
    pass


class Demo:
    def __init__(self, binary, folder, ports):
        self.binary, self.folder, self.ports = os.path.abspath(binary), folder, ports
        self.config = os.path.join(folder, "banyan.toml")
        self.processes = {}
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(data=os.path.join(folder, "banyan-data"), **ports))

    def start_shop(self, system):
        argv = [sys.executable, os.path.join(HERE, "shop.py"), "--system", system, "--port",
                str(self.ports[system]), "--state", os.path.join(self.folder, system + ".orders")]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        if not process.stdout.readline():
            raise Failed("the %s shop did not start (port %d in use?)" % (system, self.ports[system]))
        self.processes[system] = process

    def start_banyan(self):
        log = os.path.join(self.folder, "banyan.log")
        with open(log, "ab") as errors:
            process = subprocess.Popen([self.binary, "serve", "-c", self.config], stdin=subprocess.DEVNULL,
                                       stderr=errors)
        self.processes["banyan"] = process
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with open(log, encoding="utf-8", errors="replace") as file:
                text = file.read()
            if "banyan: ready" in text:
                return
            if process.poll() is not None:
                raise Failed("banyan ended at start:\n" + text)
            time.sleep(0.02)
        raise Failed("banyan is not ready after 20 s:\n" + text)

    def kill(self, name, how=signal.SIGKILL):
        process = self.processes.pop(name)
        process.send_signal(how)
        return process.wait(timeout=60)

    def stop(self):
        for name in ("banyan", "candidate", "legacy"):
            if name in self.processes and self.processes[name].poll() is None:
                self.kill(name, signal.SIGTERM)

    def cli(self, *arguments, codes=(0,)):
        done = subprocess.run([self.binary, *arguments, "-c", self.config], capture_output=True, text=True,
                              timeout=120)
        if done.returncode not in codes:
            raise Failed("banyan %s: exit %d\n%s%s" % (" ".join(arguments), done.returncode, done.stdout,
                                                       done.stderr))
        return done

    def json(self, *arguments, codes=(0,)):
        return json.loads(self.cli(*arguments, "--json", codes=codes).stdout)

    def settle(self, seconds=30):
        """Waits until every copy has ended and was compared; answers the ledger."""
        deadline = time.monotonic() + seconds
        while True:
            ledger = self.json("ledger", codes=(0, 1))
            total = ledger["total"]
            if total["open"] == 0 and total["mirror"]["pending"] == 0 and total["compared"]["pending"] == 0:
                return ledger
            if time.monotonic() > deadline:
                raise Failed("not settled after %d s: %s" % (seconds, json.dumps(total)))
            time.sleep(0.1)

    def findings(self):
        return self.json("findings", "list")["findings"]

    def shop_summary(self, system):
        with urllib.request.urlopen("http://127.0.0.1:%d/summary" % self.ports[system], timeout=10) as answer:
            return json.load(answer)


def expect(condition, what):
    if not condition:
        raise Failed(what)
    print("  ok   " + what, flush=True)


def shape_of(finding):
    return (finding["route"], finding["endpoint"], finding["path"], finding["kind"])


# A write cut off by the kill gets no answer and waits for reconcile; until then its reader sees the gap.
OF_THE_KILL = {("orders", "GET /orders/{}", "status", "status")}


def check_findings(demo, after_kill=False):
    wanted = {shape for _, shape in shop.PLANTED if shape}
    deadline = time.monotonic() + 20
    while True:
        found = {shape_of(finding): finding for finding in demo.findings() if finding["state"] == "open"}
        if wanted <= set(found) or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    for what, shape in shop.PLANTED:
        if shape:
            expect(shape in found, "found: %s (%s %s %s)" % (what, shape[1], shape[2], shape[3]))
    others = [finding for shape, finding in found.items() if shape not in wanted and not
              (after_kill and (finding["kind"] == "no_answer" or shape in OF_THE_KILL))]
    expect(not others, "nothing else is an open finding" + "".join("\n       " + str(f) for f in others))


def check(demo):
    started = time.monotonic()
    print("traffic: reads and writes, 8 visitors")
    traffic = Traffic(demo.ports["proxy"], visitors=8)
    traffic.start(requests_each=250)
    traffic.wait()
    expect(not traffic.failed, "2,000 requests, none failed%s" % "".join(map(str, traffic.failed[:3])))
    demo.settle()
    check_findings(demo)
    report = demo.json("report")
    slow = [(entry["route"], entry["endpoint"]) for entry in report["slower"]]
    # A busy machine may slow others down a little; the planted one adds most.
    expect(slow[:1] == [shop.SLOW_ENDPOINT], "the slower endpoint leads the report's latency section %s" % slow[:1])

    print("shift: half of the sessions of `orders` to the candidate, and back under load")
    demo.cli("route", "set", "orders", "--candidate-percent", "50", "--reason", "demo")
    before = demo.json("ledger", codes=(0, 1))["routes"]["orders"]["answered"]["candidate"]
    # Enough sessions that the salted hash of at least one is below the dial (all above it: 1 in 16 million).
    traffic = Traffic(demo.ports["proxy"], visitors=24, seed=11, paths="orders", first_visitor=101)
    traffic.start(requests_each=50)
    deadline = time.monotonic() + 20
    while demo.json("ledger", codes=(0, 1))["routes"]["orders"]["answered"]["candidate"] <= before:
        if time.monotonic() > deadline:
            raise Failed("the candidate answered nothing after the shift")
    asked = time.monotonic()
    demo.cli("route", "rollback", "--all", "--reason", "demo")
    took = time.monotonic() - asked
    expect(took < 1.0, "rollback of everything took %.0f ms, command included" % (took * 1000))
    # What was in flight at the rollback may still be answered by the candidate; nothing begun later.
    time.sleep(1.0)
    demo_after = demo.json("ledger", codes=(0, 1))["routes"]["orders"]["answered"]["candidate"]
    traffic.wait()
    expect(not traffic.failed, "not one failed request%s (%d reads met a write whose copy was still on its way)"
           % ("".join(map(str, traffic.failed[:3])), traffic.late_reads()))
    demo.settle()
    rolled = demo.json("ledger")["routes"]["orders"]["answered"]["candidate"]
    expect(rolled == demo_after, "the candidate answers nothing after the rollback")

    print("outage: the candidate is killed, comes back, and catches up")
    traffic = Traffic(demo.ports["proxy"], visitors=8, seed=13, rate=400, first_visitor=201)
    traffic.start(requests_each=250)
    time.sleep(1.0)
    demo.kill("candidate")
    time.sleep(2.0)
    demo.start_shop("candidate")
    traffic.wait()
    expect(not traffic.failed, "not one failed request meanwhile %s" % "".join(map(str, traffic.failed[:3])))
    ledger = demo.settle(60)
    reconciled = demo.json("reconcile", codes=(0, 1))
    expect(reconciled["remaining"] == 0, "reconcile leaves nothing (%d sent)" % reconciled["sent"])
    demo.settle()
    legacy, candidate = demo.shop_summary("legacy"), demo.shop_summary("candidate")
    expect(legacy["orders"] == candidate["orders"] and legacy["total"] == candidate["total"],
           "both shops hold the same %d orders" % legacy["orders"])
    check_findings(demo, after_kill=True)
    ledger = demo.json("ledger")
    expect(ledger["total"]["balanced"], "the ledger balances: %d admitted" % ledger["total"]["admitted"])
    expect(demo.kill("banyan", signal.SIGTERM) == 0, "banyan stops cleanly")
    demo.cli("log", "verify", "--data-dir", os.path.join(demo.folder, "banyan-data"))
    print("demo check passed in %.0f s" % (time.monotonic() - started))


def show(demo):
    ports = demo.ports
    print("""
  legacy    http://127.0.0.1:{legacy}
  candidate http://127.0.0.1:{candidate}   (12 planted differences)
  banyan    http://127.0.0.1:{proxy}   the clients' address
  admin     http://127.0.0.1:{admin}   API and /metrics
""".format(**ports))
    config = os.path.relpath(demo.config)
    for line in ("status", "findings list", "report", "route set orders --candidate-percent 25 --reason try",
                 "route rollback --all", "ledger", "log tail", "reconcile"):
        print("  try: build/release/banyan %s -c %s" % (line, config))
    print("\n  Ctrl-C ends the demo.\n", flush=True)
    traffic = Traffic(ports["proxy"], visitors=8, rate=50)
    traffic.start(requests_each=100_000)
    while True:
        time.sleep(5)
        ledger = demo.json("ledger", codes=(0, 1))["total"]
        opened = [finding for finding in demo.findings() if finding["state"] == "open"]
        print("  %6d requests, %d failed; %d mirrored, %d equal, %d different; %d open findings"
              % (traffic.done, len(traffic.failed), ledger["mirror"]["mirrored"], ledger["compared"]["equal"],
                 ledger["compared"]["different"], len(opened)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--check", action="store_true", help="headless, bounded, exits 0 or 1")
    parser.add_argument("--keep", action="store_true", help="keep the folder of a check")
    options = parser.parse_args()
    if options.check:
        folder = tempfile.mkdtemp(prefix="banyan-demo-")
        ports = {name: free_port() for name in ("legacy", "candidate", "proxy", "admin")}
    else:
        folder = os.path.join(os.getcwd(), "banyan-data", "demo")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        ports = {"legacy": 9001, "candidate": 9002, "proxy": 8080, "admin": 9901}
    demo = Demo(options.binary, folder, ports)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    code = 1
    try:
        demo.start_shop("legacy")
        demo.start_shop("candidate")
        demo.start_banyan()
        if options.check:
            check(demo)
        else:
            show(demo)
        code = 0
    except KeyboardInterrupt:
        code = 0
    except (Failed, OSError, subprocess.TimeoutExpired, urllib.error.URLError) as error:
        print("demo: FAILED: %s" % error, file=sys.stderr)
        log = os.path.join(folder, "banyan.log")
        if options.check and os.path.exists(log):
            with open(log, encoding="utf-8", errors="replace") as file:
                print("banyan's last words:\n" + "".join(file.readlines()[-20:]), file=sys.stderr)
    finally:
        demo.stop()
        if options.check and not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
