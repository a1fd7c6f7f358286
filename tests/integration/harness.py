# SPDX-License-Identifier: Apache-2.0
"""What the integration tests share: scripted origins, the real binary, and small HTTP clients.

Everything is on 127.0.0.1 with free ports and temporary folders; every process is ended by its pid.
"""

import glob
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SOURCE = os.environ.get("BANYAN_SOURCE_DIR") or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("BANYAN_BINARY") or os.path.join(SOURCE, "build", "dev", "banyan")


FREE_PORTS = range(10000, 30000)  # below those that the kernel gives away by itself (ip_local_port_range)
given_ports = set()


def free_port():
    """A port that nobody has, that no outgoing connection will be given, and that was not given before."""
    while True:
        port = random.choice(FREE_PORTS)
        if port in given_ports:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        given_ports.add(port)
        return port


def wait_until(condition, what, seconds=20.0, step=0.02):
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("not within %.0f s: %s" % (seconds, what))
        time.sleep(step)


class SocketServer:
    """Accepts on a free port; `serve(connection)` runs for each connection in a thread of its own, and behind it the
    connection is closed. Subclasses set what serve() needs before they call __init__ here."""

    def __init__(self, backlog=128):
        self.open = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.open.add(connection)
            threading.Thread(target=self.run, args=(connection,), daemon=True).start()

    def run(self, connection):
        try:
            self.serve(connection)
        except OSError:
            pass
        finally:
            self.open.discard(connection)
            connection.close()

    def serve(self, connection):
        raise NotImplementedError

    def stop(self):
        """The port closes, and every connection ends."""
        self.listener.close()
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Origin:
    """A real HTTP/1.1 server. `answer(request)` gives (status, headers dict, body bytes) or None to
    close the connection without an answer. Keeps what it received."""

    def __init__(self, answer=None, port=0):
        self.lock = threading.Lock()
        self.requests = []
        self.answer = answer or (lambda request: (200, {"Content-Type": "application/json"}, b'{"ok":true}'))
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1  # an answer leaves whole: a server that is killed has sent it or has not

            def log_message(self, *_):
                pass

            def handle_any(self):
                body = b""
                if "Content-Length" in self.headers:
                    body = self.rfile.read(int(self.headers["Content-Length"]))
                elif self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                    while True:
                        size = int(self.rfile.readline().split(b";")[0], 16)
                        if size == 0:
                            while self.rfile.readline() not in (b"\r\n", b""):
                                pass
                            break
                        body += self.rfile.read(size)
                        self.rfile.readline()
                request = {"method": self.command, "target": self.path,
                           "headers": {name.lower(): value for name, value in self.headers.items()}, "body": body}
                with origin.lock:
                    origin.requests.append(request)
                answered = origin.answer(request)
                if answered is None:
                    self.close_connection = True
                    return
                status, headers, content = answered
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = handle_any

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def __init__(self, *arguments):
                self.open = set()
                super().__init__(*arguments)

            def process_request(self, request, address):
                self.open.add(request)
                super().process_request(request, address)

            def shutdown_request(self, request):
                self.open.discard(request)
                super().shutdown_request(request)

            def handle_error(self, *_):
                if not isinstance(sys.exc_info()[1], (OSError, ValueError)):
                    super().handle_error(*_)

        self.handler, self.server_class = Handler, Server
        self.port = port
        self.start()

    def start(self):
        self.server = self.server_class(("127.0.0.1", self.port), self.handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        """As a killed server: the port closes and every connection is reset."""
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.server.open):
            try:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def seen(self, predicate=lambda request: True):
        with self.lock:
            return [request for request in self.requests if predicate(request)]


CONFIG = """\
data_dir = "{data}"
workers = 2
[systems.legacy]
urls = ["http://127.0.0.1:{legacy}"]
[systems.candidate]
urls = ["http://127.0.0.1:{candidate}"]
{noise}[[listeners]]
address = "127.0.0.1:{proxy}"
[admin]
address = "127.0.0.1:{admin}"
"""

# Tests count what systems receive; those about witnesses bring a [noise] of their own.
NO_WITNESSES = "[noise]\nconfirm = 0\ncontrol = 0\n"

DEFAULT_ROUTE = """\
[[routes]]
name = "all"
match = { path = "/**" }
mirror_writes = true
sticky = "cookie:session"
"""


