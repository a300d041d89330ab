"""The page to paint on, as the server shows it: its files and their headers."""

from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from keras_inpaint.serving.static_page import PAGE

# Where the page is, and what it asks for beside the files of its folder.
PAGE_PATHS = ("/", "/page.json")
PAGE_FOLDER = "/page/"
_HEADERS = {
    # Nothing from elsewhere and nothing to elsewhere; WebAssembly, but no JavaScript made of
    # text.
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; "
    "style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Kept, and asked for again: after an update of the package, no file is of an older one.
    "Cache-Control": "no-cache",
}


class _PageFiles(StaticFiles):
    """Files of the page's folder; what has not changed is answered 304."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers.update(_HEADERS)
        return response


def add_page(app: FastAPI) -> None:
    """Adds the page at `/` to the routes of the server.

    Args:
        app: FastAPI application.
    """
    files = _PageFiles(directory=PAGE)

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def index() -> Response:
        return FileResponse(PAGE / "index.html", headers=_HEADERS)

    @app.get("/page.json", include_in_schema=False)
    async def settings() -> Response:
        return JSONResponse({"engine": "server"}, headers=_HEADERS)

    app.mount(PAGE_FOLDER.rstrip("/"), files)
