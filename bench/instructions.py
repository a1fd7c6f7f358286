#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions per request and thread role, counted by Callgrind, against pinned budgets.

    ./dev bench instructions            prints the table
    ./dev bench instructions --pin      also writes it to bench/instructions.json
    ./dev bench instructions --check    fails where a figure is over its budget by more than 5 %, and a
                                        role's by more than 1 % of the total

A release binary runs under valgrind --tool=callgrind with one worker, once for a short and once for a
longer run; the difference by the number of requests is what a request costs, and start and stop
cancel out. A run's loads each wait until all is calm, since readers that act by time would otherwise
sometimes fall out of the log's tail and sometimes not. The client sends in waves over 48 connections and waits for each wave, the origins answer
1 KB, so that the work is the same in every run. Threads that act by time are slowed down as much as
Callgrind slows down the others (bench/slow_time.c). What is counted is user mode alone: no system
calls, no page faults; `run_peers` measures these.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from wave_load import BODY, CONNECTIONS, Server

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(HERE)
BUDGETS = os.path.join(HERE, "instructions.json")
TOLERANCE = 1.05
ROLE_TOLERANCE = 0.01  # of the total
RUNS_MAX = 5
SLOW_TIME = 50
REQUESTS = 1920  # of one load
LOADS = (1, 3)  # of the short and of the longer run
REQUEST = b"GET /small HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nUser-Agent: instructions\r\n\r\n"

# A thread is told by a source file of which it alone runs something (the main thread, the first, runs
# what opens and closes the rooms).
ROLES = (
    ("worker", "proxy/worker.cc"),
    ("mirror", "replay/mirror_core.cc"),
    ("comparator", "comparator/judge.cc"),
    ("ledger", "ledger/ledger.cc"),
    ("findings", "comparator/findings.cc"),
    ("recorder", "recorder/stream_writer.cc"),
    ("sealer", "recorder/sealer.cc"),
)
CONFIGS = {"record": 0, "full": 100}