class Banyan:
    """The real binary with its own folder and config."""

    def __init__(self, legacy, candidate, extra=DEFAULT_ROUTE, top="", folder=None, binary=BINARY, data=None):
        self.folder = folder or tempfile.mkdtemp(prefix="banyan-it-")
        self.binary = binary
        self.data = data or os.path.join(self.folder, "data")
        self.port, self.admin_port = free_port(), free_port()
        self.config = os.path.join(self.folder, "banyan.toml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(top + CONFIG.format(data=self.data, legacy=legacy, candidate=candidate, proxy=self.port,
                                           admin=self.admin_port, noise="" if "[noise]" in extra else NO_WITNESSES) +
                       extra)
        self.stderr = os.path.join(self.folder, "stderr.txt")
        self.process = None

    def start(self, wait=True, preexec=None):
        with open(self.stderr, "ab") as errors:
            start = errors.tell()
            self.process = subprocess.Popen([self.binary, "serve", "-c", self.config], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=errors, preexec_fn=preexec)
        if wait:
            def ready():
                text = self.errors()[start:]
                if self.process.poll() is not None:
                    raise AssertionError("banyan ended with %d:\n%s" % (self.process.returncode, text))
                return "banyan: ready" in text
            wait_until(ready, "banyan is ready", 60)
        return self

    def errors(self):
        with open(self.stderr, encoding="utf-8", errors="replace") as file:
            return file.read()

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=30)

    def stop(self):
        """SIGTERM; answers the exit code."""
        if self.process is None or self.process.poll() is not None:
            return self.process.returncode if self.process else None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def clean(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)

    def cli(self, *arguments, code=0, timeout=120):
        done = subprocess.run([self.binary, *arguments, "-c", self.config], capture_output=True, text=True,
                              timeout=timeout, errors="replace")
        if code is not None and done.returncode != code:
            raise AssertionError("banyan %s: exit %d, wanted %d\n%s\n%s" % (
                " ".join(arguments), done.returncode, code, done.stdout[-2000:], done.stderr[-2000:]))
        return done

    def json(self, *arguments, code=0):
        return json.loads(self.cli(*arguments, "--json", code=code).stdout)

    def records(self, *arguments):
        return [json.loads(line) for line in self.cli("log", "cat", "--json", *arguments).stdout.splitlines()]

    def settle(self, seconds=30, admitted=0):
        """The ledger once nothing is under way. It shows an exchange at the latest one flush after its end, so who
        has just asked says of how many it must tell."""
        def settled():
            total = self.json("ledger", code=None)["total"]
            return total["admitted"] >= admitted and total["open"] == 0 and total["mirror"]["pending"] == 0 and total["compared"]["pending"] == 0
        wait_until(settled, "every exchange, copy and verdict has ended", seconds, 0.1)
        return self.json("ledger")

    def token(self):
        with open(os.path.join(self.data, "admin.token"), encoding="utf-8") as file:
            return file.read().strip()

    def api(self, method, path, body=None, headers=None, with_token=True):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=30)
        sent = dict(headers or {})
        if with_token:
            sent["Authorization"] = "Bearer " + self.token()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content

    def request(self, method="GET", target="/", body=None, headers=None, timeout=20):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, target, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    def nice_values(self):
        """By the names of its threads."""
        values = {}
        for task in glob.glob("/proc/%d/task/*/stat" % self.process.pid):
            with open(task, encoding="utf-8") as file:
                name, rest = file.read().rsplit(")", 1)
            values.setdefault(name.split("(", 1)[1], set()).add(int(rest.split()[16]))
        return values

    def memory_kib(self):
        with open("/proc/%d/status" % self.process.pid, encoding="utf-8") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


class Load:
    """Clients in threads until stop(), on kept connections or a new one for each request; keeps every
    failure. `tls`, an ssl.SSLContext, makes it https."""

    def __init__(self, port, clients=8, make=None, is_kept=True, tls=None):
        self.port, self.stopping, self.is_kept, self.tls = port, threading.Event(), is_kept, tls
        self.make = make or (lambda client, number: ("GET", "/item/%d" % (number % 50), None))
        self.done, self.failed, self.lock = 0, [], threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(client,), daemon=True)
                        for client in range(1, clients + 1)]

    def connect(self):
        if self.tls is not None:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def run(self, client):
        connection, number = None, 0
        while not self.stopping.is_set():
            number += 1
            method, target, body = self.make(client, number)
            is_over = not self.is_kept
            try:
                if connection is None:
                    connection = self.connect()
                headers = {"Cookie": "session=s%d" % client}
                if not self.is_kept:
                    headers["Connection"] = "close"
                connection.request(method, target, body, headers)
                answer = connection.getresponse()
                answer.read()
                good = answer.status < 400
                why = answer.status
            except (OSError, http.client.HTTPException) as error:
                good, why, is_over = False, repr(error), True
            if is_over:
                connection.close()
                connection = None
            with self.lock:
                self.done += 1
                if not good:
                    self.failed.append((target, why))
        if connection is not None:
            connection.close()

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)
        return self


class BanyanTest(unittest.TestCase):
    """Two default origins and a started Banyan; subclasses change `extra` and the answers."""

    extra = DEFAULT_ROUTE
    top = ""

    def setUp(self):
        self.legacy = Origin()
        self.candidate = Origin()
        self.banyan = Banyan(self.legacy.port, self.candidate.port, self.extra, self.top)
        self.addCleanup(self.banyan.clean)
        self.addCleanup(self.legacy.stop)
        self.addCleanup(self.candidate.stop)
