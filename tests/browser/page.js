// The page in a real Chromium. Run by tests/browser.rs, which makes the data sets and their pages:
//     node page.js PACKAGES PAGE HOSTILE SINGLE
// PACKAGES holds playwright-core and axe-core; the others are paths of pages.
"use strict";
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

const [packages, page, hostile, single] = process.argv.slice(2);
const { chromium } = require(path.join(packages, "playwright-core"));
const axe = fs.readFileSync(require.resolve(path.join(packages, "axe-core/axe.min.js")), "utf8");
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

let browser;
// A page that fails the test when it complains, asks for anything but files beside it, or shows a dialog of the browser.
async function open(file, { hash = "", width = 1400, scheme = "light", javaScriptEnabled = true } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme, javaScriptEnabled, reducedMotion: "reduce" });
  const tab = await context.newPage();
  const complaints = [];
  tab.on("console", (m) => { if (["error", "warning"].includes(m.type())) complaints.push(`console: ${m.text()}`); });
  tab.on("pageerror", (e) => complaints.push(`error: ${e.message}`));
  tab.on("dialog", (d) => { complaints.push(`dialog: ${d.message()}`); d.dismiss(); });
  tab.on("requestfailed", (r) => complaints.push(`failed: ${r.url()}`));
  tab.on("request", (r) => { if (!/^(file|data):/.test(r.url())) complaints.push(`request: ${r.url()}`); });
  await tab.goto(pathToFileURL(file).href + hash, { waitUntil: "load" });
  tab.done = async () => {
    assert.deepEqual(complaints, []);
    await context.close();
  };
  return tab;
}

const field = (tab, name) => tab.locator(`#controls [name=${name}]`);
const found = (tab) => tab.locator("#found").innerText();
const counts = async (tab) => (await found(tab)).match(/\d+/g).slice(0, 2).map(Number);
const hash = (tab) => tab.evaluate(() => decodeURIComponent(location.hash.replace(/\+/g, " ")));
const isOpen = (tab, id) => tab.evaluate((id) => document.getElementById(id).open, id);
const overflow = (tab) => tab.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

