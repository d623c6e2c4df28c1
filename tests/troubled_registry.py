"""Servers on loopback that are no MLflow, each in its own way, for tests."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Answer = Callable[[socket.socket, threading.Event], None]


def _http(status: str, body: bytes, headers: str = "") -> Answer:
    def answer(connection: socket.socket, _: threading.Event) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        connection.sendall(head.encode() + body)

    return answer


def _silent(_: socket.socket, over: threading.Event) -> None:
    over.wait()


def _dripping(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not over.wait(0.1):
        connection.sendall(b" ")


TROUBLES: dict[str, Answer | None] = {
    "refusing": None,
    "silent": _silent,
    "dripping": _dripping,
    "500": _http("500 Internal Server Error", b"oh no"),
    "503, come back in an hour": _http("503 Busy", b"", "Retry-After: 3600\r\n"),
    "401": _http("401 Unauthorized", b"who are you"),
    "html": _http("200 OK", b"<html>a proxy's page of welcome</html>"),
    "a loop": _http("302 Found", b"", "Location: /again\r\n"),
    "an empty object": _http("200 OK", b"{}", "Content-Type: application/json\r\n"),
    "a list": _http("200 OK", b"[1, 2]", "Content-Type: application/json\r\n"),
    "other types": _http("200 OK", b'{"experiment": 7, "registered_model": [], "run": "x"}'),
    "no text": _http("200 OK", b"\xff\xfe\x00"),
    "hanging up": lambda connection, _: None,
}


@contextlib.contextmanager
def troubled(kind: str) -> Iterator[str]:
    """The URI of a server with a trouble."""
    answer, over = TROUBLES[kind], threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        if answer is None:
            server.close()
            yield uri
            return
        threading.Thread(target=_serve, args=(server, answer, over), daemon=True).start()
        try:
            yield uri
        finally:
            over.set()


def _serve(server: socket.socket, answer: Answer, over: threading.Event) -> None:
    def meet(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(1 << 16)
            answer(connection, over)

    with contextlib.suppress(OSError):  # closed: the test is over
        while True:
            threading.Thread(target=meet, args=(server.accept()[0],), daemon=True).start()
