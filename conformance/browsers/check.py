#!/usr/bin/env python3
"""Tokens in real browsers, through the gateway, while services come and go.

    check.py --conduit BINARY --bundle BUNDLE.pem [--browser chromium,firefox] [--open-webui]
             [--services 200] [--tokens 900] [--shots DIRECTORY]

Every browser opens the page, types a prompt, and watches. The tokens must come in order, all of them,
spread over time, and never in a burst; meanwhile another process registers and removes services.
"""
import argparse
import asyncio
import json
import pathlib
import sys
import time

from bidi import browser

# How much of the time between the first token and the last the engine's own pace must fill: less than
# this, and somebody held tokens back.
SPREAD_MIN = 0.8
# The longest pause between two tokens, in seconds: a browser and a debug build on a busy machine. Open
# WebUI draws the whole answer again with each token, and has two programs more to pass.
GAP_MAX, GAP_MAX_OPEN_WEBUI = 2.0, 5.0
# How many tokens may come in one piece, on average.
PIECE_MAX, PIECE_MAX_OPEN_WEBUI = 1.5, 3.0
# How much of the coming and going must happen while tokens stream, of one.
DURING_MIN = 0.5
# Pages load within, in seconds.
LOAD_MAX = 60
# An answer may take this much longer than its pace says, in seconds.
ANSWER_SLACK = 60

# How often a prompt is typed until it stands there whole: a page that is still loading takes the focus away.
TYPE_TRIES = 10
CONTROL, BACKSPACE = "\ue009", "\ue003"
# Notes what a page's WebSockets receive, and when, before the page itself sees it.
TAP = """() => {
    const Original = window.WebSocket;
    window.frames_seen = [];
    window.WebSocket = class extends Original {
        constructor(...all) {
            super(...all);
            this.addEventListener('message', (event) => {
                if (typeof event.data === 'string') window.frames_seen.push([performance.now(), event.data]);
            });
        }
    };
}"""


async def chat_page(page, options, started):
    """The small page at https://llm.internal."""
    await page.open("https://llm.internal/")
    await page.evaluate("document.getElementById('prompt').focus()")
    await page.type(f"Count to {options.tokens}\n")
    await page.until("window.tokens.length > 10 || window.state.startsWith('failed') || ''", LOAD_MAX)
    started.set()
    await asyncio.sleep(2)
    await page.screenshot(options.shots / f"{page.name}-streaming.png")
    await page.until("/^(done|failed)/.test(window.state)", options.tokens / options.pace + ANSWER_SLACK)
    await page.screenshot(options.shots / f"{page.name}-done.png")
    state = await page.evaluate("window.state")
    if state != "done":
        raise RuntimeError(f"{page.name}: {state}")
    tokens = await page.evaluate("window.tokens.map(t => [t.at, t.text])")
    protocol = await page.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol")
    return judge(page.name, [int(text) for _, text in tokens], [at for at, _ in tokens], options, protocol)


async def open_webui(page, options, started):
    """Open WebUI at https://chat.internal, whose own requests go to https://llm.internal."""
    await page.command("script.addPreloadScript", functionDeclaration=TAP)
    await page.open("https://chat.internal/")
    await page.until("!!document.getElementById('chat-input')", LOAD_MAX)
    # It takes a moment until the page has its engine's models, and leaves the focus alone.
    await page.until("document.body.innerText.includes('counter:latest')", LOAD_MAX)
    prompt = f"Count to {options.tokens}"
    typed = "document.getElementById('chat-input').innerText.trim()"
    for _ in range(TYPE_TRIES):
        await page.evaluate("document.getElementById('chat-input').focus()")
        await page.type(prompt)
        if await page.evaluate(typed) == prompt:
            break
        await page.press(CONTROL, "a")
        await page.type(BACKSPACE)
    await page.type("\n")
    deltas = """window.frames_seen.filter(frame =>
        frame[1].includes('output_text.delta') && frame[1].includes(location.pathname.split('/').pop()))"""
    try:
        await page.until(f"{deltas}.length > 10", LOAD_MAX)
    except RuntimeError:
        await page.screenshot(options.shots / f"{page.name}-open-webui-failed.png")
        print(await page.evaluate("window.frames_seen.map(frame => frame[1].slice(0, 200)).slice(0, 20)"))
        raise
    started.set()
    await asyncio.sleep(5)
    # What is new in this version is shown over everything, once.
    await page.evaluate("[...document.querySelectorAll('button')].find(b => /Let.s Go/.test(b.innerText))?.click()")
    await asyncio.sleep(1)
    await page.screenshot(options.shots / f"{page.name}-open-webui-streaming.png")
    slack = options.tokens / options.pace + ANSWER_SLACK
    await page.until(f"{deltas}.some(frame => frame[1].includes(' {options.tokens}\"'))", slack)
    await page.until(f"document.body.innerText.includes(' {options.tokens - 1} {options.tokens}')", ANSWER_SLACK)
    await page.screenshot(options.shots / f"{page.name}-open-webui-done.png")
    numbers, times = [], []
    own = await page.evaluate("location.pathname.split('/').pop()")
    for at, frame in await page.evaluate(deltas):
        # Socket.IO's text event: 42 and a list of its name and its data. The other browser is the same
        # user, so its answer comes here, too.
        event = json.loads(frame[2:])[1]
        said = event["data"]["data"]["delta"].split() if event["chat_id"] == own else []
        numbers += [int(number) for number in said]
        times += [at] * len(said)
    return judge(f"{page.name}, Open WebUI", numbers, times, options, "a WebSocket")


