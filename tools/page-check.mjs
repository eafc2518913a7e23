// Looks at pages in headless Chromium, as `ci/page` starts it:
//
//   node tools/page-check.mjs MODULES URL [--downloads DIR] [--links-only] \\
//       [--screenshot FILE]
//
// MODULES is a node_modules folder with puppeteer-core and axe-core. Each page is looked
// at 360 and 1024 pixels wide, light and dark, and printed: axe-core must find nothing,
// nothing may be wider than the window, nothing be loaded from elsewhere, and the
// structure (landmarks, headings, links) be the same everywhere. With --downloads every
// link that downloads is clicked, and what came lies in DIR; with --links-only nothing
// else is done.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
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
  // A profile of its own is puppeteer's doing. Nothing is asked of the network beside.
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const page = await browser.newPage();

// Blink drops the eleventh download that a page begins within a second, without a word
// (kBurstDownloadLimit, third_party/blink/renderer/core/frame/local_frame.cc). Nobody
// clicks so fast.
const PACE_MS = 150;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// The name under which the next download is stored, once all of it is. A download that
// does not begin, or of which nothing comes any more, is an error.
const SILENCE_MS = 60000;
function download(client, what) {
  return new Promise((done, failed) => {
    let name;
    let timer;
    const end = (act, value) => {
      clearTimeout(timer);
      client.off("Browser.downloadWillBegin", begin);
      client.off("Browser.downloadProgress", progress);
      act(value);
    };
    const wait = (state) => {
      clearTimeout(timer);
      timer = setTimeout(() => end(failed, new Error(`${what} ${state}`)), SILENCE_MS);
    };
    const begin = (event) => {
      name = event.suggestedFilename;
      wait("began, and does not go on");
    };
    const progress = ({ state, receivedBytes, totalBytes }) => {
      if (state === "completed") end(done, name);
      else if (state === "canceled")
        end(failed, new Error(`${what} broke off at ${receivedBytes} of ${totalBytes} bytes`));
      else wait(`stands at ${receivedBytes} of ${totalBytes} bytes`);
    };
    client.on("Browser.downloadWillBegin", begin);
    client.on("Browser.downloadProgress", progress);
    wait("did not begin: the click was lost");
  });
}

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
const look = await page.createCDPSession();
let first;
const looks = [
  [360, "light", "screen"],
  [360, "dark", "screen"],
  [1024, "light", "screen"],
  [1024, "dark", "screen"],
  [800, "light", "print"],
];
for (const [width, scheme, media] of options.includes("--links-only") ? [] : looks) {
  const where = `${width} pixels, ${scheme}, ${media}`;
  await page.setViewport({ width, height: 800 });
  // Both at once: each of puppeteer's two calls undoes the other.
  const features = [{ name: "prefers-color-scheme", value: scheme }];
  await look.send("Emulation.setEmulatedMedia", { media, features });
  await page.goto(url, { waitUntil: "load" });
  const now = await structure();
  first ??= now;
  if (now !== first) wrong.push(`${where}: another structure:\n${now}`);
  const over = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  if (media === "print") {
    // Digests are paper's use; a copy of the manifest is pages of what nobody types.
    const height = (what) =>
      page.evaluate((s) => document.querySelector(s)?.getBoundingClientRect().height, what);
    if ((await height("details li")) === 0) wrong.push(`${where}: digests are folded away`);
    if ((await height("#manifest")) > 0) wrong.push(`${where}: the copy of the manifest is there`);
  }
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
  const client = await browser.target().createCDPSession();
  await client.send("Browser.setDownloadBehavior", {
    behavior: "allow",
    downloadPath: downloads,
    eventsEnabled: true,
  });
  await page.goto(url, { waitUntil: "load" });
  for (const link of await page.$$("a[download]")) {
    const name = await link.evaluate((a) => a.getAttribute("href"));
    const [came] = await Promise.all([download(client, name), link.click(), pause(PACE_MS)]);
    if (came !== name) throw new Error(`${name} was stored as ${came}`);
    console.log(name);
  }
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
