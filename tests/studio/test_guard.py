from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from sfc_cli.studio.guard import LARGEST_BODY, new_token
from tests.studio.conftest import HOST, TOKEN, api

PATHS = ("", "api/state", "main.js", "api/frames/0", "api/events")


def test_guard__lets_the_page_in(client: TestClient) -> None:
    answer = client.get(f"/{TOKEN}/")
    assert answer.status_code == 200
    assert "sfc studio" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert client.get(api("state"), headers={"origin": f"http://{HOST}"}).status_code == 200
    assert client.get(f"/{TOKEN}/plain.css").headers["content-type"].startswith("text/css")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("token", ["", "wrong", "secret-toke", "secret-token2", "%00", "sécret"])
def test_guard__refuses_without_the_token(client: TestClient, path: str, token: str) -> None:
    assert client.get(f"/{token}/{path}").status_code in (403, 404)
    assert client.get(f"/{token}/{path}?token={TOKEN}", headers={"x-token": TOKEN}).status_code in (403, 404)


def test_guard__refuses_without_the_token_whatever_the_method(client: TestClient) -> None:
    for method in ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD"):
        assert client.request(method, "/api/state").status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"https://{HOST}"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"host": "evil.example"},
        {"host": "127.0.0.1"},
        {"host": "127.0.0.1:9999"},
    ],
)
def test_guard__refuses_other_origins_and_hosts(client: TestClient, headers: dict[str, str]) -> None:
    assert client.get(api("state"), headers=headers).status_code in (403, 421)
    assert client.post(api("stop"), headers=headers).status_code in (403, 421)


def test_guard__no_websocket(client: TestClient) -> None:
    with pytest.raises(Exception), client.websocket_connect(api("events")):  # noqa: B017, PT011
        pass


def test_guard__refuses_giant_bodies(client: TestClient) -> None:
    headers = {"content-length": str(LARGEST_BODY + 1)}
    assert client.put(api("masks/0"), content=b"x", headers=headers).status_code == 413
    assert client.put(api("masks/0"), content=b"x", headers={"content-length": "-1"}).status_code == 413

    def endless() -> object:
        for _ in range(LARGEST_BODY // 2**20 + 1):
            yield bytes(2**20)

    assert client.post(api("import/0?name=a.png"), content=endless()).status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        *("../pyproject.toml", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc%2fpasswd", "/etc/passwd"),
        *("api/frames/..%2f..%2f0", "api/frames/-1", "api/masks/1e3", "api/frames/999", "studio.json"),
        *("server.py", "..%5c..%5cwindows", "page/index.html"),
    ],
)
def test_guard__no_path_leads_out(client: TestClient, path: str, tmp_path: Path) -> None:
    (tmp_path / "studio.json").write_text("secret")
    answer = client.get(f"/{TOKEN}/{path}")
    assert answer.status_code in (400, 403, 404)
    assert "secret" not in answer.text.replace(TOKEN, "")


def test_new_token__is_long_and_new() -> None:
    assert len(new_token()) >= 32
    assert new_token() != new_token()