class Run(Server):
    """One process under Callgrind, from start to exit."""

    def __init__(self, binary, mirror_percent, folder, preload):
        super().__init__(["valgrind", "--tool=callgrind", "--separate-threads=yes",
                          "--callgrind-out-file=" + os.path.join(folder, "callgrind"), "--quiet", binary], folder,
                         f'[[routes]]\nname = "all"\nmatch = {{ path = "/**" }}\nmirror_percent = {mirror_percent}\n',
                         dict(os.environ, LD_PRELOAD=preload, SLOW_TIME=str(SLOW_TIME)))

    def load(self, peers):
        for _ in range(REQUESTS // CONNECTIONS):
            for data in self.wave(peers, [REQUEST]):
                if not (data.startswith(b"HTTP/1.1 200 ") and data.endswith(BODY)):
                    self.fail("unexpected answer %r" % data[:200])

    def cpu_ticks(self):
        with open("/proc/%d/stat" % self.process.pid, encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def settle(self, copies):
        """Until every copy has arrived and no thread has more to do than to tick."""
        for _ in range(1200):
            if self.candidate.requests >= copies:
                break
            time.sleep(0.05)
        else:
            self.fail("the candidate got %d of %d copies" % (self.candidate.requests, copies))
        calm, last = 0, self.cpu_ticks()
        while calm < 4:
            time.sleep(0.5)
            now = self.cpu_ticks()
            calm = calm + 1 if now - last <= 2 else 0
            last = now

    def counts(self):
        """Instructions by role; what no role claims is `others`."""
        by_role = {}
        for name in sorted(os.listdir(self.folder)):
            if not name.startswith("callgrind-"):
                continue
            with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as text:
                profile = text.read()
            total = int(re.search(r"^(?:totals|summary): (\d+)", profile, re.M)[1])
            role = next((role for role, source in ROLES if source in profile), "others")
            if name.endswith("-01"):
                role = "others"
            by_role[role] = by_role.get(role, 0) + total
        return by_role


def measure(binary, mirror_percent, preload, keep):
    results = [None, None]

    def one(index):
        folder = tempfile.mkdtemp(prefix="banyan-instructions-")
        run = Run(binary, mirror_percent, folder, preload)
        try:
            peers = run.connect()
            for loads in range(1, LOADS[index] + 1):
                run.load(peers)
                run.settle(loads * REQUESTS if mirror_percent else 0)
            run.finish(peers)
            results[index] = run.counts()
        finally:
            run.kill()
            if keep:
                print("kept", folder, file=sys.stderr)
            else:
                shutil.rmtree(folder, ignore_errors=True)

    threads = [threading.Thread(target=one, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if None in results:
        sys.exit("instructions: a run failed")
    requests = (LOADS[1] - LOADS[0]) * REQUESTS
    figures = {role: (results[1].get(role, 0) - results[0].get(role, 0)) / requests
               for role in [name for name, _ in ROLES] + ["others"]}
    figures["total"] = sum(figures.values())
    return {role: round(figure) for role, figure in figures.items()}


def build_preload(folder):
    library = os.path.join(folder, "slow_time.so")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, os.path.join(HERE, "slow_time.c")], check=True)
    return library


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=os.environ.get("BANYAN_RELEASE_BINARY",
                                                           os.path.join(SOURCE, "build/release/banyan")))
    parser.add_argument("--pin", action="store_true", help="write the figures to bench/instructions.json")
    parser.add_argument("--check", action="store_true", help="exit 1 where a budget is exceeded")
    parser.add_argument("--config", action="append", choices=sorted(CONFIGS))
    parser.add_argument("--keep", action="store_true", help="keep the profiles, for callgrind_annotate")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="banyan-preload-")
    try:
        preload = build_preload(folder)
        pinned = load_budgets()
        measured = {}
        for name in options.config or CONFIGS:
            measured[name] = measure(options.binary, CONFIGS[name], preload, options.keep)
            # Threads that act by time turn more often on a busy machine, which only adds.
            for _ in range(RUNS_MAX - 1):
                if not options.pin and not (options.check and is_over({name: measured[name]}, pinned)):
                    break
                again = measure(options.binary, CONFIGS[name], preload, options.keep)
                measured[name] = {role: min(figure, again[role]) for role, figure in measured[name].items()}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("%-8s %-12s %12s %8s" % ("config", "role", "instructions", "pinned"))
    for name, figures in measured.items():
        for role, figure in figures.items():
            print("%-8s %-12s %12d %8s" % (name, role, figure, pinned.get(name, {}).get(role, "-")))
    if options.pin:
        pinned.update(measured)
        with open(BUDGETS, "w", encoding="utf-8") as out:
            json.dump(pinned, out, indent=2)
            out.write("\n")
    if options.check:
        sys.exit(report(measured, pinned))


def load_budgets():
    if not os.path.exists(BUDGETS):
        return {}
    with open(BUDGETS, encoding="utf-8") as text:
        return json.load(text)


def judged(measured, pinned):
    """(config, role, figure, budget, what it may take). How often threads that act by time turn, and how
    much they find then, differs from machine to machine, which for a small role is more than 5 %: a role
    may also take 1 % of the total more."""
    for name, figures in measured.items():
        budgets = pinned.get(name, {})
        for role, figure in figures.items():
            budget = budgets.get(role)
            if budget is None:
                continue
            allowed = budget * TOLERANCE
            if role != "total":
                allowed = max(allowed, budget + budgets["total"] * ROLE_TOLERANCE)
            yield name, role, figure, budget, allowed


def is_over(measured, pinned):
    return any(figure > allowed for _, _, figure, _, allowed in judged(measured, pinned))


def report(measured, pinned):
    """1 where something costs more than its budget allows."""
    status = 0
    for name, role, figure, budget, allowed in judged(measured, pinned):
        if figure > allowed:
            status = 1
            print("instructions: %s/%s takes %d instructions a request, its budget is %d (+%.1f %%); make it "
                  "cheaper, or say why in the commit and run ./dev bench instructions --pin"
                  % (name, role, figure, budget, 100.0 * figure / budget - 100), file=sys.stderr)
        elif figure < 2 * budget - allowed:
            print("instructions: %s/%s takes %d, well below its budget of %d: ./dev bench instructions --pin keeps it"
                  % (name, role, figure, budget), file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
