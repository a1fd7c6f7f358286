# SPDX-License-Identifier: Apache-2.0
"""Raw sockets for the hostile suites: tables of cases, a strict reader of messages, recording origins.

The reader is written here from RFC 9112 and on purpose shares nothing with the product: what it does not
accept is no proper message.
"""

import os
import re
import socket
import struct
import threading

from harness import SOURCE, SocketServer

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) HTTP/1\.1\Z")
STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) [\t\x20-\x7e\x80-\xff]*\Z")
VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*\Z")
PATIENCE = 10.0


class Improper(Exception):
    """Bytes that are no proper message."""


class Cut(Exception):
    """The stream ended inside a message."""


def unescape(text):
    def run(match):
        return unescape_plain(match.group(2)) * int(match.group(1))
    parts, at = [], 0
    for match in re.finditer(r"<(\d+)\*(.*?)>", text):
        parts.append(unescape_plain(text[at:match.start()]))
        parts.append(run(match))
        at = match.end()
    parts.append(unescape_plain(text[at:]))
    return b"".join(parts)


def unescape_plain(text):
    table = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}

    def one(match):
        found = match.group(1)
        return bytes([int(found[1:], 16)]).decode("latin1") if found[0] == "x" and len(found) == 3 \
            else table[found].decode("latin1")
    return re.sub(r"\\(x[0-9a-f]{2}|.)", one, text).encode("latin1")


class Case:
    def __init__(self, line, data):
        self.name, verdict, self.section = [part.strip() for part in line.split(" | ")]
        words = verdict.split(" ")
        self.kind = words[0]
        self.numbers = [int(word) for word in words[1:] if word.isdigit()]
        self.checks = dict(word.split("=", 1) for word in words[1:] if "=" in word)
        self.data = data


def load_cases(name):
    cases = []
    with open(os.path.join(SOURCE, "tests", "cases", name), encoding="ascii") as file:
        lines = [line.rstrip("\n") for line in file]
    pending = None
    for line in lines:
        if pending is not None:
            cases.append(Case(pending, unescape(line)))
            pending = None
        elif line and not line.startswith("#"):
            pending = line
    return cases


class Stream:
    """A socket with a buffer. Everything waits at most PATIENCE."""

    def __init__(self, connection):
        self.connection = connection
        connection.settimeout(PATIENCE)
        self.buffer = b""
        self.ended = False
        self.was_reset = False

    def fill(self):
        if self.ended:
            return False
        try:
            got = self.connection.recv(65536)
        except ConnectionError:
            got, self.was_reset = b"", True
        if not got:
            self.ended = True
            return False
        self.buffer += got
        return True

    def line(self):
        while b"\n" not in self.buffer:
            if not self.fill():
                raise Cut("in a line: %r" % self.buffer[:200])
        line, self.buffer = self.buffer.split(b"\n", 1)
        if not line.endswith(b"\r") or b"\r" in line[:-1]:
            raise Improper("line end of %r" % line[:200])
        return line[:-1]

    def exactly(self, size):
        while len(self.buffer) < size:
            if not self.fill():
                raise Cut("%d of %d bytes of a body" % (len(self.buffer), size))
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def fields(self):
        found = []
        while True:
            line = self.line()
            if not line:
                return found
            name, colon, value = line.partition(b":")
            if not colon or not TOKEN.match(name) or not VALUE.match(value):
                raise Improper("field %r" % line[:200])
            found.append((name.decode().lower(), value.strip(b" \t").decode("latin1")))

    def body(self, message, has_none, until_close):
        lengths = message.all("content-length")
        codings = message.all("transfer-encoding")
        if lengths and codings or len(lengths) > 1 or len(codings) > 1:
            raise Improper("two framings: %r %r" % (lengths, codings))
        if has_none:
            return
        if codings:
            if codings != ["chunked"]:
                raise Improper("coding %r" % codings)
            self.chunks(message)
        elif lengths:
            if not re.match(r"[0-9]+\Z", lengths[0]):
                raise Improper("length %r" % lengths)
            message.body = self.exactly(int(lengths[0]))
        elif until_close:
            while self.fill():
                pass
            if self.was_reset:
                raise Cut("reset")
            message.body, self.buffer = self.buffer, b""

    def chunks(self, message):
        while True:
            line = self.line()
            if not re.match(rb"[0-9a-fA-F]{1,16}\Z", line):
                raise Improper("chunk size %r" % line[:100])
            size = int(line, 16)
            if size == 0:
                message.trailers = self.fields()
                return
            message.body += self.exactly(size)
            if self.exactly(2) != b"\r\n":
                raise Improper("chunk end")

    def request(self):
        """The next request, or None at the proper end of the stream."""
        while not self.buffer:
            if not self.fill():
                return None
        line = self.line()
        match = REQUEST_LINE.match(line)
        if not match:
            raise Improper("request line %r" % line[:200])
        message = Message(method=match.group(1).decode(), target=match.group(2).decode("latin1"))
        message.fields = self.fields()
        if len(message.all("host")) != 1:
            raise Improper("hosts %r" % message.all("host"))
        return message

    def answer(self, method="GET"):
        line = self.line()
        match = STATUS_LINE.match(line)
        if not match:
            raise Improper("status line %r" % line[:200])
        message = Message(status=int(match.group(1)))
        message.fields = self.fields()
        has_none = method == "HEAD" or message.status < 200 or message.status in (204, 304)
        self.body(message, has_none, True)
        return message

    def at_end(self):
        """True if the peer has closed and nothing is left."""
        if self.buffer:
            return False
        return not self.fill()

    def close(self):
        self.connection.close()


class Message:
    def __init__(self, method="", target="", status=0):
        self.method, self.target, self.status = method, target, status
        self.fields, self.trailers, self.body = [], [], b""

    def all(self, name):
        return [value for found, value in self.fields if found == name]


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Stream(connection)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class RawOrigin(SocketServer):
    """Accepts on a free port; `serve(stream)` runs for each connection."""

    def __init__(self):
        self.lock = threading.Lock()
        super().__init__(backlog=512)

    def run(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(120)
        stream = Stream(connection)
        try:
            self.serve(stream)
        except OSError:
            pass
        finally:
            self.open.discard(connection)
            stream.close()
