"""A hub of one process: as much of the Hugging Face hub's HTTP as its library uses."""

import base64
import hashlib
import json
import pathlib
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeHub:
    """Serves folders as model repositories on loopback, takes commits to them, and remembers
    what was asked.

    Weights lie elsewhere, as on the hub itself: their address is answered with a redirect, and
    they are sent there before the commit that names them.
    """

    def __init__(self):
        self.refs = {}  # commits by branch or tag, by repository
        self.commits = {}  # bytes by file name, by commit
        self.refusals = {}  # status and the hub's code for it, by repository
        self.broken = set()  # names of files that the hub fails to deliver
        self.requests = []  # method and file name, or "tree"
        self.is_lost = False  # connections are closed without an answer
        self.owners = {}  # whose repositories a token may write to
        self.private = set()  # repositories
        self.messages = []  # of commits
        self.complaints = []  # about the header of a card
        self.large_files = {}  # bytes by their checksum
        self.before_answer = lambda method, file: None
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                hub.answer(self)

            def do_HEAD(self):
                hub.answer(self)

            def do_POST(self):
                hub.take(self, self.rfile.read(int(self.headers["Content-Length"])))

            def do_PUT(self):
                content = self.rfile.read(int(self.headers["Content-Length"]))
                hub.take_large_file(self, content)

            def log_message(self, *words):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def upload(self, repository, folder, revision="main"):
        """Makes a commit of a folder, points a branch or tag to it, and returns its hash."""
        folder = pathlib.Path(folder)
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        return self.commit(repository, files, revision)

    def commit(self, repository, files, revision="main"):
        """Makes a commit of files, points a branch or tag to it, and returns its hash."""
        commit = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.commits[commit] = files
        self.refs.setdefault(repository, {})[revision] = commit
        return commit

    def shut_down(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, request):
        if self.is_lost:
            request.close_connection = True
            return None
        url = urllib.parse.urlsplit(request.path)
        words = [urllib.parse.unquote(word) for word in url.path.strip("/").split("/")]
        if words[0] == "cdn":
            _, commit, file = words
            self.requests.append((request.command, file))
            return self._deliver(request, file, self.commits[commit][file], {})
        if words[:2] == ["api", "models"]:
            words = words[2:]
            if len(words) == 2 or words[2] == "revision":
                return self._describe(request, "/".join(words[:2]))
        if len(words) < 4 or words[2] not in ("resolve", "tree"):
            return _respond(request, 404, {"X-Error-Code": "EntryNotFound"})
        repository, kind, revision = "/".join(words[:2]), words[2], words[3]
        file = "/".join(words[4:]) or "tree"
        if not (kind == "resolve" and request.command == "GET" and _is_large(file)):
            self.requests.append((request.command, file))
        if repository in self.refusals:
            status, code = self.refusals[repository]
            return _respond(request, status, {"X-Error-Code": code} if code else {})
        if repository not in self.refs:
            return _respond(request, 404, {"X-Error-Code": "RepoNotFound"})
        commit = self.refs[repository].get(revision, revision)
        if commit not in self.commits:
            return _respond(request, 404, {"X-Error-Code": "RevisionNotFound"})
        files, headers = self.commits[commit], {"X-Repo-Commit": commit}
        if kind == "tree":
            self.before_answer("GET", "tree")
            entries = [_entry(name, content) for name, content in files.items()]
            return _respond(request, 200, headers, json.dumps(entries).encode())
        if file not in files:
            return _respond(request, 404, {**headers, "X-Error-Code": "EntryNotFound"})
        if _is_large(file):
            # Another host: redirects within the hub are followed as renamed repositories.
            elsewhere = self.url.replace("127.0.0.1", "localhost")
            headers["Location"] = f"{elsewhere}/cdn/{commit}/{file}"
            headers["X-Linked-Size"] = str(len(files[file]))
            headers["X-Linked-ETag"] = f'"{hashlib.sha256(files[file]).hexdigest()}"'
            return _respond(request, 302, headers)
        headers["ETag"] = f'"{_blob_id(files[file])}"'
        return self._deliver(request, file, files[file], headers)

    def _describe(self, request, repository):
        if repository not in self.refs:
            return _respond(request, 404, {"X-Error-Code": "RepoNotFound"})
        answer = {"id": repository, "private": repository in self.private}
        answer["sha"] = self.refs[repository].get("main")
        return _respond_json(request, 200, answer)

    def take(self, request, content):
        """Answers what asks to write: the making of a repository, and the steps of a commit."""
        words = urllib.parse.urlsplit(request.path).path.strip("/").split("/")
        if words == ["api", "validate-yaml"]:
            errors = [{"message": message} for message in self.complaints]
            status = 400 if errors else 200
            return _respond_json(request, status, {"errors": errors, "warnings": []})
        if words == ["api", "repos", "create"]:
            asked = json.loads(content)
            owner, name, action = asked.get("organization", "ada"), asked["name"], "create"
        elif words[-1] == "batch":
            owner, name, action = words[0], words[1].removesuffix(".git"), "batch"
        else:
            owner, name, action = words[2:5]
        repository = f"{owner}/{name}"
        self.requests.append(("POST", action))
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.owners:
            message = "Invalid credentials in Authorization header"
            return _respond(request, 401, {"X-Error-Message": message})
        if owner not in self.owners[token]:
            message = f"You have no rights in the namespace {owner}"
            return _respond(request, 403, {"X-Error-Message": message})
        if repository in self.refusals:
            return _respond(request, self.refusals[repository][0], {})
        return getattr(self, f"_{action}")(request, repository, content)

    def _create(self, request, repository, content):
        if repository in self.refs:
            return _respond_json(request, 409, {"url": f"{self.url}/{repository}"})
        asked = json.loads(content)
        # Versions of the library differ in the word.
        if asked.get("private") or asked.get("visibility") == "private":
            self.private.add(repository)
        self.commit(repository, {".gitattributes": b"*.h5 filter=lfs"})
        return _respond_json(request, 200, {"url": f"{self.url}/{repository}"})

    def _preupload(self, request, repository, content):
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if _is_large(file["path"]) else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(content)["files"]
        ]
        return _respond_json(request, 200, {"files": files})

    def _batch(self, request, repository, content):
        objects = json.loads(content)["objects"]
        for each in objects:
            if each["oid"] not in self.large_files:
                href = f"{self.url}/lfs/{each['oid']}"
                each["actions"] = {"upload": {"href": href}}
        return _respond_json(request, 200, {"objects": objects, "transfer": "basic"})

    def take_large_file(self, request, content):
        checksum = request.path.rpartition("/")[2]
        self.requests.append(("PUT", checksum))
        is_whole = hashlib.sha256(content).hexdigest() == checksum
        if self.broken or not is_whole:
            return _respond(request, 500, {})
        self.large_files[checksum] = content
        return _respond(request, 200, {})

    def _commit(self, request, repository, content):
        files = dict(self.commits[self.refs[repository]["main"]])
        for line in content.splitlines():
            step = json.loads(line)
            value = step["value"]
            if step["key"] == "header":
                self.messages.append(value["summary"])
            elif step["key"] == "deletedFile":
                del files[value["path"]]
            elif step["key"] == "lfsFile":
                files[value["path"]] = self.large_files[value["oid"]]
            else:
                files[value["path"]] = base64.b64decode(value["content"])
        commit = self.commit(repository, files)
        answer = {"commitUrl": f"{self.url}/{repository}/commit/{commit}", "commitOid": commit}
        return _respond_json(request, 200, answer)

    def _deliver(self, request, file, content, headers):
        self.before_answer(request.command, file)
        if file in self.broken and request.command == "GET":
            _respond(request, 500, {})
        else:
            _respond(request, 200, headers, content)


def _is_large(file):
    return file.endswith(".h5")


def _blob_id(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _entry(name, content):
    entry = {"type": "file", "path": name, "size": len(content), "oid": _blob_id(content)}
    if _is_large(name):
        digest = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 130}
    return entry


def _respond(request, status, headers, content=b""):
    request.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(content))}.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(content)


def _respond_json(request, status, content):
    _respond(request, status, {}, json.dumps(content).encode())
