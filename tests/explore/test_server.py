"""The server answers its own page on this machine, and refuses everybody else in one line."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from hso.errors import ArgumentError
from hso.explore.answers import Explorer
from hso.explore.server import MOST_BODY, QUESTIONS, Page, page_files

STATE = {"noise": "sd2.1", "nfe": 5}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def served() -> Iterator[Page]:
    yield from serve(Explorer())


def serve(explorer: Explorer) -> Iterator[Page]:
    with Page(explorer) as page:
        thread = threading.Thread(target=page.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield page
        page.shutdown()
        thread.join()


def send(page, method, path, body=None, headers=None, host=None):
    """A request, with the host that a browser would name; the status, the headers and the content."""
    connection = http.client.HTTPConnection("127.0.0.1", page.server_port, timeout=10)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in {"Host": host or f"127.0.0.1:{page.server_port}", **(headers or {})}.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    response = connection.getresponse()
    found = response.status, dict(response.getheaders()), response.read()
    connection.close()
    return found


def ask(page, question, content, **headers):
    status, _, found = send(page, "POST", f"/api/{question}", json.dumps(content).encode(), {**JSON, **headers})
    return status, json.loads(found)


def raw(page, request: bytes) -> bytes:
    """What comes back for bytes that no client would send."""
    with socket.create_connection(("127.0.0.1", page.server_port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_it_listens_on_the_loopback_address_only(served):
    assert served.socket.getsockname()[0] == "127.0.0.1"
    assert served.address == f"http://127.0.0.1:{served.server_port}/"


def test_every_file_of_the_page_is_served_with_its_kind(served):
    assert "index.html" in page_files()
    for name, content in page_files().items():
        status, headers, found = send(served, "GET", f"/{name}")
        assert (status, found) == (200, content)
        assert headers["Content-Type"].startswith(
            {"html": "text/html", "css": "text/css", "js": "text/javascript"}[name.split(".")[1]]
        )
    assert send(served, "GET", "/")[2] == page_files()["index.html"]
    assert send(served, "GET", "/?from=elsewhere")[2] == page_files()["index.html"]


def test_the_page_may_load_nothing_from_elsewhere(served):
    headers = send(served, "GET", "/")[1]
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in headers
    for name, content in page_files().items():
        text = content.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, name
        assert "https://" not in text, name
        assert "innerHTML" not in text, name


def test_all_questions_are_answered(served):
    assert ask(served, "catalogue", {})[1]["first"] == STATE
    status, view = ask(served, "view", {"state": STATE})
    assert (status, view["schedule"]["timesteps"]) == (200, [999, 802, 608, 408, 205])
    assert ask(served, "judge", {"state": {**STATE, "times": [0.9, 0.7, 0.5, 0.3, 0.1]}})[0] == 200
    assert len(ask(served, "compared", {"state": STATE})[1]) > 3
    assert ask(served, "text", {"state": STATE, "host": "diffusers-timesteps"})[1]["text"].startswith("timesteps=[999")


def test_a_connection_serves_many_questions(served):
    connection = http.client.HTTPConnection("127.0.0.1", served.server_port, timeout=10)
    for _ in range(3):
        connection.request("POST", "/api/view", json.dumps({"state": STATE}), JSON)
        assert connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "0.0.0.0:{port}", "localhost.evil:{port}"],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", "/api/view"), ("HEAD", "/")])
def test_another_host_is_refused(served, host, method, path):
    body = json.dumps({"state": STATE}).encode() if method == "POST" else None
    status, _, found = send(served, method, path, body, JSON, host=host.format(port=served.server_port))
    assert status == 403
    assert b"schedule" not in found


def test_no_host_or_two_are_refused(served):
    good = f"Host: 127.0.0.1:{served.server_port}\r\n".encode()
    for hosts in (b"", good + b"Host: evil.example\r\n", good + good):
        assert raw(served, b"GET / HTTP/1.1\r\n" + hosts + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 403 ")


def test_localhost_is_this_machine(served):
    assert send(served, "GET", "/", host=f"localhost:{served.server_port}")[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_questions_of_other_pages_are_refused(served, headers):
    assert ask(served, "view", {"state": STATE}, **headers) == (403, {"error": "requests of other pages are refused"})


def test_the_page_itself_may_ask(served):
    origin = {"Origin": f"http://127.0.0.1:{served.server_port}", "Sec-Fetch-Site": "same-origin"}
    assert ask(served, "view", {"state": STATE}, **origin)[0] == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_what_a_form_of_another_page_can_send_is_no_question(served, kind):
    status, _, found = send(served, "POST", "/api/view", b'{"state": {}}', {"Content-Type": kind})
    assert (status, json.loads(found)) == (415, {"error": "questions are JSON"})


@pytest.mark.parametrize(
    "path",
    [
        "/../server.py",
        "/..%2fserver.py",
        "/%2e%2e/server.py",
        "/static/index.html",
        "/index.html/",
        "/./index.html",
        "/index.html%00",
        "/etc/passwd",
        "//etc/passwd",
        "/..\\server.py",
        "/server.py",
        "/api/view",
        "http://evil.example/",
        "/__init__.py",
    ],
)
def test_no_other_file_can_be_had(served, path):
    status, _, found = send(served, "GET", path)
    assert (status, json.loads(found)) == (404, {"error": "there is no such page"})


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "GEt"])
def test_other_methods_are_refused(served, method):
    status, headers, found = send(served, method, "/")
    assert status == 501
    assert "error" in json.loads(found)
    assert "Access-Control-Allow-Origin" not in headers


def test_an_unknown_question_is_refused(served):
    assert ask(served, "nothing", {}) == (404, {"error": "there is no such question"})
    assert ask(served, "../api/view", {})[0] == 404


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"state": ' * 20_000])
def test_what_is_no_json_is_refused(served, body):
    status, _, found = send(served, "POST", "/api/view", body, JSON)
    assert (status, json.loads(found)) == (400, {"error": "expected JSON, got something else"})


@pytest.mark.parametrize(
    "content", [None, 3, [], "x", {}, {"state": 3}, {"state": {"noise": {}}}, {"state": STATE, "host": {}}]
)
@pytest.mark.parametrize("question", [path.removeprefix("/api/") for path in QUESTIONS if path != "/api/catalogue"])
def test_wrong_questions_get_one_line(served, question, content):
    status, found = ask(served, question, content)
    if status == 200:
        # The name of a host says nothing to questions that do not ask for one.
        assert question not in ("text", "images")
        return
    assert status == 400
    assert set(found) == {"error"}
    assert "\n" not in found["error"]
    assert "Traceback" not in found["error"]


def test_errors_are_those_of_the_core(served):
    status, found = ask(served, "view", {"state": {**STATE, "nfe": 0}})
    assert status == 400
    assert found["error"].startswith("nfe: expected an integer from 1 to 1000, got 0")


def test_a_question_that_is_too_long_is_not_read(served):
    status, _, found = send(served, "POST", "/api/view", b" " * (MOST_BODY + 1), JSON)
    assert (status, json.loads(found)) == (413, {"error": f"a question has at most {MOST_BODY} bytes"})


@pytest.mark.parametrize("length", ["", "-1", "1e9", "9" * 400, "\u0665", "5, 5"])
def test_a_length_that_is_none_is_refused(served, length):
    head = f"POST /api/view HTTP/1.1\r\nHost: 127.0.0.1:{served.server_port}\r\nContent-Type: application/json\r\n"
    found = raw(served, f"{head}Content-Length: {length}\r\n\r\n{{}}".encode())
    assert found.split()[1] in (b"411", b"413")


def test_a_question_in_chunks_is_refused(served):
    head = f"POST /api/view HTTP/1.1\r\nHost: 127.0.0.1:{served.server_port}\r\nContent-Type: application/json\r\n"
    found = raw(served, f"{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n".encode())
    assert found.startswith(b"HTTP/1.1 411 ")


@pytest.mark.parametrize(
    "request_", [b"\x16\x03\x01\x02\x00", b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"a" * 70_000]
)
def test_what_is_no_http_is_answered_or_dropped_without_a_word(served, request_, capfd):
    raw(served, request_)
    assert send(served, "GET", "/")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_a_browser_that_leaves_is_no_error(served, capfd):
    for _ in range(5):
        connection = socket.create_connection(("127.0.0.1", served.server_port))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{served.server_port}\r\n\r\n".encode())
        connection.close()
    assert send(served, "GET", "/")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_a_bug_is_one_line_too(capfd):
    class Broken(Explorer):
        def catalogue(self):
            raise KeyError("a\nb")

    pages = serve(Broken())
    page = next(pages)
    assert ask(page, "catalogue", {}) == (500, {"error": "unexpected KeyError: 'a\\nb' (a bug)"})
    next(pages, None)
    assert capfd.readouterr() == ("", "")


def test_a_port_that_is_taken_is_one_clear_error(served):
    with pytest.raises(ArgumentError, match=r"port: expected a free port, got \d+ \(Address already in use; 0 picks"):
        Page(Explorer(), served.server_port)


def test_images_need_a_run(served):
    assert ask(served, "images", {"entry": 0}) == (
        400,
        {"error": "run: expected the folder of a comparison, --run DIR, got None"},
    )


def test_images_are_served_by_number(run):
    pages = serve(Explorer(run=run))
    page = next(pages)
    status, found = ask(page, "images", {"entry": 1})
    assert (status, found["count"], found["height"], found["width"]) == (200, 4, 3, 2)
    assert ask(page, "images", {"entry": "../../etc/passwd"})[0] == 400
    assert send(page, "GET", "/plan.json")[0] == 404
    next(pages, None)