const tests = {
  async "opens from a file, with pictures, and asks nothing of anybody"() {
    const tab = await open(page);
    assert.equal(await tab.locator("h1").innerText(), "Did each requested identity survive?");
    const broken = await tab.evaluate(async () => {
      const images = [...document.querySelectorAll("img")];
      images.forEach((i) => { i.loading = "eager"; });
      await Promise.all(images.map((i) => i.decode().catch(() => {})));
      return [images.length, images.filter((i) => i.naturalWidth === 0).length];
    });
    assert.ok(broken[0] > 20 && broken[1] === 0, `${broken}`);
    await tab.done();
  },

  async "the policy lets nothing else run"() {
    const tab = await open(page);
    const ran = await tab.evaluate(async () => {
      const violations = [];
      document.addEventListener("securitypolicyviolation", (e) => violations.push(e.effectiveDirective));
      const script = document.createElement("script");
      script.textContent = "window.ran = true";
      document.body.append(script);
      const div = document.createElement("div");
      div.innerHTML = "<img src=x onerror='window.ran = true'>";
      document.body.append(div);
      await new Promise((resolve) => setTimeout(resolve, 200));
      return [window.ran === undefined, violations.includes("script-src-elem"), violations.includes("script-src-attr")];
    });
    assert.deepEqual(ran, [true, true, true]);
    await tab.context().close(); // it complained, as it should
  },

  async "filters by mouse; the address restores the view"() {
    const tab = await open(page);
    const [prompts, images] = await counts(tab);
    assert.deepEqual([prompts, images], [6, 35]); // 6 prompts, 2 models, 3 seeds; one image is missing
    await field(tab, "model").selectOption("beta & co");
    assert.deepEqual(await counts(tab), [6, 18]);
    await field(tab, "n").selectOption("4");
    assert.deepEqual(await counts(tab), [3, 9]);
    await field(tab, "scene").selectOption("occlusion");
    assert.deepEqual(await counts(tab), [1, 3]);
    assert.equal(await hash(tab), "#model=beta & co&n=4&scene=occlusion");
    const again = await open(page, { hash: await tab.evaluate(() => location.hash) });
    assert.deepEqual(await counts(again), [1, 3]);
    assert.equal(await field(again, "model").inputValue(), "beta & co");
    assert.ok(await again.evaluate(() => document.getElementById("gallery").getBoundingClientRect().top < window.innerHeight));
    await tab.getByRole("button", { name: "Reset" }).click();
    assert.deepEqual(await counts(tab), [6, 35]);
    await field(tab, "show").selectOption("missing");
    assert.match(await found(tab), /^1 prompt, 0 scored images, 1 not scored/);
    assert.match(await tab.locator(".absences").innerText(), /1 not shown: no such file \(alpha 2\)/);
    await again.done();
    await tab.done();
  },

  async "the threshold decides what is collapsed, strictly below"() {
    // alpha's similarities are 0.305 and 0.6 by turns, beta's 0.45.
    const tab = await open(page, { hash: "#show=collapsed&model=alpha" });
    assert.deepEqual(await counts(tab), [6, 17]);
    await field(tab, "t").fill("0.3");
    assert.deepEqual(await counts(tab), [0, 0]);
    await field(tab, "t").fill("0.31");
    assert.deepEqual(await counts(tab), [6, 17]);
    assert.match(await tab.locator("figcaption .score").first().innerText(), /^✕ \d of \d collapsed$/);
    await tab.done();
  },

  async "worst first"() {
    const tab = await open(page, { hash: "#t=0.5" });
    const scores = await tab.locator("#list .score").allInnerTexts();
    const shares = scores.map((s) => (s.match(/(\d+) of (\d+)/) ?? [0, 0, 1]).slice(1).map(Number)).map(([k, n]) => k / n);
    // p1 lacks an image of alpha, so more of what is there is lost; within it beta (all below 0.5), then alpha (half).
    assert.equal(await tab.locator("#list h3 bdi").first().innerText(), "p1");
    assert.deepEqual(shares.slice(0, 5), [1, 1, 1, 0.5, 0.5]);
    await tab.done();
  },

  async "lightbox by mouse and by keyboard"() {
    const tab = await open(page);
    await tab.locator("#list .open").first().click();
    assert.ok(await isOpen(tab, "lightbox"));
    const first = await hash(tab);
    assert.match(first, /^#image=\["/);
    assert.ok((await tab.locator("#lightbox img.view").getAttribute("src")).startsWith("views/"));
    await tab.keyboard.press("ArrowRight");
    const second = await hash(tab);
    assert.notEqual(second, first);
    await tab.keyboard.press("ArrowLeft");
    assert.equal(await hash(tab), first);
    await tab.locator("#lightbox .next").click();
    assert.equal(await hash(tab), second);
    const again = await open(page, { hash: await tab.evaluate(() => location.hash) });
    assert.ok(await isOpen(again, "lightbox"));
    await tab.keyboard.press("Escape");
    assert.ok(!(await isOpen(tab, "lightbox")));
    assert.equal(await hash(tab), "#gallery");
    await again.done();
    await tab.done();
  },

  async "keys: search, walk, enlarge, compare"() {
    const tab = await open(page);
    await tab.keyboard.press("/");
    await tab.keyboard.type("p3");
    assert.deepEqual((await counts(tab))[0], 1);
    await tab.keyboard.press("Escape");
    await tab.locator("#list .open").first().focus();
    await tab.keyboard.press("ArrowRight");
    assert.ok(await tab.evaluate(() => document.activeElement === document.querySelectorAll("#list .open")[1]));
    await tab.keyboard.press("Enter");
    assert.ok(await isOpen(tab, "lightbox"));
    await tab.keyboard.press("Escape");
    await tab.locator("#list .open").first().focus();
    await tab.keyboard.press("c");
    assert.ok(await isOpen(tab, "compare"));
    assert.deepEqual(await tab.locator("#compare .columns h4").allInnerTexts(), ["alpha", "beta & co"]);
    await tab.keyboard.press("Escape");
    assert.ok(!(await isOpen(tab, "compare")));
    await tab.done();
  },

  async "an image opened from the comparison closes before it"() {
    const tab = await open(page, { hash: "#prompt=p1" });
    assert.ok(await isOpen(tab, "compare"));
    await tab.keyboard.press("ArrowRight");
    assert.notEqual(await hash(tab), "#prompt=p1");
    await tab.locator("#compare .open").first().click();
    assert.ok(await isOpen(tab, "lightbox"));
    await tab.keyboard.press("Escape");
    assert.deepEqual([await isOpen(tab, "lightbox"), await isOpen(tab, "compare")], [false, true]);
    await tab.done();
  },

  async "no horizontal scroll at 380 pixels"() {
    for (const file of [page, hostile, single]) {
      const tab = await open(file, { width: 380 });
      assert.ok((await overflow(tab)) <= 0, file);
      await tab.locator("#list .open").first().click();
      assert.ok((await overflow(tab)) <= 0, `${file}, lightbox`);
      await tab.done();
    }
  },

  async "accessible in light and dark, with dialogs open"() {
    for (const scheme of ["light", "dark"]) {
      for (const view of ["", "#prompt=p1", "#image=" + encodeURIComponent(JSON.stringify(["alpha", "p1", "1"]))]) {
        const tab = await open(page, { scheme, hash: view });
        await tab.evaluate(axe); // past the policy, which refuses a script element
        const serious = await tab.evaluate(async () => {
          const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
          return violations.filter((v) => ["serious", "critical"].includes(v.impact)).map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target} ${n.failureSummary}`).join(" | ")}`);
        });
        assert.deepEqual(serious, [], `${scheme} ${view}`);
        await tab.context().close();
      }
    }
  },

  async "what is hostile shows as text and executes nothing"() {
    const expected = JSON.parse(fs.readFileSync(path.join(path.dirname(hostile), "expected.json"), "utf8"));
    for (const view of ["", "#prompt=" + encodeURIComponent(expected.prompt_id), "#model=%3Cscript%3E&q=%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "#t=alert(1)&prompt=__proto__&image=%7B"]) {
      const tab = await open(hostile, { hash: view });
      await tab.waitForTimeout(150);
      assert.equal(await tab.evaluate(() => window.__pwned), undefined);
      const elements = await tab.evaluate(() => [document.scripts.length, document.querySelectorAll("iframe, object, embed, base, img[onerror], [onclick], a[href^='javascript']").length]);
      assert.deepEqual(elements, [2, 0], view);
      await tab.done();
    }
    const tab = await open(hostile);
    // Not innerText, which leaves out what is not near the view.
    const text = await tab.evaluate(() => [...document.querySelectorAll("header, main > section > *:not(script)")].map((e) => e.textContent).join("\n"));
    for (const shown of expected.shown) assert.ok(text.includes(shown), `${shown} is not shown as text`);
    await tab.locator("#list .open").first().click();
    assert.ok((await tab.locator("#lightbox").innerText()).includes(expected.file_name));
    const sources = await tab.evaluate(() => [...document.querySelectorAll("img")].map((i) => i.getAttribute("src")));
    assert.ok(sources.length > 3 && sources.every((s) => /^(thumbs|views)\/[0-9a-f]{32}\.jpg$/.test(s)), `${sources}`);
    await tab.done();
  },

  async "readable without JavaScript"() {
    for (const file of [page, single]) {
      const tab = await open(file, { javaScriptEnabled: false });
      assert.ok((await tab.locator("#results table").count()) === 2);
      assert.match(await tab.locator("#results table").first().innerText(), /beta & co/);
      assert.ok((await tab.locator(".plot svg").count()) >= 5);
      assert.ok((await tab.locator("#list article").count()) > 3);
      assert.ok(!(await tab.locator("#controls").isVisible()));
      await tab.done();
    }
  },

  async "a single file holds its pictures and says what it lacks"() {
    const tab = await open(single);
    const sources = await tab.evaluate(() => [...document.querySelectorAll("img")].map((i) => i.src.slice(0, 22)));
    assert.ok(sources.length > 5 && sources.every((s) => s === "data:image/jpeg;base64"), `${sources}`);
    assert.match(await tab.locator("#gallery .caution").innerText(), /^This file has room for only a sample: \d+ of \d+ images are not in it/);
    const absent = await tab.locator("#list .absent").allTextContents();
    assert.ok(absent.length > 0 && absent.every((reason) => reason === "not in this file"), `${absent}`);
    await tab.done();
  },

  async "prints light, without controls"() {
    const tab = await open(page, { scheme: "dark" });
    await tab.emulateMedia({ media: "print", colorScheme: "dark" });
    assert.equal(await tab.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(255, 255, 255)");
    assert.ok(!(await tab.locator("#controls").isVisible()));
    await tab.done();
  },
};

(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
  console.log(`Chromium ${browser.version()}`);
  let failed = 0;
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
      console.log(`ok    ${name}`);
    } catch (e) {
      failed += 1;
      console.log(`FAIL  ${name}\n${e.stack}`);
    }
  }
  await browser.close();
  console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
})();
