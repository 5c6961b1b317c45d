"""Runs checks of the interop matrix with a Python client over one transport:

    interop.py MODULE URL TRANSPORTS

MODULE is socketio (python-socketio, Socket.IO 5 on Engine.IO 4) or socketIO_client (Socket.IO 2 on Engine.IO 3, which
has no binary). Each check prints {"check","ok","detail"}; the last line is {"check":"done"}.
"""
import json
import queue
import sys
import traceback

MODULE, URL, TRANSPORTS = sys.argv[1:4]
PATIENCE = 15

# The old client takes what a WebSocket brings for Latin-1, so it loses other letters by itself.
TEXT = 'tab \t "quoted" \\ ' + "long " * 3000
if MODULE == "socketio":
    TEXT = "ünï \u2028 \u0000 \U0001f600 " + TEXT
NESTED = {"a": [1, -2.5, None, True, {"b": "c"}], "": {}, "text": TEXT}
BYTES = bytes([0, 1, 127, 128, 255])


def same(got, want):
    if got != want:
        raise AssertionError(f"got {got!r:.300}, want {want!r:.300}")


class Modern:
    """A client of python-socketio."""

    def __init__(self, namespace="/", patience=PATIENCE):
        import socketio

        self.namespace = namespace
        self.io = socketio.Client(reconnection=False)
        self.events = queue.Queue()
        self.io.on("back", lambda *args: self.events.put(list(args)), namespace=namespace)
        self.io.on("question", lambda number: number * 2, namespace=namespace)
        self.io.on("connect_error", refused.put, namespace=namespace)
        self.io.on("disconnect", lambda: self.events.put("disconnected"), namespace=namespace)
        transports = None if TRANSPORTS == "default" else TRANSPORTS.split(",")
        self.io.connect(URL, transports=transports, namespaces=[namespace], auth={"token": "t"}, wait_timeout=patience)

    def emit(self, event, *args):
        self.io.emit(event, args, namespace=self.namespace)

    def call(self, event, *args):
        return self.io.call(event, args, namespace=self.namespace, timeout=PATIENCE)

    def next(self):
        return self.events.get(timeout=PATIENCE)

    def transport(self):
        return self.io.transport()

    def close(self):
        self.io.disconnect()


def decode_text(content):
    """Reads a payload that is text, which is all ASCII here."""
    while content:
        length, _, content = bytes(content).partition(b":")
        yield int(content[:1]), content[1:int(length)]
        content = content[int(length):]


class Old:
    """A client of socketIO-client, which reads only while somebody waits.

    It was written for servers that answer every poll in the binary form. The official server has used text wherever there
    is no binary since engine.io 2.1, which this client cannot read: here it is helped with that, and with nothing else.
    """

    def __init__(self, namespace=""):
        import socketIO_client
        from socketIO_client import parsers, transports as its
        from urllib.parse import urlsplit

        its.decode_engineIO_content = lambda content: (
            decode_text(content) if content[:1].isdigit() else parsers.decode_engineIO_content(content))
        self.path = namespace
        transports = {"default": ["xhr-polling", "websocket"], "polling": ["xhr-polling"]}[TRANSPORTS]
        at = urlsplit(URL)
        self.io = socketIO_client.SocketIO(at.hostname, at.port, transports=transports, wait_for_connection=False)
        self.events = []
        self.io.on("back", lambda *args: self.events.append(list(args)), path=namespace)
        self.io.on("question", lambda number, answer: answer(number * 2), path=namespace)

    def emit(self, event, *args):
        self.io.emit(event, *args, path=self.path)

    def call(self, event, *args):
        answer = []
        self.io.emit(event, *args, lambda *got: answer.append(list(got)), path=self.path)
        self.wait(answer)
        return answer[0][0] if len(answer[0]) == 1 else tuple(answer[0])

    def next(self):
        self.wait(self.events)
        return self.events.pop(0)

    def wait(self, box):
        for _ in range(PATIENCE):
            if box:
                return
            self.io._should_stop_waiting = lambda **_: bool(box)
            self.io.wait(seconds=1)
        raise TimeoutError("nothing came")

    def transport(self):
        return self.io.transport_name

    def close(self):
        self.io.disconnect()


opened = []
refused = queue.Queue()


def connect(*namespace):
    client = (Modern if MODULE == "socketio" else Old)(*namespace)
    opened.append(client)
    return client


def connects():
    want = "polling" if TRANSPORTS == "polling" else "websocket"
    same(connect().transport().replace("xhr-", ""), want)


def events():
    client = connect()
    client.emit("echo", 1, "two", NESTED, None, [])
    same(client.next(), [1, "two", NESTED, None, []])


def order():
    client = connect()
    for first in range(0, 60, 12):  # python-engineio takes no more than 16 packets in one answer
        for n in range(first, first + 12):
            client.emit("echo", n)
        same([client.next() for _ in range(12)], [[n] for n in range(first, first + 12)])


def acknowledgements():
    same(connect().call("ack", 1, NESTED), (1, NESTED))


def acknowledgements_of_the_client():
    same(connect().call("ask", 21), 42)


def namespaces():
    same(connect("/room/one").call("where"), "/room/one")


def rooms():
    one, other = connect(), connect()
    heard = queue.Queue()
    one.io.on("news", heard.put)
    one.call("join", "r")
    other.call("to-room", "r", 7)
    same(heard.get(timeout=PATIENCE), 7)


def binary():
    client = connect()
    client.emit("echo", BYTES, {"in": [BYTES, b""]}, "text")
    same(client.next(), [BYTES, {"in": [BYTES, b""]}, "text"])


def binary_acknowledgements():
    client = connect()
    same(client.call("ack", BYTES, {"big": BYTES * 20000}), (BYTES, {"big": BYTES * 20000}))


def auth():
    same(connect().call("token"), "t")


def refusals():
    try:
        Modern("/closed", patience=1)  # it waits that long although it was told
    except Exception as e:
        same(type(e).__name__, "ConnectionError")
    same(refused.get(timeout=PATIENCE), {"message": "not you", "data": {"reason": "members only"}})


def kicked():
    client = connect()
    client.emit("kick")
    same(client.next(), "disconnected")


CHECKS = {
    "connect": connects, "events": events, "order": order, "acks": acknowledgements,
    "server acks": acknowledgements_of_the_client, "namespaces": namespaces,
}
if MODULE == "socketio":
    CHECKS.update({
        "rooms": rooms, "binary": binary, "binary acks": binary_acknowledgements, "auth": auth,
        "middleware error": refusals, "server disconnects": kicked,
    })

for name, check in CHECKS.items():
    line = {"check": name, "ok": True, "detail": ""}
    try:
        check()
    except Exception:
        line.update(ok=False, detail=traceback.format_exc()[-900:])
    print(json.dumps(line), flush=True)
    while opened:
        opened.pop().close()
print(json.dumps({"check": "done"}), flush=True)
