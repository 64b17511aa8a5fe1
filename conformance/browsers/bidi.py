"""Drives a real browser by WebDriver BiDi (the W3C's protocol): Firefox speaks it itself, Chromium
through chromedriver. Needs only the package `websockets`."""
import asyncio
import base64
import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request

import websockets

# How long a browser may take to start, in seconds.
START_MAX = 60
# How long one command may take, in seconds.
COMMAND_MAX = 60
# Size of the window, in pixels.
WIDTH, HEIGHT = 1100, 800


class Browser:
    """One browser with one tab."""

    def __init__(self, name, link, process):
        self.name, self.link, self.process = name, link, process
        self.answers, self.number, self.tab = {}, 0, None
        self.reading = asyncio.create_task(self._read())

    async def _read(self):
        async for message in self.link:
            answer = json.loads(message)
            waiting = self.answers.pop(answer.get("id"), None)
            if waiting and not waiting.done():
                waiting.set_result(answer)

    async def command(self, method, **params):
        self.number += 1
        waiting = self.answers[self.number] = asyncio.get_running_loop().create_future()
        await self.link.send(json.dumps({"id": self.number, "method": method, "params": params}))
        answer = await asyncio.wait_for(waiting, COMMAND_MAX)
        if answer["type"] == "error":
            raise RuntimeError(f"{self.name}, {method}: {answer['error']}: {answer['message'][:400]}")
        return answer["result"]

    async def open(self, url):
        """Goes to a page and waits until it is loaded; a page that is not trusted is an error."""
        if self.tab is None:
            tree = await self.command("browsingContext.getTree")
            self.tab = tree["contexts"][0]["context"]
            await self.command(
                "browsingContext.setViewport", context=self.tab, viewport={"width": WIDTH, "height": HEIGHT}
            )
        try:
            return await self.command("browsingContext.navigate", context=self.tab, url=url, wait="complete")
        except RuntimeError as error:
            # Chromium's first look at the machine's network; in a window it loads again by itself.
            if "ERR_NETWORK_CHANGED" not in str(error):
                raise
            return await self.command("browsingContext.navigate", context=self.tab, url=url, wait="complete")

    async def evaluate(self, expression):
        """The value of an expression, which must be a text, or what JSON.stringify makes of it."""
        answer = await self.command(
            "script.evaluate", expression=f"Promise.resolve({expression}).then(v => JSON.stringify(v ?? null))",
            target={"context": self.tab}, awaitPromise=True,
        )
        if answer["type"] == "exception":
            raise RuntimeError(f"{self.name}: {answer['exceptionDetails']['text']}")
        return json.loads(answer["result"]["value"])

    async def until(self, expression, seconds, every=0.2):
        """Waits until the expression is true; its value, or an error that says what the page shows."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            value = await self.evaluate(expression)
            if value:
                return value
            if asyncio.get_running_loop().time() > end:
                shown = await self.evaluate("document.body.innerText")
                raise RuntimeError(f"{self.name}: not within {seconds} s: {expression}\n{shown[:1500]}")
            await asyncio.sleep(every)

    async def type(self, text):
        """Presses the keys of a text into whatever has the focus; "\\n" is Enter."""
        actions = []
        for key in text:
            value = "\ue007" if key == "\n" else key
            actions += [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
        await self.command(
            "input.performActions", context=self.tab, actions=[{"type": "key", "id": "keys", "actions": actions}]
        )

    async def press(self, modifier, key):
        """Presses one key while another is held."""
        down, up = ({"type": kind, "value": modifier} for kind in ("keyDown", "keyUp"))
        actions = [down, {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}, up]
        await self.command(
            "input.performActions", context=self.tab, actions=[{"type": "key", "id": "keys", "actions": actions}]
        )

    async def screenshot(self, path):
        shot = await self.command("browsingContext.captureScreenshot", context=self.tab)
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))


@contextlib.asynccontextmanager
async def browser(name, bundle):
    """A browser with a profile of its own that trusts this bundle (a PEM file), and nothing else new."""
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as home:
        start = {"chromium": _chromium, "firefox": _firefox}[name]
        process, address, capabilities = await start(pathlib.Path(home), bundle)
        try:
            async with websockets.connect(address, max_size=64 << 20, open_timeout=START_MAX) as link:
                opened = Browser(name, link, process)
                if capabilities is not None:
                    await opened.command("session.new", capabilities=capabilities)
                yield opened
                if capabilities is not None:
                    await opened.command("session.end")
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _trust(database, bundle):
    """Puts the bundle into an NSS store, which is where both browsers look, as `conduit ca trust` says.

    It takes the first root, P-256; the store refuses one of Ed25519, and so do the browsers.
    """
    database.mkdir(parents=True, exist_ok=True)
    store = ["certutil", "-d", f"sql:{database}"]
    subprocess.run([*store, "-N", "--empty-password"], check=True, capture_output=True)
    subprocess.run([*store, "-A", "-t", "C,,", "-n", "conduit", "-i", bundle], check=True)


async def _firefox(home, bundle):
    profile = home / "profile"
    _trust(profile, bundle)
    (profile / "user.js").write_text("".join(f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in {
        # Quiet: it calls home a lot, and there is no outside here.
        "app.update.enabled": False, "browser.safebrowsing.update.enabled": False, "network.captive-portal-service.enabled": False,
        "network.connectivity-service.enabled": False, "datareporting.policy.dataSubmissionEnabled": False,
        "toolkit.telemetry.enabled": False, "browser.aboutwelcome.enabled": False, "remote.prefs.recommended": True,
        # Names are asked of the system, as they are by default where no provider is chosen.
        "network.trr.mode": 5,
    }.items()))
    log = open(home / "firefox.log", "w+")
    process = subprocess.Popen(
        ["firefox-esr", "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0", "about:blank"],
        stdout=log, stderr=subprocess.STDOUT, env=os.environ | {"HOME": str(home), "MOZ_REMOTE_ALLOW_SYSTEM_ACCESS": "0"},
    )
    pattern = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
    for _ in range(START_MAX * 10):
        said = pattern.search((home / "firefox.log").read_text())
        if said:
            return process, said[1] + "/session", {"alwaysMatch": {}}
        if process.poll() is not None:
            break
        await asyncio.sleep(0.1)
    raise RuntimeError("Firefox did not start: " + (home / "firefox.log").read_text()[-2000:])


async def _chromium(home, bundle):
    _trust(home / ".pki/nssdb", bundle)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = open(home / "chromium.log", "w+")
    process = subprocess.Popen(
        ["chromedriver", f"--port={port}"], stdout=log, stderr=subprocess.STDOUT, env=os.environ | {"HOME": str(home)},
    )
    wanted = {"capabilities": {"alwaysMatch": {"webSocketUrl": True, "goog:chromeOptions": {"args": [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={home}/data", f"--window-size={WIDTH},{HEIGHT}",
    ]}}}}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/session", json.dumps(wanted).encode(), {"Content-Type": "application/json"}
    )
    for _ in range(START_MAX * 10):
        try:
            answer = await asyncio.to_thread(lambda: json.load(urllib.request.urlopen(request, timeout=START_MAX)))
            return process, answer["value"]["capabilities"]["webSocketUrl"], None
        except urllib.error.HTTPError as error:
            process.kill()
            raise RuntimeError(f"Chromium did not start: {error.read().decode()[:2000]}") from error
        except urllib.error.URLError:
            if process.poll() is not None:
                break
            await asyncio.sleep(0.1)
    raise RuntimeError("chromedriver did not start: " + (home / "chromium.log").read_text()[-2000:])
