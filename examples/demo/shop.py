#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small shop, twice: `--system legacy` is the old one, `--system candidate` its replacement.

The two differ in exactly the twelve ways that PLANTED names. Orders are kept in a file, so that a
killed shop comes back with what it had.
"""

import argparse
import gzip
import json
import os
import re
import signal
import struct
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

# (what is wrong, the finding it must become: route, endpoint, path, kind); None: only a latency.
PLANTED = [
    ("renamed field", ("customers", "GET /customers/{}", "body:$.phone", "missing")),
    ("number to string", ("shop", "GET /products/{}", "body:$.price", "type")),
    ("rounding by 0.005", ("shop", "GET /quotes/{}", "body:$.total", "value")),
    ("item missing for one customer", ("shop", "GET /carts/{}", "body:$.items[]", "missing")),
    ("list order", ("shop", "GET /categories", "body:$.categories", "order")),
    ("timestamp noise", ("shop", "GET /stock/{}", "body:$.generated_at", "value")),
    ("uuid noise", ("shop", "GET /tickets/{}", "body:$.trace", "value")),
    ("404 against empty 200", ("shop", "GET /coupons/{}", "status", "status")),
    ("charset", ("shop", "*", "header:Content-Type", "encoding")),
    ("4x slower endpoint", None),
    ("500 for one language only", ("shop", "GET /greetings", "status", "status")),
    ("gzip trailer with a wrong length", ("shop", "GET /exports/{}", "body", "encoding")),
]
SLOW_ENDPOINT = ("shop", "GET /search")

LEGACY_SEARCH_SECONDS = 0.02
GREETINGS = {"en": "Hello", "de": "Guten Tag", "fr": "Bonjour", "es": "Hola"}


class Orders:
    """Orders by id, in memory and in an append-only file of JSON lines."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.by_id = {}
        self.posts = 0
        if path and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    order = json.loads(line)
                    self.by_id[order["id"]] = order
        self.file = open(path, "a", encoding="utf-8") if path else None

    def put(self, order):
        with self.lock:
            self.posts += 1
            is_new = order["id"] not in self.by_id
            self.by_id[order["id"]] = order
            if self.file:
                self.file.write(json.dumps(order) + "\n")
                self.file.flush()
            return is_new

    def get(self, order_id):
        with self.lock:
            return self.by_id.get(order_id)

    def summary(self):
        with self.lock:
            return {"orders": len(self.by_id), "posts": self.posts,
                    "total": sum(order["amount"] for order in self.by_id.values())}


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    orders = None
    is_candidate = False

    def log_message(self, *_):
        pass

    def answer(self, status, content, content_type="application/json", headers=()):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        match = re.fullmatch(r"/([a-z]+)(?:/([A-Za-z0-9-]+))?", url.path)
        handler = getattr(self, "get_" + match.group(1), None) if match else None
        if handler is None:
            self.answer(404, {"error": "no such page"})
            return
        handler(match.group(2) or "", query)

    do_HEAD = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if urlsplit(self.path).path != "/orders":
            self.answer(404, {"error": "no such page"})
            return
        try:
            order = json.loads(body)
            order = {"id": str(order["id"]), "customer": int(order["customer"]), "amount": int(order["amount"])}
        except (ValueError, KeyError, TypeError):
            self.answer(400, {"error": "an order needs id, customer and amount"})
            return
        self.orders.put(order)
        self.answer(201, order, headers=[("Location", "/orders/" + order["id"])])

    def get_customers(self, key, _):
        phone = "+49-30-%06d" % (int(key) * 37)
        customer = {"id": int(key), "name": "Customer " + key}
        customer["telephone" if self.is_candidate else "phone"] = phone
        self.answer(200, customer)

    def get_products(self, key, _):
        price = 10 + int(key) % 90 + 0.5
        self.answer(200, {"id": int(key), "price": str(price) if self.is_candidate else price, "stock": 7})

    def get_quotes(self, key, _):
        total = 100 + int(key) + (0.005 if self.is_candidate else 0.0)
        self.answer(200, {"id": int(key), "total": round(total, 3), "currency": "EUR"})

    def get_carts(self, key, _):
        items = [{"sku": "A-%d" % n, "count": n} for n in (1, 2, 3)]
        if self.is_candidate and key == "7":
            del items[1]
        self.answer(200, {"customer": int(key), "items": items})

    def get_categories(self, _, __):
        names = ["books", "games", "music", "tools"]
        self.answer(200, {"categories": names[::-1] if self.is_candidate else names})

    def get_stock(self, key, _):
        self.answer(200, {"id": int(key), "stock": int(key) * 3, "generated_at": "%.6f" % time.time()})

    def get_tickets(self, key, _):
        self.answer(200, {"id": int(key), "seat": "12A", "trace": str(uuid.uuid4())})

    def get_coupons(self, key, _):
        if key.endswith("9"):
            if self.is_candidate:
                self.answer(200, b"")
            else:
                self.answer(404, {"error": "no such coupon"})
            return
        self.answer(200, {"code": key, "percent": 10})

    def get_pages(self, key, _):
        charset = "iso-8859-1" if self.is_candidate else "utf-8"
        page = "<html><body><h1>Page %s</h1></body></html>" % key
        self.answer(200, page.encode(), "text/html; charset=" + charset)

    def get_search(self, _, query):
        time.sleep(LEGACY_SEARCH_SECONDS * (4 if self.is_candidate else 1))
        self.answer(200, {"query": query.get("q", ""), "hits": 3})

    def get_greetings(self, _, query):
        language = query.get("lang", "en")
        if self.is_candidate and language == "fr":
            self.answer(500, {"error": "internal error"})
            return
        self.answer(200, {"greeting": GREETINGS.get(language, "Hello")})

    def get_exports(self, key, _):
        packed = gzip.compress(("export %s\n" % key * 20).encode(), mtime=0)
        if self.is_candidate:  # The trailer's last four bytes hold the length of the content.
            length = struct.unpack("<I", packed[-4:])[0]
            packed = packed[:-4] + struct.pack("<I", length + 2)
        self.answer(200, packed, "text/plain", [("Content-Encoding", "gzip")])

    def get_orders(self, key, _):
        order = self.orders.get(key)
        if order is None:
            self.answer(404, {"error": "no such order"})
        else:
            self.answer(200, order)

    def get_summary(self, _, __):
        self.answer(200, self.orders.summary())


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (BrokenPipeError, ConnectionResetError)):
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", choices=["legacy", "candidate"], required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", default="", help="file that keeps the orders")
    options = parser.parse_args()
    Shop.is_candidate = options.system == "candidate"
    Shop.orders = Orders(options.state)
    server = Server(("127.0.0.1", options.port), Shop)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("%s on http://127.0.0.1:%d" % (options.system, server.server_address[1]), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
