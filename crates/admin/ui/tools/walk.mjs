// Walks through the dashboard of a daemon with an empty state as a person would, mostly with the keyboard:
// logs in by a one-time link, trusts the site's authority with the commands that are printed, and then, over
// the dashboard's own name, registers, opens, edits, drains, deregisters, undoes, rotates and verifies.
//
// node tools/walk.mjs, with `conduit` and `restart` (which restarts the daemon) on the path, names
// resolved by the daemon, and a HOME that may be written to; see conformance/dashboard/run.
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

const LOCAL = "http://127.0.0.1:9999";
const SITE = "https://conduit.internal";
const NAME = "walk";
const faults = [];
let url = LOCAL;

const server = createServer((_, response) => response.end("it is me"));
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address();
const upstream = `127.0.0.1:${port}`;

const run = (program, ...args) => execFileSync(program, args, { encoding: "utf8" });
const newCode = () => JSON.parse(run("conduit", "login", "--json")).code;
const open = async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"], env: process.env });
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ignoreHTTPSErrors: false });
  const page = await context.newPage();
  page.on("console", (message) => { if (message.type() === "error") faults.push(message.text()); });
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("request", (request) => { if (!request.url().startsWith(url) && !request.url().startsWith("blob:")) faults.push(`foreign: ${request.url()}`); });
  return { browser, context, page };
};
const step = async (what, act) => {
  const began = performance.now();
  await act();
  process.stdout.write(`ok   ${what} (${Math.round(performance.now() - began)} ms)\n`);
};
const seen = (text) => page.getByText(text).first().waitFor({ timeout: 10_000 });
const state = (word) => page.getByText(word, { exact: true }).first().waitFor({ timeout: 10_000 });
/** Asks the API from inside the page, as another tab or person would. */
const ask = (method, path, wish) => page.evaluate(async ([method, path, wish]) => {
  const { csrf } = await (await fetch("/api/v1/session")).json();
  const headers = { "x-conduit-csrf": csrf, ...(wish && { "content-type": "application/json" }) };
  return (await fetch(`/api/v1${path}`, { method, headers, body: wish && JSON.stringify(wish) })).status;
}, [method, path, wish]);
/** The commands under these headings of what is printed. */
const commandsOf = (printed, ...headings) => printed.split("\n\n").filter((part) => headings.some((heading) => part.startsWith(`# ${heading}`))).join("\n");

