"""A blocking HTTP client that says what it is told byte by byte, for the process tests."""

import re

from patience import LONG
from ws import dial


class Answer:
    def __init__(self, status, version, fields, body):
        self.status = status
        self.version = version
        self.fields = fields  # (lower-case name, value), in order
        self.body = body

    def __getitem__(self, name):
        values = [value for key, value in self.fields if key == name.lower()]
        return ", ".join(values) if values else None


class Client:
    """One connection; answers are read one at a time."""

    def __init__(self, port, timeout=LONG):
        self.sock = dial(port, timeout)
        self.rest = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def more(self):
        data = self.sock.recv(262144)
        self.rest += data
        return bool(data)

    def take(self, count):
        data = bytes(self.rest[:count])
        del self.rest[:count]
        return data

    def line(self):
        while b"\r\n" not in self.rest:
            assert self.more(), f"the end inside {self.rest!r}"
        return self.take(self.rest.index(b"\r\n") + 2)[:-2].decode("latin-1")

    def exactly(self, count):
        while len(self.rest) < count:
            assert self.more(), f"the end {count - len(self.rest)} bytes early"
        return self.take(count)

    def to_end(self):
        while self.more():
            pass
        return self.take(len(self.rest))

    def head(self):
        version, status, _ = self.line().split(" ", 2)
        fields = []
        while line := self.line():
            name, _, value = line.partition(":")
            assert name == name.strip() and name, line
            fields.append((name.lower(), value.strip()))
        return Answer(int(status), version, fields, b"")

    def chunk(self):
        size = int(self.line(), 16)
        data = self.exactly(size)
        assert self.exactly(2) == b"\r\n"
        return data

    def answer(self, is_head=False):
        """The next answer, with its body by the framing that it announces."""
        answer = self.head()
        pieces = []
        if is_head or answer.status in (204, 304) or answer.status < 200:
            return answer
        if answer["transfer-encoding"]:
            while piece := self.chunk():
                pieces.append(piece)
            answer.body = b"".join(pieces)
        elif answer["content-length"]:
            answer.body = self.exactly(int(answer["content-length"]))
        else:
            answer.body = self.to_end()
        return answer

    def get(self, target, *fields, method="GET", body=b"", version="HTTP/1.1"):
        lines = [f"{method} {target} {version}", "Host: x", *fields]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return self.answer(method == "HEAD")

    def is_closed(self):
        """Whether nothing more comes but the end; a reset is an end too, of the unclean kind."""
        return self.to_end() == b""


def ask(port, data, timeout=LONG):
    """One connection, these bytes, and everything that comes back until the end."""
    with Client(port, timeout) as client:
        client.send(data)
        return client.to_end()


def status_of(port, data, timeout=LONG):
    """The status of the one answer to these bytes, after which the connection must end."""
    answer = ask(port, data, timeout)
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    assert re.search(rb"\r\nconnection: [^\r]*close", answer.lower()), answer
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    return int(answer.split(b" ")[1])
