// Takes pictures of every view in light, dark and at phone size, and runs axe-core over each.
//
// node tools/look.mjs URL OUT [VIEW…]; CHROMIUM names the browser. LOGIN is a
// one-time link's code, for a daemon that wants one.
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [url = "http://127.0.0.1:4173", out = "/tmp/look", ...only] = process.argv.slice(2);
/** Name, path, and what is done there first. */
const VIEWS = [
  ["dashboard", "/"], ["services", "/services"], ["services-table", "/services?view=table"], ["service", "/services/embeddings"],
  ["register", "/services", async (page) => {
    await page.getByRole("button", { name: "Register", exact: true }).click();
    await page.locator("#name").fill("grafana");
    await page.locator("#upstream-0").fill("10.0.1.50");
    await page.locator("#health").fill("health");
    await page.locator("#aliases").focus();
  }],
  ["routing", "/routing"], ["dns", "/dns", async (page) => { await page.getByRole("button", { name: "Resolve" }).click(); await page.waitForTimeout(300); }],
  ["dns-why", "/dns", async (page) => { await page.getByRole("button", { name: "Why this answer" }).click(); await page.waitForTimeout(300); }],
  ["sources", "/dns?tab=sources"], ["queries", "/dns?tab=queries"], ["forwarders", "/dns?tab=forwarders"],
  ["tls", "/tls"], ["inspect", "/tls", async (page) => { await page.getByRole("button", { name: /^Actions/ }).first().click(); await page.getByRole("menuitem", { name: "Inspect" }).click(); await page.waitForTimeout(400); }],
  ["servers", "/servers"], ["rules", "/servers?tab=rules"], ["channels", "/servers?tab=channels"], ["server", "/servers/NODE"],
  ["audit", "/audit", async (page) => { await page.getByRole("button", { name: "Verify the chain" }).click(); await page.waitForTimeout(500); }],
  ["settings", "/settings"],
  ["doctor", "/settings", async (page) => { await page.getByRole("button", { name: "Look now" }).click(); await page.getByText(/ failed, /).waitFor(); await page.getByText(/more that are well/).click(); }],
  ["palette", "/", async (page) => { await page.keyboard.press("Control+k"); await page.keyboard.type("gr"); }],
  ["help", "/", async (page) => { await page.keyboard.press("?"); }],
];
const SIZES = { light: { width: 1440, height: 900 }, dark: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
await mkdir(out, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
let wrong = 0;
let signedIn;
for (const [theme, viewport] of Object.entries(SIZES)) {
  const context = await browser.newContext({ viewport, colorScheme: theme === "dark" ? "dark" : "light", storageState: signedIn, reducedMotion: "reduce", bypassCSP: false });
  const page = await context.newPage();
  const say = (text) => { wrong += 1; process.stdout.write(`${theme}: ${text}\n`); };
  page.on("console", (message) => { if (message.type() === "error" || message.text().includes("Content Security")) say(`console: ${message.text()}`); });
  page.on("pageerror", (error) => say(`error: ${error.message}`));
  page.on("request", (request) => { if (!request.url().startsWith(url) && !request.url().startsWith("blob:")) say(`foreign request: ${request.url()}`); });
  if (process.env.LOGIN && signedIn === undefined) {
    await page.goto(`${url}/#login=${process.env.LOGIN}`);
    await page.getByRole("navigation").first().waitFor();
    signedIn = await context.storageState();
  }
  for (const [name, path, act] of VIEWS) {
    if (only.length > 0 && !only.includes(name)) continue;
    await page.goto(url + path.replace("NODE", process.env.NODE_NAME ?? "vm"));
    await page.waitForTimeout(900);
    try {
      await act?.(page);
    } catch (error) {
      say(`${name}: ${String(error).split("\n")[0]}`);
    }
    await page.waitForTimeout(250);
    await page.screenshot({ path: join(out, `${name}-${theme}.png`) });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (overflow > 0) say(`${name}: ${overflow} px too wide`);
    // CDP evaluates it outside the page's policy, which refuses it as a script.
    await page.evaluate(axe);
    const found = await page.evaluate(async () => {
      const { run } = window.axe;
      return (await run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })).violations;
    });
    for (const violation of found) say(`${name}: ${violation.id}: ${violation.help}\n    ${violation.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 220)} ${node.failureSummary?.split("\n")[1] ?? ""}`).join("\n    ")}`);
  }
  await context.close();
}
await browser.close();
process.stdout.write(wrong === 0 ? "nothing is wrong\n" : `${wrong} things are wrong\n`);
process.exitCode = wrong === 0 ? 0 : 1;
