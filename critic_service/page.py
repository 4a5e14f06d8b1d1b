"""The page at `/ui`: a few files as they are, under a policy that lets them do little.

The page holds no secret, so it needs no key: its script sends the key that its user gives, with
each call to this service.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import FastAPI
from starlette.responses import Response

PAGE = "/ui"
_FOLDER = files("critic_service") / "ui"
_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_START = "index.html"
_BESIDE = (
    "elements.js",
    "exposition.js",
    "filmstrip.js",
    "icon.svg",
    "live.js",
    "page.js",
    "results.js",
    "service.js",
    "style.css",
)
PATHS = {PAGE: _START, **{f"{PAGE}/{name}": name for name in _BESIDE}}
"""Each path of the page, with its file."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # Browsers that know it refuse to parse any string as HTML, whatever the script does.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def add_page(app: FastAPI) -> None:
    """Serve the page and what it loads, all of it from this service."""
    for path, name in PATHS.items():
        app.add_api_route(path, _endpoint(name), methods=["GET"], include_in_schema=False)


def _endpoint(name: str) -> Callable[[], Awaitable[Response]]:
    content = (_FOLDER / name).read_bytes()
    media_type = _TYPES[name.rpartition(".")[2]]

    async def endpoint() -> Response:
        return Response(content, headers=HEADERS, media_type=media_type)

    return endpoint
