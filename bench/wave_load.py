# SPDX-License-Identifier: Apache-2.0
"""Origins and a client that send in waves, so that the work is the same in every run: for the instruction
counts (instructions.py) and for the training of what users run (train.py). Loopback only."""

import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time

CONNECTIONS = 48
BODY = (b'{"items":[' + b",".join(b'{"sku":"S-%04d","name":"part %d","price":%d.5,"stock":%d}'
                                  % (n, n, n * 3, n * 7) for n in range(19)) + b"]}")[:1024]
BIG_BODY = b'{"text":"' + b"0123456789abcdef" * 4096 + b'"}'
READY_SECONDS = 60
SEND_SECONDS = 60
END_SECONDS = 120


def answer(status, body, fields=b""):
    return (b"HTTP/1.1 %s\r\nServer: origin\r\nDate: Sat, 28 Nov 2026 10:00:00 GMT\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\nConnection: keep-alive\r\nCache-Control: no-store\r\n%s\r\n"
            % (status, len(body), fields)) + body


ANSWER = answer(b"200 OK", BODY)
ANSWERS = {
    b"/big": answer(b"200 OK", BIG_BODY),
    b"/missing": answer(b"404 Not Found", b'{"error":"not here"}'),
    b"/session": answer(b"200 OK", BODY, b"Set-Cookie: session=0123456789abcdef; Path=/; HttpOnly\r\n"),
    b"/chunked": (b"HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: application/json\r\n"
                  b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)),
}


def length_of_message(data):
    """Bytes of the first whole HTTP/1.1 message of `data`, or 0 where it is not all here."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return 0
    end += 4
    head = data[:end].lower()
    length = re.search(rb"\r\ncontent-length: *(\d+)", head)
    if length:
        end += int(length[1])
        return end if len(data) >= end else 0
    if b"\r\ntransfer-encoding: chunked" in head:
        last = data.find(b"0\r\n\r\n", end)
        return last + 5 if last >= 0 else 0
    return end


class Origin:
    """Answers by ANSWERS, what is not in there with ANSWER, and counts the requests."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.requests = 0
        self.is_ended = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with selectors.DefaultSelector() as ready:
            ready.register(self.listener, selectors.EVENT_READ)
            while not self.is_ended:
                for key, _ in ready.select(0.2):
                    if key.fileobj is self.listener:
                        peer, _ = self.listener.accept()
                        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        ready.register(peer, selectors.EVENT_READ, [b""])
                    elif not self.serve(key.fileobj, key.data):
                        ready.unregister(key.fileobj)
                        key.fileobj.close()

    def serve(self, peer, held):
        try:
            data = peer.recv(65536)
            if not data:
                return False
            data = held[0] + data
            answers = []
            while size := length_of_message(data):
                self.requests += 1
                answers.append(ANSWERS.get(data.split(b" ", 2)[1].partition(b"?")[0], ANSWER))
                data = data[size:]
            held[0] = data
            if answers:
                peer.sendall(b"".join(answers))
            return True
        except OSError:
            return False

    def close(self):
        self.is_ended = True
        self.thread.join()
        self.listener.close()


class Server:
    """Banyan between two origins, one worker: `command` starts it before "serve"."""

    def __init__(self, command, folder, routes, environment=None):
        self.folder = folder
        self.legacy, self.candidate = Origin(), Origin()
        config = os.path.join(folder, "banyan.toml")
        with open(config, "w", encoding="utf-8") as out:
            out.write(f'''data_dir = "{folder}/data"
workers = 1
[systems.legacy]
urls = ["http://127.0.0.1:{self.legacy.port}"]
[systems.candidate]
urls = ["http://127.0.0.1:{self.candidate.port}"]
[[listeners]]
address = "127.0.0.1:0"
[admin]
address = "127.0.0.1:0"
{routes}''')
        with open(os.path.join(folder, "stderr"), "wb") as stderr:
            self.process = subprocess.Popen([*command, "serve", "-c", config], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=stderr, env=environment)
        self.port = self.wait_ready()

    def stderr(self):
        with open(os.path.join(self.folder, "stderr"), encoding="utf-8", errors="replace") as text:
            return text.read()

    def fail(self, what):
        self.kill()
        sys.exit("%s: %s\n%s" % (os.path.basename(sys.argv[0]), what, self.stderr()))

    def wait_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            found = re.search(r"ready: listening on 127\.0\.0\.1:(\d+)", self.stderr())
            if found:
                return int(found[1])
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        return self.fail("Banyan did not start")

    def connect(self):
        peers = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(CONNECTIONS)]
        for peer in peers:
            peer.settimeout(SEND_SECONDS)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return peers

    def wave(self, peers, requests):
        """One request on each connection, `requests` in turn, then one answer from each; gives them."""
        for number, peer in enumerate(peers):
            peer.sendall(requests[number % len(requests)])
        answers = []
        for peer in peers:
            data = b""
            while not length_of_message(data):
                more = peer.recv(262144)
                if not more:
                    self.fail("a connection was closed")
                data += more
            answers.append(data)
        return answers

    def finish(self, peers):
        for peer in peers:
            peer.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(END_SECONDS)
        self.legacy.close()
        self.candidate.close()
        if self.process.returncode != 0:
            self.fail("Banyan ended with %d" % self.process.returncode)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
