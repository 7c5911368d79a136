"""A webhook endpoint that lets the official Pusher library judge what arrives.

It answers a delivery with the library's verdict as JSON, as 200 or 401. The library has one key, so there is a client
for each token. Its clock is set to the header Test-Now, in milliseconds, because it refuses old deliveries.
"""
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pusher

CLIENTS = {
    token["key"]: pusher.Pusher(app_id="1", key=token["key"], secret=token["secret"])
    for token in json.loads(os.environ["PUSHER_TOKENS"])
}
CLOCK = threading.Lock()
REAL_TIME = time.time


def validate(client, key, signature, body, now):
    with CLOCK:
        time.time = lambda: now
        try:
            return client.validate_webhook(key=key, signature=signature, body=body)
        finally:
            time.time = REAL_TIME


def judge(headers, body):
    key = headers["X-Pusher-Key"]
    verdict = {"valid": False, "key": key}
    client = CLIENTS.get(key)
    if client is None:
        return verdict
    try:
        now = int(headers["Test-Now"]) / 1000 if "Test-Now" in headers else REAL_TIME()
        got = validate(client, key, headers["X-Pusher-Signature"], body, now)
    except Exception as error:  # what a user's handler would die of
        verdict["error"] = repr(error)
        return verdict
    if got is not None:
        verdict.update(valid=True, time_ms=got["time_ms"], events=got["events"])
    return verdict


def encode(verdict):
    try:
        return json.dumps(verdict, allow_nan=False)
    except (ValueError, RecursionError):  # Python can read more than it can write
        return json.dumps({**verdict, "events": None})


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        verdict = judge(self.headers, body)
        answer = encode(verdict).encode()
        self.send_response(200 if verdict["valid"] else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("http://127.0.0.1:%d" % server.server_port, flush=True)
server.serve_forever()
