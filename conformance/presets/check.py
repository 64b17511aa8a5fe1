#!/usr/bin/env python3
"""Each preset against the program it is for: healthy, found by `--preset auto`, and used as its users
use it: logins, uploads, streams, WebSockets, and pages that come from somewhere else.

    check.py CONDUIT WORKDIR OLLAMA_LIKE
"""
import base64
import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request

import websockets
from websockets.sync.client import connect

CONDUIT, WORK, OLLAMA_LIKE = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
TRUST = ssl.create_default_context(cafile=str(WORK / "bundle.pem"))
# How long a program may take to start, in seconds: Open WebUI loads a lot.
START_MAX = 400
# How long one answer may take, in seconds.
ANSWER_MAX = 60
# Size of what is uploaded, in bytes.
UPLOAD = 20_000_000
SECRET = "only-here"


class Skipped(Exception):
    """The program is not installed."""


def conduit(*arguments, ok=True):
    done = subprocess.run([CONDUIT, *arguments], capture_output=True, text=True, timeout=120)
    if ok and done.returncode != 0:
        raise AssertionError(f"conduit {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def registered(name, upstream, preset, *more):
    """Healthy with the preset, and found by `auto`."""
    conduit("register", name, upstream, "--preset", preset, "--wait-healthy", *more)
    said = conduit("register", f"{name}-auto", upstream, "--preset", "auto")
    found = re.search(r"^preset: (\S+) \((.*)\)$", said, re.MULTILINE)
    assert found and found[1] == preset, f"auto said: {said}"
    conduit("deregister", f"{name}-auto")
    return found[2]


def ask(url, body=None, headers=None, method=None, redirects=True):
    """Status, headers and body, whatever the status."""
    data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        headers.setdefault("Content-Type", "application/json")
    request = urllib.request.Request(url, data, headers, method=method)
    handlers = [urllib.request.HTTPSHandler(context=TRUST)] + ([] if redirects else [Stay()])
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=ANSWER_MAX) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def open_socket(url, origin=None, **more):
    return connect(url, ssl=TRUST, origin=origin, max_size=None, open_timeout=ANSWER_MAX, **more)


def refused_socket(url, **more):
    """The status with which a WebSocket is refused; 101 when it is not."""
    try:
        open_socket(url, **more).close()
    except websockets.exceptions.InvalidStatus as error:
        return error.response.status_code
    return 101


def until(true, seconds=START_MAX):
    end = time.monotonic() + seconds
    while True:
        try:
            value = true()
            if value:
                return value
        except (OSError, AssertionError):
            pass
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.2)


