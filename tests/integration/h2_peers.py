# SPDX-License-Identifier: Apache-2.0
"""An origin and a client that speak HTTP/2 (python3-h2), over TLS or in the clear."""

import socket
import ssl
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from harness import SocketServer


class H2Origin(SocketServer):
    """Answers `answer(request)`: (status, fields, body, trailers); None leaves the stream open. A path that
    begins with /echo sends every piece back as it comes and ends with `grpc-status: 0`. With `tls` (an
    ssl.SSLContext) it is what ALPN agreed on, or refused."""

    def __init__(self, answer=None, tls=None):
        self.answer = answer or (lambda request: (200, [], b'{"ok":true}', []))
        self.tls = tls
        if tls is not None:
            tls.set_alpn_protocols(["h2"])
        self.lock = threading.Lock()
        self.requests, self.resets, self.connections = [], 0, 0
        super().__init__()

    def seen(self, path=None):
        with self.lock:
            return [it for it in self.requests if path is None or it["path"] == path]

    def serve(self, connection):
        try:
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
                self.open.add(connection)
            self.speak(connection)
        except h2.exceptions.ProtocolError:
            pass
        finally:
            self.open.discard(connection)
            connection.close()

    def speak(self, connection):
        with self.lock:
            self.connections += 1
        state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        state.initiate_connection()
        connection.sendall(state.data_to_send())
        open_requests, waiting = {}, {}
        while True:
            data = connection.recv(65536)
            if not data:
                return
            for event in state.receive_data(data):
                self.handle(state, event, open_requests, waiting)
            self.push(state, waiting)
            connection.sendall(state.data_to_send())

    def handle(self, state, event, open_requests, waiting):
        if isinstance(event, h2.events.RequestReceived):
            fields = dict(event.headers)
            request = {"fields": fields, "path": fields[":path"], "method": fields[":method"], "body": b"",
                       "trailers": {}}
            open_requests[event.stream_id] = request
            if request["path"].startswith("/echo"):
                state.send_headers(event.stream_id, [(":status", "200"), ("content-type", "application/grpc")])
        elif isinstance(event, h2.events.DataReceived):
            request = open_requests.get(event.stream_id)
            state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if request is None:
                return
            request["body"] += event.data
            if request["path"].startswith("/echo"):
                waiting.setdefault(event.stream_id, [b"", None])[0] += event.data
        elif isinstance(event, h2.events.TrailersReceived):
            if event.stream_id in open_requests:
                open_requests[event.stream_id]["trailers"] = dict(event.headers)
        elif isinstance(event, h2.events.StreamReset):
            with self.lock:
                self.resets += 1
            open_requests.pop(event.stream_id, None)
            waiting.pop(event.stream_id, None)
        elif isinstance(event, h2.events.StreamEnded):
            request = open_requests.pop(event.stream_id, None)
            if request is None:
                return
            with self.lock:
                self.requests.append(request)
            if request["path"].startswith("/echo"):
                waiting.setdefault(event.stream_id, [b"", None])[1] = [("grpc-status", "0")]
                return
            answered = self.answer(request)
            if answered is None:
                return
            status, fields, body, trailers = answered
            state.send_headers(event.stream_id, [(":status", str(status))] + list(fields))
            waiting[event.stream_id] = [body, list(trailers)]

    @staticmethod
    def push(state, waiting):
        """What the windows allow."""
        for stream_id in list(waiting):
            body, trailers = waiting[stream_id]
            while body:
                size = min(len(body), state.local_flow_control_window(stream_id), state.max_outbound_frame_size)
                if size <= 0:
                    break
                state.send_data(stream_id, body[:size])
                body = body[size:]
            waiting[stream_id][0] = body
            if body or trailers is None:
                continue
            if trailers:
                state.send_headers(stream_id, trailers, end_stream=True)
            else:
                state.end_stream(stream_id)
            del waiting[stream_id]


class H2Client:
    """One connection, used from one thread."""

    def __init__(self, port, tls=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        if tls is not None:
            tls.set_alpn_protocols(["h2"])
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.state.initiate_connection()
        self.flush()
        self.streams = {}

    def flush(self):
        self.socket.sendall(self.state.data_to_send())

    def open(self, path, fields=(), method="POST", ends=False):
        stream_id = self.state.get_next_available_stream_id()
        self.streams[stream_id] = {"head": None, "body": b"", "trailers": None, "ended": False, "reset": None}
        self.state.send_headers(stream_id, [(":method", method), (":scheme", "http"), (":authority", "localhost"),
                                            (":path", path)] + list(fields), end_stream=ends)
        self.flush()
        return stream_id

    def send(self, stream_id, data, ends=False):
        self.state.send_data(stream_id, data, end_stream=ends)
        self.flush()

    def reset(self, stream_id):
        self.state.reset_stream(stream_id, 8)
        self.flush()

    def read_until(self, condition):
        while not condition():
            data = self.socket.recv(65536)
            if not data:
                raise AssertionError("the proxy closed the connection")
            for event in self.state.receive_data(data):
                stream = self.streams.get(getattr(event, "stream_id", None))
                if stream is None:
                    continue
                if isinstance(event, h2.events.ResponseReceived):
                    stream["head"] = dict(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    stream["body"] += event.data
                    self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.TrailersReceived):
                    stream["trailers"] = dict(event.headers)
                elif isinstance(event, h2.events.StreamEnded):
                    stream["ended"] = True
                elif isinstance(event, h2.events.StreamReset):
                    stream["reset"] = event.error_code
            self.flush()

    def close(self):
        self.socket.close()


def server_tls(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
