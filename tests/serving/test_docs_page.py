"""`/docs` shows the routes with nothing from elsewhere."""

import hashlib
import re

from keras_inpaint.serving.docs_page import SWAGGER_UI


def test_the_docs_name_nothing_from_elsewhere_and_all_that_they_name_answers(client):
    answer = client.get("/docs")
    assert answer.status_code == 200
    assert not re.findall(r"https?:|[\"'(]//", answer.text)
    named = re.findall(r"""(?:href=|src=|url: )["']([^"']+)["']""", answer.text)
    assert {"openapi.json", "docs/swagger-ui-bundle.js", "docs/swagger-ui.css"} < set(named)
    for name in named:
        assert client.get(f"/{name}").status_code == 200, name
    assert client.get("/redoc").status_code == 404


def test_the_docs_ask_nobody_whether_the_description_is_valid(client):
    answer = client.get("/docs")
    # Swagger UI's own default is an address of swagger.io.
    assert '"validatorUrl": null' in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_swagger_ui_is_the_one_that_its_readme_names_and_has_its_licence(client):
    readme = (SWAGGER_UI / "README.md").read_text(encoding="utf-8")
    assert "Apache License" in (SWAGGER_UI / "LICENSE").read_text(encoding="utf-8")
    digests = dict(reversed(line.split()) for line in readme.splitlines() if line[:4] == "    ")
    assert set(digests) == {"swagger-ui-bundle.js", "swagger-ui.css"}
    for name, digest in digests.items():
        for encoding in ("gzip", "identity"):
            answer = client.get(f"/docs/{name}", headers={"Accept-Encoding": encoding})
            assert answer.headers.get("content-encoding", "identity") == encoding
            assert hashlib.sha256(answer.content).hexdigest() == digest, name
