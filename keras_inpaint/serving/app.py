"""The routes of the server."""

import json
import logging
from typing import Annotated, Any, Literal

from fastapi import FastAPI, File, Form, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    generate_latest,
)
from starlette.exceptions import HTTPException

from keras_inpaint.serving import filling, open_inference, tf_serving
from keras_inpaint.serving.docs_page import add_docs
from keras_inpaint.serving.gate import (
    Gate,
    on_bug,
    on_http_error,
    on_invalid,
    on_refusal,
)
from keras_inpaint.serving.limits import (
    Call,
    Refusal,
    draining,
    shown,
)
from keras_inpaint.serving.models import Model
from keras_inpaint.serving.page_files import add_page
from keras_inpaint.serving.state import Server
from keras_inpaint.version import __version__

_LOG = logging.getLogger(__name__)
_MOST_PIXELS = 4096
# Not `| None`: in the description, "null" would be a value that may be sent.
_LEFT_OUT: Any = None
_ERRORS = {
    400: "The request is malformed; the message names the field",
    401: "The key is missing or wrong",
    404: "There is no such model, version or page",
    406: "No media type that `Accept` names can be answered",
    408: "The request did not arrive in time",
    413: "The body, the pictures or the memory that they need are beyond the limits",
    415: "The body is compressed",
    429: "Too many requests are under way; try again after `Retry-After`",
    503: "The server has no memory left, or is shutting down",
    504: "The time of the request is over, and work on it was given up",
}


def build_app(server: Server) -> FastAPI:
    """Makes the ASGI application around the state of a server.

    Args:
        server: `Server`.

    Returns:
        FastAPI application.
    """
    app = FastAPI(
        title="keras-inpaint",
        version=__version__,
        description="Fills holes in photographs.",
        lifespan=server.lifespan,
        docs_url=None,
        redoc_url=None,
        # `/x/` is no other name of `/x`.
        redirect_slashes=False,
    )
    app.add_middleware(Gate, server=server)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(Refusal, on_refusal)
    app.add_exception_handler(Exception, on_bug)
    _add_probes(app, server)
    _add_inpaint(app, server)
    _add_tf_serving(app, server)
    _add_open_inference(app, server)
    add_docs(app)
    add_page(app)
    return app


def _documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    schema = {
        "type": "object",
        "properties": {"error": {"type": "string"}},
        "required": ["error"],
    }
    content = {"application/json": {"schema": schema}}
    return {each: {"description": _ERRORS[each], "content": content} for each in statuses}


_WORK_ERRORS = _documented(400, 401, 408, 413, 415, 429, 503, 504)


def _add_probes(app: FastAPI, server: Server) -> None:
    @app.get("/healthz", tags=["probes"])
    async def alive() -> dict[str, str]:
        """Says that the process answers."""
        return {"status": "alive"}

    @app.get("/readyz", tags=["probes"], responses=_documented(503))
    async def ready() -> dict[str, str]:
        """Says that requests can be sent."""
        _check_ready(server)
        return {"status": "ready"}

    @app.get(
        "/metrics",
        tags=["probes"],
        response_class=PlainTextResponse,
        responses=_documented(401),
    )
    async def metrics() -> Response:
        """Returns what Prometheus reads."""
        model = server.keeper.current
        server.metrics.version.labels(model.name).set(model.version)
        return Response(
            generate_latest(server.metrics.registry), media_type=CONTENT_TYPE_LATEST
        )


def _check_ready(server: Server) -> None:
    if server.is_draining:
        raise draining()


