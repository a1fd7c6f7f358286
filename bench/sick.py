#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a sick candidate costs the clients, by pairs of rounds.

    ./dev bench sick [--rounds N] [--seconds S]

Three Banyans with everything on (bench/peer.sh full) stand before one legacy; their candidates answer at once, after
50 ms, and never. Each round loads each of them once (wrk, 48 connections, 1 KB), in an order that turns, and waits
until its mirror has come to rest before the next. A round of a noisy machine differs from the next by more than what
is looked for, so the figure is the ratio to the healthy one of the same round: its mean without the outer tenths, with
its standard error. Banyan has one core, the load and the systems the other. Loopback only; needs nginx with the echo
module, wrk and taskset (packages.txt)."""

import argparse
import math
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import wave_load

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = ("healthy", "slow", "dead")
CONNECTIONS = 48
START_SECONDS = 20
# So calm is a process that only waits: CPU time in a part of a second.
CALM_SHARE = 0.06
CALM_LOOKS = 4
LOOK_SECONDS = 0.25
CALM_SECONDS_MAX = 60
TRIMMED = 0.1

NGINX = """load_module %(echo)s;
daemon off; worker_processes 1; pid %(folder)s/%(name)s.pid; error_log %(folder)s/%(name)s.err error;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s; default_type application/json;
  client_body_temp_path %(folder)s/b; proxy_temp_path %(folder)s/p; fastcgi_temp_path %(folder)s/f;
  uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
  server { listen 127.0.0.1:%(port)d backlog=4096; location = /answer { return 200 '%(body)s'; }
    location = /small { %(act)s } }
}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_port(port, process):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("sick.py: %s does not listen" % process.args)


def trimmed(values):
    """Mean without the outer tenths, and its standard error."""
    cut = int(len(values) * TRIMMED)
    kept = sorted(values)[cut:len(values) - cut]
    error = statistics.stdev(kept) / math.sqrt(len(kept)) if len(kept) > 1 else float("nan")
    return statistics.mean(kept), error


class Bench:
    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        self.echo = self.find_echo()

    @staticmethod
    def find_echo():
        about = subprocess.run(["nginx", "-V"], capture_output=True, text=True, check=True).stderr
        found = re.search(r"--modules-path=(\S+)", about)
        path = os.path.join(found[1], "ngx_http_echo_module.so") if found else ""
        if not os.path.exists(path):
            sys.exit("sick.py: nginx has no echo module (libnginx-mod-http-echo)")
        return path

    def start(self, core, command):
        process = subprocess.Popen(["taskset", "-c", str(core), *command], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def origin(self, name, act):
        port = free_port()
        path = os.path.join(self.folder, name + ".conf")
        with open(path, "w", encoding="utf-8") as out:
            out.write(NGINX % {"echo": self.echo, "folder": self.folder, "name": name, "port": port, "act": act,
                               "body": wave_load.BODY.decode()})
        wait_port(port, self.start(1, ["nginx", "-p", self.folder, "-c", path]))
        return port

    def banyan(self, name, legacy, candidate):
        port = free_port()
        folder = os.path.join(self.folder, name)
        os.mkdir(folder)
        process = self.start(0, ["sh", os.path.join(HERE, "peer.sh"), "full", str(port), str(legacy), str(candidate),
                                 folder])
        wait_port(port, process)
        return port, process

    def close(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as text:
        fields = text.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_calm(pid):
    """Seconds until the process rested."""
    began = time.monotonic()
    calm = 0
    while calm < CALM_LOOKS and time.monotonic() - began < CALM_SECONDS_MAX:
        before = cpu_seconds(pid)
        time.sleep(LOOK_SECONDS)
        calm = calm + 1 if cpu_seconds(pid) - before <= CALM_SHARE * LOOK_SECONDS else 0
    return time.monotonic() - began


def load(port, seconds):
    """Requests a second, and p50 in milliseconds."""
    out = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency",
                          f"http://127.0.0.1:{port}/small"], capture_output=True, text=True, check=True,
                         timeout=seconds + 60).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", out)
    middle = re.search(r"50%\s+([\d.]+)(us|ms|s)", out)
    if not rate or not middle or "Non-2xx" in out or "Socket errors" in out:
        sys.exit("sick.py: the load failed:\n" + out)
    return float(rate[1]), float(middle[1]) * {"us": 0.001, "ms": 1, "s": 1000}[middle[2]]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=12)
    options.add_argument("--seconds", type=int, default=2)
    options = options.parse_args()
    runs = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory(prefix="sick-") as folder, socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        dead.listen(4096)  # The kernel accepts, nobody answers.
        bench = Bench(folder)
        try:
            act = "echo_exec /answer;"
            legacy = bench.origin("legacy", act)
            candidates = {"healthy": bench.origin("healthy", act),
                          "slow": bench.origin("slow", "echo_sleep 0.05; " + act),
                          "dead": dead.getsockname()[1]}
            banyans = {kind: bench.banyan(kind, legacy, port) for kind, port in candidates.items()}
            for number in range(options.rounds):
                turn = number % len(KINDS)
                for kind in KINDS[turn:] + KINDS[:turn]:
                    port, process = banyans[kind]
                    rate, middle = load(port, options.seconds)
                    rested = wait_calm(process.pid)
                    runs[kind].append((rate, middle))
                    print("round %2d %-8s %8.0f/s  p50 %.2f ms  at rest after %.1f s"
                          % (number + 1, kind, rate, middle, rested), flush=True)
        finally:
            bench.close()
    print("\n%-8s %10s %8s   %s" % ("", "requests/s", "p50 ms", "to the healthy one of the same round"))
    for kind in KINDS:
        rates, middles = zip(*runs[kind])
        line = "%-8s %10.0f %8.2f" % (kind, statistics.median(rates), statistics.median(middles))
        if kind != "healthy":
            pairs = list(zip(runs[kind], runs["healthy"]))
            ratio, error = trimmed([ours[0] / well[0] for ours, well in pairs])
            later, later_error = trimmed([ours[1] - well[1] for ours, well in pairs])
            line += "   %.3f ± %.3f of its requests/s, p50 %+.2f ± %.2f ms" % (ratio, error, later, later_error)
        print(line)


if __name__ == "__main__":
    main()
