// Looks at pages in headless Chromium, as `ci/page` starts it:
//
//   node tools/page-check.mjs MODULES URL [--downloads DIR] [--screenshot FILE]
//
// MODULES is a node_modules folder with puppeteer-core and axe-core. Each page is looked
// at 360 and 1024 pixels wide, light and dark, and printed: axe-core must find nothing,
// nothing may be wider than the window, nothing be loaded from elsewhere, and the
// structure (landmarks, headings, links) be the same everywhere. With --downloads every
// link that downloads is clicked, and what came lies in DIR.
import { createRequire } from "node:module";
import { readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";

const [modules, url, ...options] = process.argv.slice(2);
const option = (name) => {
  const at = options.indexOf(name);
  return at < 0 ? undefined : resolve(options[at + 1]);
};
const require = createRequire(join(resolve(modules), "x.js"));
const puppeteer = require("puppeteer-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const wrong = [];
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
const page = await browser.newPage();
page.on("request", (request) => {
  if (request.url() !== url) wrong.push(`it asks for ${request.url()}`);
});
page.on("pageerror", (error) => wrong.push(`a script fails: ${error}`));

// What there is, without how it looks.
const structure = () =>
  page.evaluate(() =>
    [...document.querySelectorAll("header,main,footer,section,h1,h2,a,details,svg,li")]
      .map((e) => `${e.localName} ${e.matches("h1,h2,a") ? e.textContent : ""}`)
      .join("\n"),
  );
let first;
for (const [width, scheme, media] of [
  [360, "light", "screen"],
  [360, "dark", "screen"],
  [1024, "light", "screen"],
  [1024, "dark", "screen"],
  [800, "light", "print"],
]) {
  const where = `${width} pixels, ${scheme}, ${media}`;
  await page.setViewport({ width, height: 800 });
  await page.emulateMediaType(media);
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(url, { waitUntil: "load" });
  const now = await structure();
  first ??= now;
  if (now !== first) wrong.push(`${where}: another structure:\n${now}`);
  const over = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  if (over > 0) wrong.push(`${where}: ${over} pixels too wide`);
  await page.evaluate((source) => (0, eval)(source), axe).catch(() => page.evaluate(axe));
  const found = await page.evaluate(() => window.axe.run());
  for (const { id, help, nodes } of found.violations)
    wrong.push(`${where}: ${id}: ${help}: ${nodes.map((n) => n.html).join(" ")}`);
  if (found.passes.length < 15) wrong.push(`${where}: axe looked at ${found.passes.length} things`);
}
const downloads = option("--downloads");
if (downloads) {
  await page.emulateMediaType("screen");
  page.removeAllListeners("request");
  const client = await page.createCDPSession();
  await client.send("Browser.setDownloadBehavior", {
    behavior: "allow",
    downloadPath: downloads,
  });
  const names = await page.$$eval("a[download]", (all) => all.map((a) => a.getAttribute("href")));
  for (const name of names) {
    await page.$eval(`a[href="${name}"]`, (a) => a.click());
    const end = Date.now() + 60000;
    while (!readdirSync(downloads).includes(name)) {
      if (Date.now() > end) throw new Error(`${name} did not come`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }
  console.log(names.join("\n"));
}
const screenshot = option("--screenshot");
if (screenshot) {
  await page.emulateMediaType("screen");
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
  await page.setViewport({ width: 520, height: 900 });
  await page.goto(url, { waitUntil: "load" });
  await page.screenshot({ path: screenshot });
}
await browser.close();
if (wrong.length) {
  console.error(wrong.join("\n"));
  process.exit(1);
}