def _add_inpaint(app: FastAPI, server: Server) -> None:
    @app.post(
        "/inpaint",
        tags=["photos"],
        response_class=Response,
        responses={
            **_WORK_ERRORS,
            **_documented(406),
            200: {
                "description": "The filled photo",
                "content": {kind: {} for kind in filling.MEDIA_TYPES},
            },
        },
    )
    async def inpaint(
        request: Request,
        photo: Annotated[UploadFile, File(description="A picture file")],
        mask: Annotated[
            UploadFile, File(description="A picture file: bright is the hole")
        ] = _LEFT_OUT,
        sketch: Annotated[
            UploadFile,
            File(
                description="A picture file as large as the photo: bright lines that a guided "
                "preset follows in the hole"
            ),
        ] = _LEFT_OUT,
        method: Annotated[Literal["whole", "crop", "resize"], Form()] = _LEFT_OUT,
        feather: Annotated[int, Form(ge=0, le=_MOST_PIXELS)] = 0,
        detail: Annotated[Literal["copy", "none"], Form()] = "copy",
        grow: Annotated[int, Form(ge=0, le=_MOST_PIXELS)] = 0,
        invert_mask: Annotated[bool, Form()] = False,
        mask_from_alpha: Annotated[bool, Form()] = False,
        invert_sketch: Annotated[bool, Form()] = False,
    ) -> Response:
        """Fills the hole of a photo of any size; known pixels stay as they are."""
        media_type = choose_media_type(request.headers.get("accept", "*/*"))
        await _check_form(request)
        if mask is None and not mask_from_alpha:
            raise Refusal(
                400,
                "`mask` is missing. Send it, or `mask_from_alpha=true` if the photo's "
                "transparency marks the hole.",
            )
        model = server.keeper.current
        if sketch is not None:
            model.check_guided("sketch")
        wish = filling.Wish(
            *(method, feather, detail, grow, invert_mask, mask_from_alpha, invert_sketch),
            media_type,
        )
        files = filling.Files(
            await photo.read(),
            None if mask is None else await mask.read(),
            None if sketch is None else await sketch.read(),
        )

        def fill(call: Call) -> bytes:
            return filling.fill_photo(model, files, wish, server.limits, server.budget, call)

        content = await server.work(request, fill)
        return Response(content, media_type=media_type)


async def _check_form(request: Request) -> None:
    """Refuses fields that are not known, and those that stand there twice."""
    parts = (filling.Files, filling.Wish)
    names = {name for part in parts for name in part.__dataclass_fields__} - {"media_type"}
    form = await request.form()
    given = [name for name, _ in form.multi_items()]
    for name in given:
        if name not in names:
            raise Refusal(400, f"There is no field {shown(name)}. Fields are {sorted(names)}.")
        if given.count(name) > 1:
            raise Refusal(400, f"`{name}` must be sent once.")