let { browser, context, page } = await open();
try {
  await step("who is not signed in sees how to get in", async () => {
    const answer = await page.goto(url);
    assert.match(answer.headers()["content-security-policy"], /default-src 'none'.*script-src 'self'/);
    await seen("conduit login");
    faults.length = 0; // The 401 of the first question is told in the console.
  });
  await step("a wrong token is refused with its reason", async () => {
    await page.locator("#token").fill("cdt_wrong");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").waitFor();
    faults.length = 0;
  });
  await step("a one-time link signs in, and leaves no trace in the address", async () => {
    await page.goto("about:blank");
    await page.goto(`${url}/#login=${newCode()}`);
    await page.getByRole("heading", { name: "Dashboard", level: 1 }).waitFor();
    assert.equal(new URL(page.url()).hash, "");
  });
  await step("the commands that are printed make the browser trust this site", async () => {
    await seen("conduit ca trust");
    run("bash", "-euc", `cd "$HOME"\n${commandsOf(run("conduit", "ca", "trust"), "Fetch the bundle", "Firefox, Chromium on Linux")}`);
    await browser.close();
    url = SITE;
    ({ browser, context, page } = await open());
    const answer = await page.goto(`${url}/#login=${newCode()}`);
    assert.match((await answer.securityDetails()).issuer, /Conduit/);
    assert.match(answer.headers()["strict-transport-security"], /max-age=\d+/);
    await page.getByRole("heading", { name: "Dashboard", level: 1 }).waitFor();
    faults.length = 0;
  });
  await step("the keys go to the views", async () => {
    for (const [key, view] of [["2", "DNS"], ["3", "TLS"], ["5", "Servers"], ["6", "Routing"], ["7", "Audit"], ["8", "Settings"], ["4", "Services"]]) {
      await page.keyboard.press(key);
      await page.getByRole("heading", { name: view, exact: true, level: 1 }).waitFor();
    }
  });
  await step("the doctor looks, from the palette, and tells what it found", async () => {
    await page.keyboard.press("Control+k");
    await page.keyboard.type("doctor");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Settings", level: 1 }).waitFor();
    await page.getByRole("status").filter({ hasText: /^\d+ failed, \d+ warnings?, [1-9]\d* ok$/ }).waitFor({ timeout: 15_000 });
    await page.getByText(/more that are well or were skipped$/).click();
    await page.getByText("its certificate verifies against our roots").waitFor();
    await page.getByRole("button", { name: "Look again" }).waitFor();
  });
  await step("a service is registered without the mouse", async () => {
    await page.keyboard.press("Control+k");
    await page.keyboard.type("register");
    await page.keyboard.press("Enter");
    await page.locator("#name").waitFor();
    await page.keyboard.type(NAME);
    await page.keyboard.press("Tab");
    await page.keyboard.type("not an upstream");
    await page.keyboard.press("Enter");
    await seen("Write HOST:PORT");
    await page.keyboard.press("Control+a");
    await page.keyboard.type(upstream);
    await page.keyboard.press("Enter");
    await seen(`${NAME} is registered.`);
  });
  await step("it is healthy, and tried through our own listeners", async () => {
    await page.goto(`${url}/services/${NAME}`);
    await state("healthy");
    await page.getByText("TLS verifies").waitFor();
  });
  await step("it opens in the browser, trusted", async () => {
    const opened = await context.newPage();
    const answer = await opened.goto(`https://${NAME}.internal/`);
    assert.equal(await answer.text(), "it is me");
    assert.match((await answer.securityDetails()).issuer, /Conduit/);
    await opened.close();
  });
  await step("what went through shows by itself", async () => {
    await page.getByText(/^[1-9]\d* requests?, 0 with 5xx, 0 under way$/).waitFor({ timeout: 10_000 });
    await page.getByRole("img", { name: "Requests over the last five minutes" }).waitFor({ timeout: 10_000 });
  });
  await step("its upstream dies and comes back", async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await state("down");
    await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
    await state("healthy");
  });
  await step("a second upstream that is dead makes it degraded", async () => {
    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByRole("button", { name: "Add an upstream" }).click();
    await page.locator("#upstream-1").fill("127.0.0.1:9");
    await page.getByRole("button", { name: "Save" }).click();
    await seen(`${NAME} is saved.`);
    await state("degraded");
  });
  await step("who is overtaken by another is told what is different, and begins anew", async () => {
    await page.getByRole("button", { name: "Edit" }).click();
    await page.locator("#upstream-1").fill("127.0.0.1:11");
    assert.equal(await ask("POST", "/services", { name: NAME, upstreams: [upstream, "127.0.0.1:10"], replace: true }), 200);
    await page.getByRole("button", { name: "Save" }).click();
    await seen("What is different now: upstreams");
    await page.getByRole("button", { name: "Begin with what it is now" }).click();
    await page.waitForFunction(() => document.querySelector("#upstream-1")?.value === "127.0.0.1:10");
    await page.keyboard.press("Escape");
    // The refusal is told in the console.
    faults.splice(0, faults.length, ...faults.filter((fault) => !fault.includes("412")));
  });
  await step("an upstream is drained and admitted", async () => {
    await page.getByRole("button", { name: `Drain ${upstream}` }).click();
    await state("draining");
    await page.getByRole("button", { name: `Admit ${upstream}` }).click();
    await state("admitted");
  });
  await step("a deregistration is undone", async () => {
    await page.getByRole("button", { name: "Deregister" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Deregister" }).click();
    await seen(`${NAME} is deregistered.`);
    await page.getByRole("button", { name: "Undo" }).click();
    await seen(`${NAME} is back.`);
  });
  await step("leaves are rotated", async () => {
    await page.keyboard.press("3");
    await page.getByRole("button", { name: `Actions: ${NAME}, ed25519` }).click();
    await page.getByRole("menuitem", { name: "Rotate" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Rotate" }).click();
    await seen(`${NAME} has new leaves.`);
  });
  await step("the chain verifies", async () => {
    await page.keyboard.press("7");
    await page.getByRole("button", { name: "Verify the chain" }).click();
    await seen("The chain is whole");
  });
  await step("an entry is proven, and its proof holds without the gateway", async () => {
    await page.getByRole("button", { name: /^Rotated/ }).first().click();
    await page.getByRole("button", { name: "Prove it" }).click();
    await seen("The content matches its hash");
    const kept = page.waitForEvent("download");
    await page.getByRole("button", { name: "Keep the proof" }).click();
    await (await kept).saveAs("entry.json");
    const key = await page.locator("[role=status] .font-mono").last().innerText();
    assert.match(run("conduit", "audit", "verify", "--proof", "entry.json", "--key", key), /^valid: entry \d+: Rotated/);
    await page.keyboard.press("Escape");
    const all = page.waitForEvent("download");
    await page.getByRole("link", { name: "Export JSON lines" }).click();
    await (await all).saveAs("audit.jsonl");
    const lines = (await readFile("audit.jsonl", "utf8")).trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(lines.map((line) => line.sequence), lines.map((_, index) => index));
  });
  await step("what others write is shown and never run", async () => {
    const wish = { rule: "gpu-*", for_seconds: 60, comment: "<img src=x onerror=document.title='owned'>" };
    assert.equal(await ask("POST", "/alerts/silences", wish), 201);
    await page.goto(`${url}/servers?tab=silences`);
    await seen("<img src=x onerror=");
    const title = "<img src=x onerror=document.title='owned'>";
    assert.equal(await ask("POST", "/services", { name: "titled", title, upstream }), 201);
    for (const path of ["services", "services?view=table", "services/titled", ""]) {
      await page.goto(`${url}/${path}`);
      await seen(title);
    }
    await page.keyboard.press("Control+k");
    await page.keyboard.type("titled");
    await page.getByRole("option", { name: title }).waitFor();
    await page.keyboard.press("Escape");
    assert.equal(await ask("DELETE", "/services/titled"), 200);
    assert.equal(await ask("POST", "/tokens", { name: title, role: "viewer" }), 422);
    await writeFile("roots.pem", run("conduit", "ca", "export"));
    // Not run: the upstream is this program, and answers.
    await promisify(execFile)("curl", ["-s", "-o", "/dev/null", "-A", title, "--cacert", "roots.pem", `https://${NAME}.internal/${encodeURIComponent(title)}`]);
    await page.goto(`${url}/services/${NAME}`);
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await seen("GET /%3Cimg");
    await page.goto(`${url}/audit`);
    await page.getByRole("button", { name: /^Registered titled/ }).first().click();
    await page.getByRole("dialog").getByText(title).first().waitFor();
    assert.doesNotMatch(await page.title(), /owned/);
  });
  await step("a channel that the configuration gained is tested, and says what went wrong", async () => {
    const config = `${process.env.CONDUIT_CONFIG_DIR}/conduit.toml`;
    for (const [name, place] of [["works", upstream], ["closed", "127.0.0.1:1"]]) {
      await appendFile(config, `[[monitor.channels]]\nname = "${name}"\nkind = "webhook"\nurl = "http://${place}/hook"\n`);
    }
    run("conduit", "config", "reload");
    await page.goto(`${url}/servers?tab=channels`);
    await page.getByRole("button", { name: "Send a test through works" }).click();
    await seen("works took a test message.");
    await page.getByRole("button", { name: "Send a test through closed" }).click();
    await seen("closed: 127.0.0.1 port 1 cannot be reached");
  });
  await step("a record is added to the zone, answered, and removed", async () => {
    await page.goto(`${url}/dns`);
    await page.getByRole("button", { name: "Add a record" }).click();
    await page.locator("#record-name").fill("nas.internal");
    await page.locator("#record-data").fill("10.0.0");
    await page.keyboard.press("Enter");
    await seen("is not an IPv4 address");
    await page.locator("#record-data").fill("10.0.0.7");
    await page.locator("#record-ttl").fill("1.5");
    await page.keyboard.press("Enter");
    await seen("Whole seconds, up to a week");
    await page.locator("#record-ttl").fill("");
    await page.keyboard.press("Enter");
    await seen("nas.internal A is answered now.");
    await page.locator("#question").fill("nas.internal");
    await page.getByRole("button", { name: "Resolve" }).click();
    await page.getByRole("status").getByText("10.0.0.7").waitFor();
    await page.getByRole("button", { name: "Remove nas.internal A 10.0.0.7" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await seen("nas.internal A 10.0.0.7 is removed.");
  });
  await step("sources tell of hosts files and lists, and what of them cannot be read", async () => {
    const config = `${process.env.CONDUIT_CONFIG_DIR}/conduit.toml`;
    const before = await readFile(config, "utf8");
    await page.goto(`${url}/dns`);
    await page.getByRole("tab", { name: "Records", selected: true }).focus();
    await page.keyboard.press("ArrowRight");
    await page.getByRole("tab", { name: "Sources", selected: true }).waitFor();
    assert.match(page.url(), /tab=sources$/);
    await seen("No hosts file and no list");
    await seen("Multicast DNS");
    await seen("Nobody copies our zones or changes records.");
    await writeFile("hosts", `10.0.0.8 cam.internal\n10.0.0.9 ${NAME}.internal\nnonsense here\n`);
    await writeFile("ads.txt", "ads.example\n");
    const directory = process.cwd();
    const lists = `[dns]\nhosts_files = ["${directory}/hosts"]\nnotify = ["127.0.0.1:9"]\n[[dns.lists]]\nfile = "${directory}/ads.txt"\n[[dns.lists]]\nname = "gone"\nfile = "${directory}/nowhere.txt"\n`;
    await writeFile(config, /^\[dns\]$/m.test(before) ? before.replace(/^\[dns\]$/m, lists) : `${before}\n${lists}`);
    run("conduit", "config", "reload");
    const zones = page.getByRole("table", { name: "Names of ours" });
    await zones.getByRole("row", { name: /^internal / }).waitFor({ timeout: 15_000 });
    await page.getByRole("table", { name: "Hosts files and lists" }).getByRole("row", { name: /^ads .*blocking/ }).waitFor({ timeout: 15_000 });
    await seen(/gone: .*No such file or directory.*Nothing of it is in force/);
    await seen(`${directory}/hosts: 1 line skipped`);
    await page.getByText("Hosts files lose to a service or a record here").getByText(`${NAME}.internal`).waitFor();
    await seen("127.0.0.1:9");
    await page.getByRole("tab", { name: "Records" }).click();
    await page.getByRole("row", { name: /^cam.internal .*hosts file/ }).waitFor();
    await writeFile(config, before);
    run("conduit", "config", "reload");
  });
  await step("the query log tells how to switch it on, and then who asked what", async () => {
    const config = `${process.env.CONDUIT_CONFIG_DIR}/conduit.toml`;
    const before = await readFile(config, "utf8");
    await page.goto(`${url}/dns?tab=queries`);
    await seen("The query log is off");
    const line = (await page.getByLabel("In the configuration file", { exact: true }).innerText()).split("\n").at(-1);
    assert.match(line, /^query_log = "all"/);
    const without = before.split("\n").filter((text) => !text.startsWith("query_log =")).join("\n");
    await writeFile(config, /^\[dns\]$/m.test(without) ? without.replace(/^\[dns\]$/m, `[dns]\n${line}`) : `${without}\n[dns]\n${line}\n`);
    run("conduit", "config", "reload");
    assert.throws(() => run("getent", "hosts", "walked-past.internal"));
    await page.getByText("walked-past.internal").first().waitFor({ timeout: 15_000 });
    await page.getByRole("button", { name: "Absent" }).click();
    await page.getByRole("button", { name: /^Why walked-past.internal/ }).first().click();
    await page.getByRole("dialog").getByText("there is no walked-past.internal").waitFor();
    await page.keyboard.press("Escape");
    await page.getByLabel("Search names and clients").fill("nobody asked this");
    await seen("No query fits");
    await writeFile(config, before);
    run("conduit", "config", "reload");
    await seen("It is off now");
    faults.length = 0;
  });
  await step("an answer is explained step by step, and without forwarders there is no cache to flush", async () => {
    await page.goto(`${url}/dns`);
    await page.locator("#question").fill(`${NAME.toUpperCase()}.internal`);
    await page.getByRole("button", { name: "Why this answer" }).click();
    await seen(`${NAME}.internal is a host of a service`);
    await seen(/; registered \d{4}-/);
    await page.getByRole("tab", { name: "Forwarders and cache" }).focus();
    await page.keyboard.press("Enter");
    await seen("No name leaves this network");
    assert.match(page.url(), /tab=forwarders$/);
    await page.keyboard.press("ArrowLeft");
    await page.getByRole("tab", { name: "Query log", selected: true }).waitFor();
  });
  await step("forwarders and the cache are told, one name is forgotten, and all of it is flushed", async () => {
    const config = `${process.env.CONDUIT_CONFIG_DIR}/conduit.toml`;
    const before = await readFile(config, "utf8");
    // Somebody who knows one name; what the browser asks for by itself does not exist, and is not kept.
    const elsewhere = createSocket("udp4").unref();
    let questions = 0;
    elsewhere.on("message", (query, peer) => {
      const end = query.indexOf(0, 12) + 5;
      const isKnown = query.toString("latin1", 12, end).toLowerCase() === "\x03www\x07example\x03com\0\0\x01\0\x01";
      questions += Number(isKnown);
      const head = Buffer.from([query[0], query[1], 0x81, isKnown ? 0x80 : 0x83, 0, 1, 0, Number(isKnown), 0, 0, 0, 0]);
      const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 198, 18, 0, 1]);
      elsewhere.send(Buffer.concat([head, query.subarray(12, end), ...(isKnown ? [answer] : [])]), peer.port, peer.address);
    });
    await new Promise((resolve) => elsewhere.bind(0, "127.0.0.1", resolve));
    const forwarder = `127.0.0.1:${elsewhere.address().port}`;
    const lines = `[dns]\nforwarders = ["${forwarder}"]\n`;
    await writeFile(config, /^\[dns\]$/m.test(before) ? before.replace(/^\[dns\]$/m, lines) : `${before}\n${lines}`);
    run("conduit", "config", "reload");
    await page.goto(`${url}/dns`);
    await page.locator("#question").fill("www.example.com");
    for (let turn = 0; turn < 2; turn += 1) {
      await page.getByRole("button", { name: "Resolve" }).click();
      await page.getByRole("status").getByText("198.18.0.1").waitFor();
    }
    await seen("not from our zone");
    assert.equal(questions, 1, "the second answer is kept");
    await page.getByRole("tab", { name: "Forwarders and cache" }).click();
    await page.getByRole("table", { name: "Forwarders" }).getByRole("row", { name: new RegExp(`^${forwarder} up all other names \\d+ 0 `) }).waitFor();
    const figure = (label) => page.locator("dt", { hasText: label }).locator("xpath=following-sibling::dd");
    await figure("Answers kept").getByText("1", { exact: true }).waitFor();
    await page.getByRole("meter", { name: "Answered from it" }).waitFor();
    await page.locator("#flush-name").fill("a..b");
    await page.getByRole("button", { name: "Forget" }).click();
    await seen("is not a DNS name");
    faults.length = 0; // The console tells of the 422.
    await page.locator("#flush-name").fill("www.example.com");
    await page.getByRole("button", { name: "Forget" }).click();
    await seen("What was kept about www.example.com is dropped.");
    await figure("Answers kept").getByText("0", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Flush all" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Flush all" }).click();
    await seen(`Dropped every answer of ${forwarder}.`);
    await writeFile(config, before);
    run("conduit", "config", "reload");
    elsewhere.close();
  });
  await step("on a phone nothing is cut off", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    for (const path of ["", "services", `services/${NAME}`, "dns", "dns?tab=sources", "dns?tab=queries", "dns?tab=forwarders", "tls", "servers", "servers?tab=channels", "routing", "audit", "settings"]) {
      await page.goto(`${url}/${path}`);
      await page.getByRole("heading", { level: 1 }).waitFor();
      const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(over <= 0, `/${path} is ${over} pixels too wide`);
    }
    await page.getByRole("button", { name: "Open the menu" }).click();
    await page.getByRole("dialog").getByRole("link", { name: "Services" }).click();
    await page.getByRole("heading", { name: "Services", level: 1 }).waitFor();
    await page.setViewportSize({ width: 1280, height: 800 });
  });
  await step("a second page sees a change by itself", async () => {
    const second = await context.newPage();
    await second.goto(`${url}/services`);
    await second.getByText(NAME, { exact: true }).waitFor();
    // Not by clicks: the browser draws the page behind slowly.
    assert.equal(await ask("DELETE", `/services/${NAME}`), 200);
    await second.getByText(NAME, { exact: true }).waitFor({ state: "detached", timeout: 15_000 });
    await second.close();
  });
  await step("a page that is opened while the gateway is away comes by itself", async () => {
    await page.route(/\/api\/v1\/session$/, (route) => route.abort("connectionrefused"), { times: 1 });
    await page.goto(`${url}/audit`);
    await page.getByRole("heading", { name: "Audit", level: 1 }).waitFor();
    await page.route(/\/assets\/Dns-.*\.js$/, (route) => route.abort("connectionrefused"), { times: 1 });
    await page.goto(`${url}/dns`);
    await page.getByRole("heading", { name: "DNS", level: 1 }).waitFor();
    faults.length = 0;
  });
  await step("a restart of the daemon leads back to the door, by itself", async () => {
    await page.goto(`${url}/audit`);
    const began = performance.now();
    run("restart");
    process.stdout.write(`     (the daemon was away for ${Math.round(performance.now() - began)} ms)\n`);
    await page.getByText("Your session has ended").waitFor({ timeout: 60_000 });
    faults.length = 0; // What could not be reached meanwhile is told in the console.
  });
  await step("a person changes their own password, and signs in with it", async () => {
    await writeFile("password", "a long enough secret\n", { mode: 0o600 });
    run("conduit", "user", "add", "ada", "--role", "operator", "--password-file", "password");
    await page.goto(url);
    await page.getByRole("button", { name: "Name and password" }).click();
    await page.locator("#user").fill("ada");
    await page.locator("#password").fill("a long enough secret");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: /ada/ }).click();
    await page.getByRole("menuitem", { name: "Change password" }).click();
    await page.locator("#old-password").fill("a long enough secret");
    await page.locator("#new-password").fill("another long secret");
    await page.locator("#again-password").fill("another long secret");
    await page.keyboard.press("Enter");
    await seen("Your password is changed.");
    faults.length = 0;
  });
  await step("a device becomes a passkey, opens the door, and is removed", async () => {
    const device = await context.newCDPSession(page);
    await device.send("WebAuthn.enable");
    await device.send("WebAuthn.addVirtualAuthenticator", { options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true } });
    await page.goto(url);
    await page.getByRole("button", { name: "Name and password" }).click();
    await page.locator("#user").fill("ada");
    await page.locator("#password").fill("another long secret");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: /ada/ }).click();
    await page.getByRole("menuitem", { name: "Passkeys" }).click();
    await page.locator("#passkey-label").fill("my laptop");
    await page.locator("#passkey-password").fill("another long secret");
    await page.keyboard.press("Enter");
    await seen("my laptop signs you in from now on.");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: /ada/ }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in with a passkey" }).click();
    await page.getByRole("button", { name: /ada/ }).click();
    await page.getByRole("menuitem", { name: "Passkeys" }).click();
    await seen(/conduit\.internal · used/);
    await page.getByRole("button", { name: "Remove my laptop" }).click();
    await seen("my laptop is removed.");
    // The session ends with the passkey that it began with.
    await seen("Your session has ended");
    faults.length = 0;
  });
  await step("a provider of identities lets in whom its groups allow, and nobody else", async () => {
    const away = await browser.newContext({ ignoreHTTPSErrors: false });
    const tab = await away.newPage();
    const enter = async (name) => {
      await tab.goto(`${url}/audit`);
      await tab.getByRole("button", { name: "Sign in with the walk’s provider" }).click();
      await tab.locator("input[name=login]").fill(name);
      await tab.locator("input[name=password]").fill("whatever");
      await tab.getByRole("button", { name: "Sign-in" }).click();
      await tab.getByRole("button", { name: "Continue" }).click();
    };
    await enter("eve");
    await tab.getByText("who has no role here").waitFor({ timeout: 10_000 });
    await away.clearCookies();
    await enter("ada");
    await tab.getByRole("heading", { name: "Audit", level: 1 }).waitFor({ timeout: 10_000 });
    assert.equal(tab.url(), `${url}/audit`);
    await tab.getByText("oidc:ada logged in").first().waitFor();
    const { name, role, way } = await tab.evaluate(async () => (await fetch("/api/v1/session")).json());
    assert.deepEqual([name, role, way], ["ada", "admin", "oidc"]);
    await tab.goto(`${url}/login/oidc?code=stolen&state=${"0".repeat(32)}`);
    await tab.getByRole("heading", { name: "Dashboard", level: 1 }).waitFor();
    await away.clearCookies();
    await tab.goto(`${url}/login/oidc?code=stolen&state=${"0".repeat(32)}`);
    await tab.getByText("not the way back of a login that began here").waitFor();
    await away.close();
  });
  await step("an ended session leads back to the door", async () => {
    await page.goto("about:blank");
    await page.goto(`${url}/#login=${newCode()}`);
    await page.getByRole("heading", { name: "Dashboard", level: 1 }).waitFor();
    await context.clearCookies();
    await page.keyboard.press("8");
    await seen("Your session has ended");
    faults.splice(0, faults.length, ...faults.filter((fault) => !fault.includes("401")));
  });
  assert.deepEqual(faults, []);
} catch (error) {
  await page.screenshot({ path: "/tmp/walk.png" });
  process.stdout.write(`FAILED ${error.message}\n${faults.join("\n")}\n`);
  process.exitCode = 1;
} finally {
  await browser.close();
  server.close();
  server.closeAllConnections();
}
