#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The training run of what users run: requests of ordinary kinds through a binary that notes which ways its code
goes (BANYAN_PROFILE=write), so that it can be compiled once more by that (docs/decisions/0042).

    python3 bench/train.py --binary build/release/banyan

Half of the requests are copied to a candidate. The notes are written beside the objects when Banyan ends.
"""

import argparse
import shutil
import tempfile

from wave_load import CONNECTIONS, Server

WAVES = 250

BROWSER = (b"Host: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
           b"Accept: text/html,application/json;q=0.9,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.5\r\n"
           b"Accept-Encoding: gzip, deflate, br\r\nReferer: https://shop.example/start\r\n"
           b"Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark\r\n")
SHORT = b"Host: 127.0.0.1\r\nAccept: */*\r\nUser-Agent: training\r\n"
ORDER = b'{"customer":4711,"lines":[{"sku":"S-0001","count":2},{"sku":"S-0002","count":1}]}'


def requests_of(wave):
    """Eleven requests; their targets differ from wave to wave."""
    get, long_get = b"GET /items/%d HTTP/1.1\r\n" % wave + SHORT + b"\r\n", b"GET /items/%d?page=2&sort=name HTTP/1.1\r\n" % wave
    post = b"POST /orders/%d HTTP/1.1\r\n" % wave + SHORT + b"Content-Type: application/json\r\n"
    return [
        get, get, long_get + BROWSER + b"\r\n", b"GET /small HTTP/1.1\r\n" + SHORT + b"\r\n",
        long_get + BROWSER + b"If-None-Match: \"%x\"\r\n\r\n" % wave,
        post + b"Authorization: Bearer 0123456789.%d\r\nContent-Length: %d\r\n\r\n" % (wave, len(ORDER)) + ORDER,
        post + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(ORDER), ORDER),
        b"GET /chunked?n=%d HTTP/1.1\r\n" % wave + SHORT + b"\r\n", b"GET /missing HTTP/1.1\r\n" + BROWSER + b"\r\n",
        b"GET /session HTTP/1.1\r\n" + SHORT + b"\r\n", b"GET /big HTTP/1.1\r\n" + SHORT + b"\r\n",
    ]


ROUTES = '''[[routes]]
name = "copied"
match = { path = "/items/**" }
mirror_percent = 100
[[routes]]
name = "all"
match = { path = "/**" }
mirror_percent = 0
'''


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="banyan-training-")
    server = None
    try:
        server = Server([options.binary], folder, ROUTES)
        peers = server.connect()
        for wave in range(WAVES):
            for data in server.wave(peers, requests_of(wave)):
                if not data.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 404 ")):
                    server.fail("unexpected answer %r" % data[:200])
        server.finish(peers)
    finally:
        if server is not None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print("training: %d requests, all answered" % (WAVES * CONNECTIONS))


if __name__ == "__main__":
    main()
