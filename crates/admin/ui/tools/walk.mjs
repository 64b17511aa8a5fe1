// Walks through the dashboard of a running daemon as a person would, mostly with the keyboard: logs in by
// a one-time code, registers, edits, drains, deregisters, undoes, rotates and verifies.
//
// node tools/walk.mjs URL CODE UPSTREAM; UPSTREAM is HOST:PORT of something that answers.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [url, code, upstream = "127.0.0.1:3001"] = process.argv.slice(2);
const NAME = "walk";
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ignoreHTTPSErrors: false });
const page = await context.newPage();
const faults = [];
page.on("console", (message) => { if (message.type() === "error") faults.push(message.text()); });
page.on("pageerror", (error) => faults.push(error.message));
page.on("request", (request) => { if (!request.url().startsWith(url) && !request.url().startsWith("blob:")) faults.push(`foreign: ${request.url()}`); });
const step = async (what, act) => {
  const began = performance.now();
  await act();
  process.stdout.write(`ok   ${what} (${Math.round(performance.now() - began)} ms)\n`);
};
const seen = (text) => page.getByText(text).first().waitFor({ timeout: 10_000 });

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
    await page.goto(`${url}/#login=${code}`);
    await page.getByRole("heading", { name: "Dashboard" }).waitFor();
    assert.equal(new URL(page.url()).hash, "");
  });
  await step("the keys go to the views", async () => {
    for (const [key, view] of [["2", "DNS"], ["3", "TLS"], ["5", "Servers"], ["6", "Routing"], ["7", "Audit"], ["8", "Settings"], ["4", "Services"]]) {
      await page.keyboard.press(key);
      await page.getByRole("heading", { name: view, exact: true, level: 1 }).waitFor();
    }
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
    await page.getByText("healthy", { exact: true }).first().waitFor();
    await page.getByText("TLS verifies").waitFor();
  });
  await step("a second upstream that is dead makes it degraded", async () => {
    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByRole("button", { name: "Add an upstream" }).click();
    await page.locator("#upstream-1").fill("127.0.0.1:9");
    await page.getByRole("button", { name: "Save" }).click();
    await seen(`${NAME} is saved.`);
    await page.getByText("degraded", { exact: true }).first().waitFor();
  });
  await step("who is overtaken by another is told what is different, and begins anew", async () => {
    await page.getByRole("button", { name: "Edit" }).click();
    await page.locator("#upstream-1").fill("127.0.0.1:11");
    const status = await page.evaluate(async ([name, upstream]) => {
      const { csrf } = await (await fetch("/api/v1/session")).json();
      const body = JSON.stringify({ name, upstreams: [upstream, "127.0.0.1:10"], replace: true });
      return (await fetch("/api/v1/services", { method: "POST", headers: { "content-type": "application/json", "x-conduit-csrf": csrf }, body })).status;
    }, [NAME, upstream]);
    assert.equal(status, 200);
    await page.getByRole("button", { name: "Save" }).click();
    await seen("What is different now: upstreams");
    await page.getByRole("button", { name: "Begin with what it is now" }).click();
    await page.waitForFunction(() => document.querySelector("#upstream-1")?.value === "127.0.0.1:10");
    await page.keyboard.press("Escape");
  });
  await step("an upstream is drained and admitted", async () => {
    await page.getByRole("button", { name: `Drain ${upstream}` }).click();
    await page.getByText("draining", { exact: true }).first().waitFor();
    await page.getByRole("button", { name: `Admit ${upstream}` }).click();
    await page.getByText("admitted", { exact: true }).first().waitFor();
  });
  await step("a deregistration is undone", async () => {
    await page.getByRole("button", { name: "Deregister" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Deregister" }).click();
    await seen(`${NAME} is deregistered.`);
    await page.getByRole("button", { name: "Undo" }).click();
    await seen(`${NAME} is back.`);
  });
  await step("the TLS view opens", async () => { await page.keyboard.press("3"); await page.getByRole("button", { name: `Actions: ${NAME}, ed25519` }).waitFor(); });
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
  await step("what others write is shown and never run", async () => {
    const made = await page.evaluate(async () => {
      const { csrf } = await (await fetch("/api/v1/session")).json();
      const body = JSON.stringify({ rule: "gpu-*", for_seconds: 60, comment: "<img src=x onerror=document.title='owned'>" });
      return (await fetch("/api/v1/alerts/silences", { method: "POST", headers: { "content-type": "application/json", "x-conduit-csrf": csrf }, body })).status;
    });
    assert.equal(made, 201);
    await page.goto(`${url}/servers?tab=silences`);
    await seen("<img src=x onerror=");
    assert.doesNotMatch(await page.title(), /owned/);
  });
  await step("a second page sees a change by itself", async () => {
    const second = await context.newPage();
    await second.goto(`${url}/services`);
    await second.getByText(NAME, { exact: true }).waitFor();
    // Not by clicks: the browser draws the page behind slowly.
    await page.evaluate(async (name) => {
      const { csrf } = await (await fetch("/api/v1/session")).json();
      await fetch(`/api/v1/services/${name}`, { method: "DELETE", headers: { "x-conduit-csrf": csrf } });
    }, NAME);
    await second.getByText(NAME, { exact: true }).waitFor({ state: "detached", timeout: 15_000 });
    await second.close();
  });
  await step("an ended session leads back to the door", async () => {
    await context.clearCookies();
    await page.keyboard.press("1");
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
}