def choose_media_type(accept: str) -> str:
    """Chooses the kind of file that a client likes best.

    Args:
        accept: str. The header `Accept`.

    Returns:
        str: one of `MEDIA_TYPES`; of those that it likes as much, the first.

    Raises:
        Refusal: 406 where it takes none of them.
    """
    qualities: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (each.strip().lower() for each in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    quality = min(max(float(value), 0.0), 1.0)
                except ValueError:
                    quality = 0.0
        if kind:
            qualities[kind] = quality

    def quality_of(kind: str) -> float:
        for pattern in (kind, "image/*", "*/*"):
            if pattern in qualities:
                return qualities[pattern]
        return 0.0 if qualities else 1.0

    kinds = list(filling.MEDIA_TYPES)
    best = max(kinds, key=quality_of)
    if not quality_of(best) > 0:
        raise Refusal(406, f"`Accept` must allow one of {kinds}. Received: {shown(accept)}")
    return best


def _json_body(description: str) -> dict[str, Any]:
    return {
        "requestBody": {
            "required": True,
            "description": description,
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    }


def _model(server: Server, name: str, version: str | None) -> Model:
    model = server.keeper.current
    if name != model.name:
        raise Refusal(404, f"There is no model {shown(name)}. This server has {model.name!r}.")
    if version is not None and version != str(model.version):
        raise Refusal(
            404,
            f"There is no version {shown(version)} of {name}. This server has {model.version}.",
        )
    return model


async def _fill(server: Server, request: Request, model: Model, parse: Any, answer: Any) -> Any:
    """Parses, fills and answers in one thread, within the memory that JSON may take."""
    body = await request.body()

    def run(call: Call) -> Any:
        need = filling.JSON_FACTOR * min(len(body), server.limits.max_json)
        # A single request may use all of it: the limit of JSON is the one that refuses.
        with server.budget.reserve(min(need, server.budget.total // 2), call):
            parsed = parse(body)
        outputs = filling.fill_tensors(model, parsed, server.limits, server.budget, call)
        call.check()
        return answer(parsed, outputs)

    return await server.work(request, run)


def _add_tf_serving(app: FastAPI, server: Server) -> None:
    paths = ("/v1/models/{name}", "/v1/models/{name}/versions/{version}")
    options: dict[str, Any] = {"tags": ["TensorFlow Serving"]}
    not_found = _documented(401, 404)

    async def predict(request: Request, name: str, version: str | None = None) -> Response:
        """Fills the holes of pictures, as TensorFlow Serving would."""
        model = _model(server, name, version)

        def answer(parsed: Any, outputs: Any) -> bytes:
            return json.dumps(tf_serving.answer(parsed, outputs)).encode("ascii")

        content = await _fill(
            server,
            request,
            model,
            lambda body: tf_serving.parse(body, server.limits, model),
            answer,
        )
        return Response(content, media_type="application/json")

    async def status(name: str, version: str | None = None) -> dict[str, Any]:
        """Says which version is served."""
        return tf_serving.status(_model(server, name, version).version)

    async def metadata(name: str, version: str | None = None) -> dict[str, Any]:
        """Describes the signatures."""
        model = _model(server, name, version)
        return tf_serving.metadata(model.name, model.version, model.is_guided)

    body = _json_body("`instances` (rows) or `inputs` (columns), and `signature_name`")
    for path in paths:
        app.post(
            path + ":predict",
            responses={**_WORK_ERRORS, **not_found},
            openapi_extra=body,
            **options,
        )(predict)
        app.get(path, responses=not_found, **options)(status)
        app.get(path + "/metadata", responses=not_found, **options)(metadata)


def _add_open_inference(app: FastAPI, server: Server) -> None:
    paths = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
    options: dict[str, Any] = {"tags": ["Open Inference Protocol"]}
    not_found = _documented(401, 404)

    @app.get("/v2", responses=_documented(401), **options)
    async def server_metadata() -> dict[str, Any]:
        """Describes the server."""
        return open_inference.server_metadata(__version__)

    @app.get("/v2/health/live", **options)
    async def live() -> dict[str, bool]:
        """Says that the process answers."""
        return {"live": True}

    @app.get("/v2/health/ready", responses=_documented(503), **options)
    async def ready() -> dict[str, bool]:
        """Says that requests can be sent."""
        _check_ready(server)
        return {"ready": True}

    async def model_ready(name: str, version: str | None = None) -> dict[str, Any]:
        """Says that requests can be sent to a model."""
        _check_ready(server)
        return {"name": _model(server, name, version).name, "ready": True}

    async def model_metadata(name: str, version: str | None = None) -> dict[str, Any]:
        """Describes the tensors of a model."""
        model = _model(server, name, version)
        return open_inference.model_metadata(model.name, model.version, model.is_guided)

    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        """Fills the holes of pictures in tensors, or in files."""
        model = _model(server, name, version)
        length = request.headers.get(open_inference.LENGTH_HEADER)

        def answer(parsed: Any, outputs: Any) -> Response:
            content, head = open_inference.answer(parsed, outputs, model.name, model.version)
            if not parsed.options["is_binary"]:
                return Response(content, media_type="application/json")
            headers = {open_inference.LENGTH_HEADER: str(head)}
            return Response(content, headers=headers, media_type="application/octet-stream")

        response: Response = await _fill(
            server,
            request,
            model,
            lambda body: open_inference.parse(body, length, server.limits, model),
            answer,
        )
        return response

    body = _json_body("`inputs`, and binary tensors behind the JSON")
    for path in paths:
        app.get(path, responses=not_found, **options)(model_metadata)
        app.get(path + "/ready", responses={**not_found, **_documented(503)}, **options)(
            model_ready
        )
        app.post(
            path + "/infer",
            responses={**_WORK_ERRORS, **not_found},
            openapi_extra=body,
            **options,
        )(infer)
