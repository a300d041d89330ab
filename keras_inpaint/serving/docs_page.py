"""The page `/docs`, which shows the routes by Swagger UI, from files of this package alone."""

import gzip
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import Response

SWAGGER_UI = Path(__file__).with_name("swagger_ui")
_TYPES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_PAGE_HEADERS = {
    # Nothing from elsewhere. FastAPI writes the call of Swagger UI into the page itself.
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def add_docs(app: FastAPI) -> None:
    """Adds `/docs` to the routes of the server.

    Args:
        app: FastAPI application, made with `docs_url=None`.
    """

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        # Relative addresses: a proxy may show the server below a path of its own.
        page = get_swagger_ui_html(
            openapi_url="openapi.json",
            title=app.title,
            swagger_js_url="docs/swagger-ui-bundle.js",
            swagger_css_url="docs/swagger-ui.css",
            swagger_favicon_url="page/icon.svg",
            # Else the page asks swagger.io whether the description is valid.
            swagger_ui_parameters={"validatorUrl": None},
        )
        page.headers.update(_PAGE_HEADERS)
        return page

    for name, media_type in _TYPES.items():
        _add_file(app, name, media_type)


def _add_file(app: FastAPI, name: str, media_type: str) -> None:
    @app.get(f"/docs/{name}", include_in_schema=False)
    async def file(request: Request) -> Response:
        content = (SWAGGER_UI / f"{name}.gz").read_bytes()
        headers = {"X-Content-Type-Options": "nosniff", "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
        else:
            content = gzip.decompress(content)
        return Response(content, headers=headers, media_type=media_type)
