# SPDX-License-Identifier: Apache-2.0
"""Bounded, seeded traffic of shop visitors: reads of every endpoint, orders, and reads of own orders."""

import http.client
import json
import random
import threading
import time


# A copy reaches the other system a moment after the client has its answer. A session moved in that moment may read the
# state before its own write; the read is repeated this long before it counts as failed.
COPY_ARRIVES_WITHIN = 2.0


class Visitor:
    """One session on one kept connection; remembers what it ordered, and how many reads met a copy still on its way."""

    def __init__(self, port, number, seed, timeout=15):
        self.port, self.number, self.timeout = port, number, timeout
        self.random = random.Random(seed * 1_000_003 + number)
        self.orders = {}
        self.late_reads = 0
        self.connection = None

    def request(self, method, target, body=None):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        headers = {"Cookie": "session=visitor-%d" % self.number}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self.connection.request(method, target, body, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.will_close:
            self.close()
        return answer.status, content

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def order(self):
        order = {"id": "%d-%d" % (self.number, len(self.orders) + 1), "customer": self.number,
                 "amount": self.random.randint(1, 100)}
        status, _ = self.request("POST", "/orders", json.dumps(order))
        if status == 201:
            self.orders[order["id"]] = order
        return status == 201

    def check_order(self):
        if not self.orders:
            return True
        order = self.orders[self.random.choice(sorted(self.orders))]
        status, content = self.request("GET", "/orders/" + order["id"])
        if status == 404:
            self.late_reads += 1
            deadline = time.monotonic() + COPY_ARRIVES_WITHIN
            while status == 404 and time.monotonic() < deadline:
                time.sleep(0.005)
                status, content = self.request("GET", "/orders/" + order["id"])
        return status == 200 and json.loads(content) == order

    def read(self):
        n = self.random.randint(1, 40)
        target, expected = self.random.choice([
            ("/customers/%d" % n, 200), ("/products/%d" % n, 200), ("/quotes/%d" % n, 200),
            ("/carts/%d" % (n % 10), 200), ("/categories", 200), ("/stock/%d" % n, 200),
            ("/tickets/%d" % n, 200), ("/coupons/SAVE%d" % n, 404 if n % 10 == 9 else 200),
            ("/pages/%d" % n, 200), ("/search?q=item%d" % n, 200),
            ("/greetings?lang=%s" % self.random.choice(["en", "de", "fr", "es"]), 200),
            ("/exports/%d" % n, 200)])
        status, _ = self.request("GET", target)
        return status == expected

    def step(self, paths):
        roll = self.random.random()
        if paths == "orders":
            return self.order() if roll < 0.5 else self.check_order()
        if roll < 0.15:
            return self.order()
        if roll < 0.25:
            return self.check_order()
        return self.read()


class Traffic:
    """Visitors in threads. A visit that gets another status than legacy would give counts as failed."""

    def __init__(self, port, visitors=8, seed=7, rate=0.0, paths="all", first_visitor=1):
        self.visitors = [Visitor(port, first_visitor + n, seed) for n in range(visitors)]
        self.pause = visitors / rate if rate else 0.0
        self.paths = paths
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.done, self.failed = 0, []
        self.threads = []

    def run(self, visitor, count):
        for _ in range(count):
            if self.stopping.is_set():
                break
            try:
                went_well, why = visitor.step(self.paths), "unexpected answer"
            except (OSError, http.client.HTTPException) as error:
                went_well, why = False, repr(error)
                visitor.close()
            with self.lock:
                self.done += 1
                if not went_well:
                    self.failed.append((visitor.number, why))
            if self.pause:
                time.sleep(self.pause)
        visitor.close()

    def start(self, requests_each):
        self.threads = [threading.Thread(target=self.run, args=(visitor, requests_each), daemon=True)
                        for visitor in self.visitors]
        for thread in self.threads:
            thread.start()

    def wait(self):
        for thread in self.threads:
            thread.join()

    def late_reads(self):
        return sum(visitor.late_reads for visitor in self.visitors)

    def stop(self):
        self.stopping.set()
        self.wait()