def judge(name, numbers, times, options, protocol):
    expected = list(range(1, options.tokens + 1))
    problems = []
    if numbers != expected:
        lost = sorted(set(expected) - set(numbers))[:10]
        problems.append(f"{len(numbers)} tokens of {options.tokens}, lost {lost}, or not in order")
    span = (times[-1] - times[0]) / 1000
    gaps = [(b - a) / 1000 for a, b in zip(times, times[1:])]
    pieces = len(set(times))
    if span < SPREAD_MIN * (options.tokens - 1) / options.pace:
        problems.append(f"all within {span:.1f} s: they came in a burst")
    if max(gaps) > (GAP_MAX_OPEN_WEBUI if options.open_webui else GAP_MAX):
        problems.append(f"a pause of {max(gaps):.2f} s")
    if len(numbers) / pieces > (PIECE_MAX_OPEN_WEBUI if options.open_webui else PIECE_MAX):
        problems.append(f"{len(numbers)} tokens in {pieces} pieces")
    gaps.sort()
    print(
        f"{name}: {len(numbers)} tokens in order over {protocol}, {pieces} pieces in {span:.1f} s, pauses "
        f"{gaps[len(gaps) // 2] * 1000:.0f} ms in the median, {gaps[-1] * 1000:.0f} ms at most", flush=True,
    )
    return [f"{name}: {problem}" for problem in problems]


async def come_and_go(options, started, gone):
    """Another process registers and removes services, from the time that every browser streams."""
    for event in started:
        await event.wait()
    process = await asyncio.create_subprocess_exec(
        sys.executable, pathlib.Path(__file__).with_name("churn.py"), options.conduit, str(options.services),
        stdout=asyncio.subprocess.PIPE,
    )
    said = []
    async for line in process.stdout:
        said.append(line.decode().strip())
        gone.append(time.monotonic())
    if await process.wait() != 0:
        return [f"services cannot come and go: {said[-5:]}"]
    return []


async def watched(name, scene, options, started):
    try:
        async with browser(name, options.bundle) as page:
            return await scene(page, options, started)
    except Exception as error:
        return [f"{name}: {type(error).__name__} {error}"]
    finally:
        # Nobody waits for one that failed.
        started.set()


async def main(options):
    scene = open_webui if options.open_webui else chat_page
    started = [asyncio.Event() for _ in options.browser]
    gone = []
    churned = asyncio.create_task(come_and_go(options, started, gone))
    found = await asyncio.gather(
        *(watched(name, scene, options, event) for name, event in zip(options.browser, started))
    )
    during = len(gone)
    problems = [problem for each in found for problem in each] + await churned
    print(f"{during} of {options.services} services came and went while tokens streamed")
    if during < DURING_MIN * options.services and not problems:
        problems.append("the streams ended too soon: raise --tokens")
    for problem in problems:
        print(f"FAILED {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conduit", required=True)
    parser.add_argument("--bundle", required=True)
    parser.add_argument("--browser", default=["chromium", "firefox"], type=lambda text: text.split(","))
    parser.add_argument("--open-webui", action="store_true")
    parser.add_argument("--services", default=200, type=int)
    parser.add_argument("--tokens", default=900, type=int)
    parser.add_argument("--pace", default=30.0, type=float)
    parser.add_argument("--shots", default=".", type=pathlib.Path)
    sys.exit(asyncio.run(main(parser.parse_args())))