@contextlib.contextmanager
def program(name, command, ready, **more):
    """A program that runs meanwhile; its output is shown when something fails."""
    with open(WORK / f"{name}.log", "w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=WORK, **more)
        try:
            until(lambda: process.poll() is not None or ready())
            assert process.poll() is None, f"{name} ended"
            yield process
        except Exception:
            print("".join((WORK / f"{name}.log").read_text().splitlines(keepends=True)[-25:]))
            raise
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def answers(url):
    return lambda: urllib.request.urlopen(url, timeout=2).status == 200


def needs(tool):
    if not shutil.which(tool):
        raise Skipped(f"{tool} is not installed")
    return tool


def needs_module(*names):
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise Skipped(f"Python has no {name}")


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip().splitlines()[0]


# The programs. Each returns its version, and what auto saw.

def prometheus():
    needs("prometheus")
    (WORK / "prometheus.yml").write_text(f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: itself-through-the-gateway
    scheme: https
    tls_config: {{ca_file: {WORK}/bundle.pem}}
    static_configs: [{{targets: ['prom.internal']}}]
""")
    command = ["prometheus", f"--config.file={WORK}/prometheus.yml", f"--storage.tsdb.path={WORK}/tsdb",
               "--web.listen-address=127.0.0.1:9090"]
    with program("prometheus", command, answers("http://127.0.0.1:9090/-/ready")):
        evidence = registered("prom", "127.0.0.1:9090", "prometheus")
        status, headers, _ = ask("https://prom.internal/", redirects=False)
        assert status == 302 and headers["Location"].endswith("/graph"), headers["Location"]
        assert b"<title>Prometheus" in ask("https://prom.internal/graph")[2]

        def scraped():
            _, _, said = ask("https://prom.internal/api/v1/query", b"query=up",
                             {"Content-Type": "application/x-www-form-urlencoded"})
            result = json.loads(said)["data"]["result"]
            return result and result[0]["value"][1] == "1"

        until(scraped, 30)
        assert b"text/plain" in ask("https://prom.internal/metrics")[1]["Content-Type"].encode()
        return first_line("prometheus", "--version").split(" (")[0], evidence


def redis():
    needs("redis-server")
    needs("redis-cli")
    command = ["redis-server", "--port", "16379", "--bind", "127.0.0.1", "--save", "", "--requirepass", SECRET]

    def cli(*arguments, tls=False, **more):
        more = {"capture_output": True, "timeout": ANSWER_MAX, "check": True} | more
        where = ["-h", "redis.internal", "-p", "6379"]
        if tls:
            where = ["-h", "cache.internal", "-p", "6380", "--tls", "--sni", "cache.internal", "--cacert", WORK / "bundle.pem"]
        return subprocess.run(["redis-cli", "--no-auth-warning", "-a", SECRET, *where, *arguments], **more).stdout

    here = ["redis-cli", "--no-auth-warning", "-a", SECRET, "-p", "16379", "ping"]
    with program("redis", command, lambda: subprocess.run(here, capture_output=True).stdout == b"PONG\n"):
        evidence = registered("redis", "127.0.0.1:16379", "redis", "--listen", "6379")
        conduit("register", "cache", "127.0.0.1:16379", "--preset", "redis", "--listen", "6380", "--tls")
        # An answer that comes from our side would be an error, so this is Redis.
        value = base64.b64encode(os.urandom(UPLOAD))
        for tls in (False, True):
            assert cli("ping", tls=tls) == b"PONG\n"
            assert cli("-x", "set", "big", tls=tls, input=value) == b"OK\n"
            assert cli("get", "big", tls=tls) == value + b"\n"
        listening = ["redis-cli", "--no-auth-warning", "-a", SECRET, "-h", "redis.internal", "subscribe", "news"]
        with subprocess.Popen(listening, stdout=subprocess.PIPE) as subscriber:
            for _ in range(3):
                subscriber.stdout.readline()
            assert cli("publish", "news", "hello") == b"1\n"
            assert [subscriber.stdout.readline() for _ in range(3)][2] == b"hello\n"
            subscriber.kill()
        return first_line("redis-server", "--version").split(" sha")[0], evidence


def postgres():
    needs("psql")
    initdb = needs("initdb") if shutil.which("initdb") else None
    folders = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders and not initdb:
        raise Skipped("PostgreSQL is not installed")
    tools = folders[-1] if folders else pathlib.Path(initdb).parent
    data = WORK / "postgres"
    # It refuses to run as root.
    become = []
    if os.geteuid() == 0:
        data.mkdir()
        shutil.chown(data, "postgres")
        become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    secret = WORK / "secret"
    secret.write_text(SECRET)
    subprocess.run([*become, tools / "initdb", "-D", data, "-U", "admin", "-A", "scram-sha-256", "--pwfile", secret, "-N"],
                   check=True, capture_output=True, cwd="/")
    command = [*become, tools / "postgres", "-D", data, "-p", "15432", "-h", "127.0.0.1", "-k", ""]
    whole = {"PGPASSWORD": SECRET, "PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(WORK / "bundle.pem")}
    environment = os.environ | whole
    target = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "db.internal", "-U", "admin", "postgres"]

    def query(text, **more):
        more = {"capture_output": True, "env": environment, "timeout": ANSWER_MAX, "check": True} | more
        return subprocess.run([*target, "-c", text], **more).stdout.strip()

    ready = [tools / "pg_isready", "-q", "-h", "127.0.0.1", "-p", "15432"]
    with program("postgres", command, lambda: subprocess.run(ready).returncode == 0):
        evidence = registered("pg", "127.0.0.1:15432", "postgres", "--listen", "5433")
        plain = environment | {"PGSSLMODE": "disable", "PGPORT": "5433", "PGHOST": "pg.internal"}
        assert subprocess.run(["psql", "-X", "-At", "-h", "pg.internal", "-U", "admin", "postgres", "-c", "select 6*7"],
                              env=plain, capture_output=True, check=True).stdout == b"42\n"
        conduit("register", "db", "127.0.0.1:15432", "--preset", "postgres", "--listen", "5432", "--tls")
        assert query("select 6*7") == b"42"
        # The certificate is judged: this name is not in it.
        wrong = subprocess.run(["psql", "-X", "-h", "10.66.0.1", "-U", "admin", "postgres", "-c", "select 1"],
                               env=environment, capture_output=True)
        assert wrong.returncode != 0, wrong.stdout
        query("create table big (line text)")
        lines = b"\n".join(base64.b64encode(os.urandom(750)) for _ in range(UPLOAD // 1000)) + b"\n"
        query("copy big from stdin", input=lines)
        assert subprocess.run([*target, "-c", "copy big to stdout"], env=environment, capture_output=True, check=True).stdout == lines
        # Ctrl-C is a second connection, which older clients make without TLS.
        sleeping = subprocess.Popen([*target, "-c", "select pg_sleep(60)"], env=environment, stderr=subprocess.PIPE)
        until(lambda: query("select count(*) from pg_stat_activity where query = 'select pg_sleep(60)'") == b"1", 20)
        began = time.monotonic()
        sleeping.send_signal(signal.SIGINT)
        _, said = sleeping.communicate(timeout=ANSWER_MAX)
        assert b"user request" in said and time.monotonic() - began < 20, said
        return first_line(tools / "postgres", "--version"), evidence


def llamacpp():
    needs_module("xllamacpp", "gguf", "numpy")
    command = [sys.executable, pathlib.Path(__file__).with_name("llamacpp.py"), "8082"]
    with program("llamacpp", command, answers("http://127.0.0.1:8082/health")):
        evidence = registered("llama", "127.0.0.1:8082", "llamacpp")
        request = {"model": "noise", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 40, "stream": True}
        _, headers, said = ask("https://llama.internal/v1/chat/completions", request)
        events = [line for line in said.split(b"\n") if line.startswith(b"data: ")]
        assert headers["Content-Type"].startswith("text/event-stream") and len(events) >= 20, said[-500:]
        assert events[-1] == b"data: [DONE]", events[-1]
        # A prompt may carry pictures.
        status, _, _ = ask("https://llama.internal/tokenize", {"content": "a" * (UPLOAD // 4)})
        assert status == 200, status
        with contextlib.suppress(ImportError):
            import httpx
            import openai
            client = openai.OpenAI(base_url="https://llama.internal/v1", api_key="none", http_client=httpx.Client(verify=TRUST))
            pieces = list(client.chat.completions.create(model="noise", messages=request["messages"], max_tokens=10, stream=True))
            assert len(pieces) > 5
        import xllamacpp
        return f"llama.cpp's server in xllamacpp {xllamacpp.__version__}", evidence


def ollama():
    with program("ollama", [sys.executable, OLLAMA_LIKE, "--pace", "100"], answers("http://127.0.0.1:11434/api/version")):
        # Without the preset, a page of the service's own host is a stranger to it.
        conduit("register", "bare", "127.0.0.1:11434")
        assert ask("https://bare.internal/api/tags", headers={"Origin": "https://page.internal"})[0] == 403
        evidence = registered("llm", "127.0.0.1:11434", "ollama")
        status, _, said = ask("https://llm.internal/api/tags", headers={"Origin": "https://page.internal"})
        assert status == 200 and b"counter:latest" in said
        versions = "the stand-in of examples/open-webui"
        with contextlib.suppress(ImportError):
            import ollama as client
            llm = client.Client(host="https://llm.internal", verify=TRUST)
            pieces = list(llm.chat("counter", messages=[{"role": "user", "content": "Count to 50"}], stream=True))
            assert [int(piece.message.content) for piece in pieces[:-1]] == list(range(1, 51))
            assert len(llm.list().models) == 2
            picture = base64.b64encode(os.urandom(UPLOAD)).decode()
            assert llm.generate("counter", "Count to 3", images=[picture]).response == "1 2 3"
            versions += f", asked by Ollama's own client {importlib.metadata.version('ollama')}"
        return versions, evidence


def jupyter():
    needs_module("jupyterlab", "ipykernel")
    home = WORK / "jupyter"
    home.mkdir()
    environment = os.environ | {"HOME": str(home), "JUPYTER_RUNTIME_DIR": str(home / "run")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.root_dir={home}",
               f"--IdentityProvider.token={SECRET}", "--ip=127.0.0.1"]
    # As it is behind a proxy on the same machine: it must be told that others may come.
    remote = [*command, "--port=8888", "--ServerApp.allow_remote_access=True"]
    with program("jupyter", remote, answers("http://127.0.0.1:8888/api"), env=environment):
        evidence = registered("lab", "127.0.0.1:8888", "jupyter")
        use_jupyter("lab")
    # Untouched, it answers only to local names; then the gateway says one, and it is told the pages' origin.
    local = [*command, "--port=8889", "--ServerApp.allow_origin=https://own.internal"]
    with program("jupyter-local", local, answers("http://127.0.0.1:8889/api"), env=environment):
        conduit("register", "strict", "127.0.0.1:8889", "--preset", "jupyter", "--wait-healthy")
        assert ask("https://strict.internal/api/status", headers={"Authorization": f"token {SECRET}"})[0] == 403
        registered("own", "127.0.0.1:8889", "jupyter", "--upstream-host", "localhost:8889")
        use_jupyter("own")
    return f"JupyterLab {importlib.metadata.version('jupyterlab')}, Jupyter Server {importlib.metadata.version('jupyter_server')}", evidence


def use_jupyter(name):
    base = f"https://{name}.internal"
    token = {"Authorization": f"token {SECRET}"}
    # People log in with a form.
    cookies = urllib.request.HTTPCookieProcessor()
    browser = urllib.request.build_opener(cookies, urllib.request.HTTPSHandler(context=TRUST))
    page = browser.open(f"{base}/login?next=%2Flab", timeout=ANSWER_MAX).read().decode()
    hidden = re.search(r'name="_xsrf" value="([^"]+)"', page)[1]
    form = f"_xsrf={hidden}&password={SECRET}".encode()
    inside = browser.open(f"{base}/login?next=%2Flab", form, timeout=ANSWER_MAX)
    assert inside.url.startswith(f"{base}/lab"), inside.url
    kept = "; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies.cookiejar)
    # A file goes up and comes down.
    content = os.urandom(UPLOAD)
    upload = {"type": "file", "format": "base64", "content": base64.b64encode(content).decode()}
    status, _, said = ask(f"{base}/api/contents/big.bin", upload, token, "PUT")
    assert status in (200, 201), said[:300]
    _, _, back = ask(f"{base}/files/big.bin", headers=token)
    assert hashlib.sha256(back).digest() == hashlib.sha256(content).digest()
    # A cell runs over a WebSocket, with the cookie of the page and its origin.
    _, _, said = ask(f"{base}/api/kernels", {"name": "python3"}, token)
    kernel = json.loads(said)["id"]
    socket = f"wss://{name}.internal/api/kernels/{kernel}/channels"
    stranger = refused_socket(socket, origin="https://elsewhere.internal", additional_headers={"Cookie": kept})
    assert stranger == 403, f"a page of another origin got {stranger}"
    assert refused_socket(socket, origin=base) == 403, "nobody asked who it was"
    with open_socket(socket, origin=base, additional_headers={"Cookie": kept}) as channel:
        header = {"msg_id": "1", "username": "", "session": "1", "msg_type": "execute_request", "version": "5.3", "date": ""}
        code = "import time\nfor n in range(5):\n    print(n, flush=True)\n    time.sleep(0.2)"
        content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
        channel.send(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content,
                                 "channel": "shell", "buffers": []}))
        printed, times = "", []
        while "4" not in printed:
            message = json.loads(channel.recv(timeout=ANSWER_MAX))
            if message.get("msg_type") == "stream":
                printed += message["content"]["text"]
                times.append(time.monotonic())
    assert printed.split() == list("01234"), printed
    assert times[-1] - times[0] > 0.5, "what it printed came in a burst"
    ask(f"{base}/api/kernels/{kernel}", headers=token, method="DELETE")


def open_webui():
    command = os.environ.get("CONDUIT_OPEN_WEBUI") or needs("open-webui")
    data = WORK / "open-webui"
    data.mkdir()
    environment = os.environ | {
        "DATA_DIR": str(data), "OLLAMA_BASE_URL": "https://llm.internal", "SSL_CERT_FILE": str(WORK / "bundle.pem"),
        "REQUESTS_CA_BUNDLE": str(WORK / "bundle.pem"), "OFFLINE_MODE": "true", "HF_HUB_OFFLINE": "1", "WEBUI_SECRET_KEY": SECRET,
        "ENABLE_OPENAI_API": "False", "RAG_EMBEDDING_ENGINE": "ollama", "CORS_ALLOW_ORIGIN": "https://chat.internal",
    }
    engine = program("ollama-of-open-webui", [sys.executable, OLLAMA_LIKE, "--pace", "100"], answers("http://127.0.0.1:11434/api/version"))
    started = [command, "serve", "--host", "127.0.0.1", "--port", "8081"]
    with engine, program("open-webui-server", started, answers("http://127.0.0.1:8081/health"), env=environment):
        conduit("register", "llm", "127.0.0.1:11434", "--preset", "ollama", "--replace", "--wait-healthy")
        evidence = registered("chat", "127.0.0.1:8081", "open-webui")
        person = {"name": "A", "email": "a@chat.internal", "password": SECRET}
        status, _, said = ask("https://chat.internal/api/v1/auths/signup", person)
        assert status == 200, said
        status, _, said = ask("https://chat.internal/api/v1/auths/signin", person)
        token = {"Authorization": f"Bearer {json.loads(said)['token']}"}
        models = json.loads(ask("https://chat.internal/api/models", headers=token)[2])["data"]
        assert "counter:latest" in [model["id"] for model in models], models
        content = os.urandom(UPLOAD)
        form = (b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"big.bin\"\r\n"
                b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n--x--\r\n")
        status, _, said = ask("https://chat.internal/api/v1/files/?process=false", form,
                              token | {"Content-Type": "multipart/form-data; boundary=x"})
        assert status == 200, said[:300]
        _, _, back = ask(f"https://chat.internal/api/v1/files/{json.loads(said)['id']}/content", headers=token)
        assert back == content, f"{len(back)} bytes came back"
        socket = "wss://chat.internal/ws/socket.io/?EIO=4&transport=websocket"
        assert refused_socket(socket, origin="https://elsewhere.internal") in (400, 403)
        with open_socket(socket, origin="https://chat.internal") as channel:
            assert channel.recv(timeout=ANSWER_MAX).startswith("0{")
            channel.send("40" + json.dumps({"token": token["Authorization"].split()[1]}))
            assert channel.recv(timeout=ANSWER_MAX).startswith("40")
        request = {"model": "counter:latest", "messages": [{"role": "user", "content": "Count to 50"}], "stream": True}
        _, headers, said = ask("https://chat.internal/api/chat/completions", request, token)
        pieces = [json.loads(line[6:]) for line in said.decode().splitlines() if line.startswith("data: {")]
        text = "".join(choice["delta"].get("content") or "" for piece in pieces for choice in piece.get("choices", []))
        assert text.split() == [str(number) for number in range(1, 51)], text
        return evidence.split(" answered ")[1], evidence


def main():
    failed = 0
    for check in (prometheus, redis, postgres, ollama, llamacpp, jupyter, open_webui):
        name = check.__name__.replace("_", "-")
        began = time.monotonic()
        try:
            version, evidence = check()
            print(f"ok {name}: {version}; auto: {evidence} ({time.monotonic() - began:.0f} s)", flush=True)
        except Skipped as reason:
            print(f"SKIPPED: preset {name} ({reason})", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED {name}", flush=True)
            traceback.print_exc()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
