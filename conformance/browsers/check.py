#!/usr/bin/env python3
"""Tokens in real browsers, through the gateway, while services come and go.

    check.py --conduit BINARY --bundle BUNDLE.pem [--browser chromium,firefox] [--open-webui]
             [--services 200] [--tokens 900] [--shots DIRECTORY]

Every browser opens the page, types a prompt, and watches. The tokens must come in order, all of them,
spread over time, and never in a burst; meanwhile another process registers and removes services.
"""
import argparse
import asyncio
import pathlib
import sys
import time

from bidi import browser

# How much of the time between the first token and the last the engine's own pace must fill: less than
# this, and somebody held tokens back.
SPREAD_MIN = 0.8
# The longest pause between two tokens, in seconds: a browser and a debug build on a busy machine.
GAP_MAX = 2.0
# How many tokens may come in one piece, on average.
PIECE_MAX = 1.5
# Pages load within, in seconds.
LOAD_MAX = 60
# An answer may take this much longer than its pace says, in seconds.
ANSWER_SLACK = 60


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
    await page.open("https://chat.internal/")
    await page.until("!!document.getElementById('chat-input')", LOAD_MAX)
    # What is new is shown once, over everything.
    await page.evaluate("document.querySelectorAll('[aria-modal] button, .modal button').forEach(b => b.click())")
    await page.evaluate("document.getElementById('chat-input').focus()")
    # The page is asked what it shows each time that anything changes.
    await page.evaluate("""(() => {
        window.seen = [];
        const look = () => {
            const all = document.querySelectorAll('[id^="message-"]');
            const text = all.length ? all[all.length - 1].innerText : '';
            const last = (text.match(/\\d+(?= |$)/gm) || []).map(Number).filter((n, i, a) => i === 0 ? n === 1 : true);
            const count = counted(text);
            if (count !== (window.seen.at(-1) || [0, 0])[1]) window.seen.push([performance.now(), count]);
        };
        window.counted = (text) => {
            let best = 0, run = 0;
            for (const n of (text.match(/\\d+/g) || []).map(Number)) { run = n === run + 1 ? n : (n === 1 ? 1 : 0); best = Math.max(best, run); }
            return best;
        };
        new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    })()""")
    await page.type(f"Count to {options.tokens}\n")
    try:
        await page.until("window.seen.length > 5", LOAD_MAX)
    except RuntimeError:
        await page.screenshot(options.shots / f"{page.name}-open-webui-failed.png")
        raise
    started.set()
    await asyncio.sleep(2)
    await page.screenshot(options.shots / f"{page.name}-open-webui-streaming.png")
    await page.until(
        f"(window.seen.at(-1) || [0, 0])[1] >= {options.tokens}", options.tokens / options.pace + ANSWER_SLACK
    )
    await page.screenshot(options.shots / f"{page.name}-open-webui-done.png")
    seen = await page.evaluate("window.seen")
    return judge_shown(f"{page.name}, Open WebUI", seen, options)


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
    if max(gaps) > GAP_MAX:
        problems.append(f"a pause of {max(gaps):.2f} s")
    if len(numbers) / pieces > PIECE_MAX:
        problems.append(f"{len(numbers)} tokens in {pieces} pieces")
    gaps.sort()
    print(
        f"{name}: {len(numbers)} tokens in order over {protocol}, {pieces} pieces in {span:.1f} s, pauses "
        f"{gaps[len(gaps) // 2] * 1000:.0f} ms in the median, {gaps[-1] * 1000:.0f} ms at most", flush=True,
    )
    return [f"{name}: {problem}" for problem in problems]


def judge_shown(name, seen, options):
    """What a page showed: it may draw several tokens at a time, but never fewer than before."""
    problems = []
    counts = [count for _, count in seen]
    span = (seen[-1][0] - seen[0][0]) / 1000
    if counts != sorted(counts) or counts[-1] != options.tokens:
        problems.append(f"it showed {counts[-1]} of {options.tokens}, or went back")
    if span < SPREAD_MIN * (options.tokens - 1) / options.pace:
        problems.append(f"all within {span:.1f} s: they came in a burst")
    gap = max((b[0] - a[0]) / 1000 for a, b in zip(seen, seen[1:]))
    if gap > GAP_MAX:
        problems.append(f"a pause of {gap:.2f} s")
    print(f"{name}: {counts[-1]} tokens in order, drawn in {len(seen)} steps over {span:.1f} s, the longest pause {gap * 1000:.0f} ms", flush=True)
    return [f"{name}: {problem}" for problem in problems]


async def come_and_go(options, started):
    """Another process registers and removes services, from the time that every browser streams."""
    for event in started:
        await event.wait()
    begun = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, pathlib.Path(__file__).with_name("churn.py"), options.conduit, str(options.services),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    print(f"{options.services} services came and went in {time.monotonic() - begun:.1f} s", flush=True)
    return [] if process.returncode == 0 else [f"services cannot come and go: {said.decode()[-500:]}"]


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
    churned = asyncio.create_task(come_and_go(options, started))
    found = await asyncio.gather(
        *(watched(name, scene, options, event) for name, event in zip(options.browser, started))
    )
    gone = churned.done()
    problems = [problem for each in found for problem in each] + await churned
    if not gone and not problems:
        problems.append("the streams ended before the last service was gone: raise --tokens")
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
