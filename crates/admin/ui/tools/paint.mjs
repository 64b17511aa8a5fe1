// Measures what a person waits for: from the address to the first thing painted and to the dashboard's
// figures, cold and warm, and from a key to another view. Medians; a gateway with 1,000 services tells more.
//
// node tools/paint.mjs URL [ROUNDS]; CHROMIUM names the browser. LOGIN is a one-time link's code.
import { chromium } from "playwright-core";

const [url = "http://127.0.0.1:9999", rounds = "9"] = process.argv.slice(2);
const VIEWS = [["2", "DNS"], ["3", "TLS"], ["4", "Services"], ["5", "Servers"], ["6", "Routing"], ["7", "Audit"], ["8", "Settings"], ["1", "Dashboard"]];
const median = (all) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)];
const shown = (all) => `${median(all).toFixed(0)} ms (${Math.min(...all).toFixed(0)} to ${Math.max(...all).toFixed(0)})`;

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const first = await browser.newContext();
const door = await first.newPage();
if (process.env.LOGIN) {
  await door.goto(`${url}/#login=${process.env.LOGIN}`);
  await door.getByRole("navigation").first().waitFor();
}
const signedIn = await first.storageState();

/** From the beginning of the navigation to what was painted first, and to the view with its figures. */
const painted = async (page) => {
  await page.goto(url);
  await page.getByRole("heading", { name: "Dashboard", level: 1 }).waitFor();
  await page.getByText("Services healthy").waitFor();
  return page.evaluate(() => new Promise((resolve) => {
    const figures = performance.now();
    const found = () => performance.getEntriesByName("first-contentful-paint")[0];
    const look = () => (found() ? resolve([found().startTime, figures]) : setTimeout(look, 20));
    look();
  }));
};
const cold = [], warm = [];
for (let round = 0; round < Number(rounds); round += 1) {
  const context = await browser.newContext({ storageState: signedIn });
  const page = await context.newPage();
  cold.push(await painted(page));
  warm.push(await painted(page));
  await context.close();
}
for (const [name, all] of [["cold", cold], ["warm", warm]]) {
  process.stdout.write(`${name}: first contentful paint ${shown(all.map(([paint]) => paint))}, with its figures ${shown(all.map(([, figures]) => figures))}\n`);
}

// In the page, so that nothing of the way to the browser is counted: until a frame with the view's heading is painted.
const page = await (await browser.newContext({ storageState: signedIn })).newPage();
await painted(page);
await page.waitForTimeout(2_000);
const switched = async (key, heading) => page.evaluate(([key, heading]) => new Promise((resolve) => {
  const began = performance.now();
  const look = () => (document.querySelector("h1")?.textContent === heading ? requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - began))) : requestAnimationFrame(look));
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  look();
}), [key, heading]);
const times = new Map();
for (let round = 0; round < Number(rounds); round += 1) {
  for (const [key, heading] of VIEWS) {
    times.set(heading, [...(times.get(heading) ?? []), await switched(key, heading)]);
    await page.waitForTimeout(150);
  }
}
for (const [heading, all] of times) process.stdout.write(`to ${heading}: ${shown(all)}\n`);
await browser.close();
