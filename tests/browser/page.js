// The page in a real Chromium. Run by tests/browser.rs, which makes the data sets and their pages:
//     node page.js PACKAGES PAGE HOSTILE SINGLE WINDOWS METRICS
// PACKAGES holds playwright-core and axe-core; the others are paths of pages. The images of PAGE have DINOv2's similarities
// and no windows; those of WINDOWS were searched, by an encoder for which no threshold is known; METRICS is PAGE with two
// metrics, of which p4 has no loss.
"use strict";
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

const [packages, page, hostile, single, windows, metrics] = process.argv.slice(2);
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
// What the list says. Not innerText, which is empty for a prompt that Chromium has not drawn because it is out of view.
const listed = (tab, selector) => tab.locator(`#list ${selector}`).first().textContent();
const overflow = (tab) => tab.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

// The data in a page, and the page with other data, beside it so that it has the same pictures.
const marks = ['<script id="data" type="application/json">', "</script>"];
const dataOf = (file) => JSON.parse(fs.readFileSync(file, "utf8").split(marks[0])[1].split(marks[1])[0]);
function changed(file, name, change) {
  const [head, rest] = fs.readFileSync(file, "utf8").split(marks[0]);
  const data = JSON.parse(rest.slice(0, rest.indexOf(marks[1])));
  change(data);
  const text = JSON.stringify(data).replace(/</g, "\\u003c");
  const place = path.join(path.dirname(file), name);
  fs.writeFileSync(place, head + marks[0] + text + rest.slice(rest.indexOf(marks[1])));
  return place;
}
const firstPrompt = async (file) => dataOf(file).prompts[0][0];
const boxOf = (tab, selector) => tab.locator(selector).first().boundingBox();
const inView = (tab, id) => tab.evaluate((id) => {
  const { top } = document.getElementById(id).getBoundingClientRect();
  return top >= document.querySelector("nav").getBoundingClientRect().bottom - 1 && top < window.innerHeight;
}, id);

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

  async "works in the frame of a notebook, where it has no address of its own"() {
    // As the Python package shows it: from an attribute, in a sandbox.
    const text = fs.readFileSync(single, "utf8").replace(/&/g, "&amp;").replace(/"/g, "&quot;");
    const notebook = path.join(path.dirname(single), "notebook.html");
    fs.writeFileSync(notebook, `<!doctype html><title>Notebook</title><iframe width="1300" height="800" sandbox="allow-scripts allow-popups" srcdoc="${text}"></iframe>`);
    const tab = await open(notebook);
    const frame = tab.frameLocator("iframe");
    const before = await frame.locator("#found").innerText();
    await frame.locator("#controls [name=model]").selectOption({ index: 1 });
    assert.notEqual(await frame.locator("#found").innerText(), before);
    await frame.locator("#list .open").first().click();
    assert.ok(await frame.locator("#lightbox").evaluate((box) => box.open));
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
    assert.match(await listed(tab, "figcaption .score"), /^✕ \d of \d collapsed$/);
    await tab.done();
  },

  async "worst first"() {
    const tab = await open(page, { hash: "#t=0.5" });
    const scores = await tab.locator("#list .score").allTextContents();
    const shares = scores.map((s) => (s.match(/(\d+) of (\d+)/) ?? [0, 0, 1]).slice(1).map(Number)).map(([k, n]) => k / n);
    // p1 lacks an image of alpha, so more of what is there is lost; within it the seed that alpha lacks, then the others,
    // alpha (half below 0.5) always before beta (all).
    assert.equal(await listed(tab, "h3 bdi"), "p1");
    assert.deepEqual(shares.slice(0, 5), [1, 0.5, 1, 0.5, 1]);
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
    for (const file of [page, hostile, single, windows]) {
      const tab = await open(file, { width: 380 });
      assert.ok((await overflow(tab)) <= 0, file);
      await tab.locator("#list .open").first().click();
      assert.ok((await overflow(tab)) <= 0, `${file}, lightbox`);
      await tab.done();
    }
  },

  async "accessible in light and dark, with dialogs open"() {
    const views = ["", "#prompt=p1", "#image=" + encodeURIComponent(JSON.stringify(["alpha", "p1", "1"]))].map((view) => [page, view]);
    views.push([windows, ""], [windows, "#image=" + encodeURIComponent(JSON.stringify(["simulated-cloning", await firstPrompt(windows), "42"]))]);
    for (const scheme of ["light", "dark"]) {
      for (const [file, view] of views) {
        const tab = await open(file, { scheme, hash: view });
        await tab.evaluate(axe); // past the policy, which refuses a script element
        const serious = await tab.evaluate(async () => {
          const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
          return violations.filter((v) => ["serious", "critical"].includes(v.impact)).map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target} ${n.failureSummary}`).join(" | ")}`);
        });
        assert.deepEqual(serious, [], `${scheme} ${file} ${view}`);
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
    // Not innerText, for the reason that `listed` gives.
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

  async "the first screen holds the verdict, the table and a figure"() {
    for (const [file, best, said] of [
      [windows, "simulated-faithful", /^1\. simulated-faithful misses \d+\.\d.% \[[\d., ]+\] of the requested subjects, [\d.]+.points \[[\d., ]+\] fewer than simulated-\w+\. Told apart from every other model \(paired test, p.≤.0\.05\)\.$/],
      [page, "alpha", /^1\. alpha loses 50\.0.% \[.+\] of the requested subjects at τ = 0\.5, 50\.0.points \[.+\] fewer than beta & co\. Told apart from every other model \(paired test, p.≤.0\.05\)\.$/],
    ]) {
      const tab = await open(file);
      assert.match((await tab.locator("#verdict .standings li").first().innerText()).replace(/\s+/g, " "), said);
      for (const part of [".standings", ".facts", "table.headline", ".plot"]) {
        const { y, height } = await boxOf(tab, `#verdict ${part}`);
        assert.ok(y >= 0 && y + height <= 900, `${part} of ${file} ends at ${y + height}`);
      }
      assert.equal(await tab.locator("#verdict table.headline tbody th").first().innerText(), best);
      assert.match(await tab.locator("#verdict .facts").innerText(), /subjects[\s\S]+scenes[\s\S]+Trust\s+(All|1 of) \d+ images (are scored|do(es)? not exist)/);
      await tab.done();
      // The same order on a phone.
      const small = await open(file, { width: 390 });
      const tops = [];
      for (const part of [".standings", ".facts", "table.headline", ".plot"]) tops.push((await boxOf(small, `#verdict ${part}`)).y);
      assert.deepEqual(tops, [...tops].sort((a, b) => a - b));
      assert.ok(tops[0] < 300 && (await overflow(small)) <= 0, `${tops}`);
      await small.done();
    }
  },

  async "no threshold that means nothing"() {
    const tab = await open(windows);
    const text = await tab.evaluate(() => document.body.innerText);
    // cSCR and R-SCR have levels of their own.
    assert.doesNotMatch(text, /(?<![c\u2011])SCR@|collapsed|all kept/);
    assert.match(text, /The paper’s thresholds are DINOv2’s and mean nothing for builtin-texture, so no SCR is shown/);
    assert.equal(await field(tab, "t").count(), 0);
    await tab.done();
    const meant = await open(page);
    assert.match(await meant.evaluate(() => document.body.innerText), /SCR@0\.5/);
    assert.equal(await field(meant, "t").count(), 1);
    await meant.done();
  },

  async "navigation stays and holds every section"() {
    const tab = await open(windows);
    const sections = await tab.evaluate(() => [...document.querySelectorAll("main > section")].map((s) => `#${s.id}`));
    const links = await tab.evaluate(() => [...document.querySelectorAll("nav a")].map((a) => a.getAttribute("href")));
    assert.deepEqual(links, sections);
    assert.ok(sections.length > 9 && sections.at(-1) === "#gallery");
    await tab.evaluate(() => window.scrollTo(0, document.body.scrollHeight));
    assert.equal((await boxOf(tab, "nav")).y, 0);
    await tab.locator("nav .to-gallery").click();
    assert.ok(await inView(tab, "gallery"));
    await tab.locator("nav a", { hasText: "Comparisons" }).click();
    assert.ok(await inView(tab, "compared-title"));
    assert.match(await tab.locator("#compared table").innerText(), /cSCR@0\.05\s%\s↓[\s\S]+simulated-faithful\s+simulated-(bleeding|cloning)[\s\S]+yes/);
    await tab.done();
  },

  async "a point, a cell and a name lead to their images"() {
    const tab = await open(windows);
    await tab.locator("#verdict [data-show*='n=4']").first().click();
    assert.match(await hash(tab), /^#model=simulated-\w+&n=4$/);
    assert.deepEqual(await counts(tab), [3, 3]);
    assert.ok(await inView(tab, "gallery-title"));
    assert.equal(await field(tab, "n").inputValue(), "4");
    await tab.locator("#subjects [data-show]").first().click();
    assert.match(await hash(tab), /^#model=simulated-\w+&subject=[\w-]+$/);
    const [prompts, images] = await counts(tab);
    assert.ok(prompts > 0 && prompts < 15 && images === prompts, `${prompts} ${images}`);
    await tab.locator("#where [data-show*='scene=occlusion']").first().click();
    assert.deepEqual(await counts(tab), [1, 1]);
    await tab.locator("#verdict .facts a").first().click();
    assert.match(await hash(tab), /^#subject=[\w-]+$/);
    // The same again, from elsewhere: the address does not change, the view does.
    await tab.evaluate(() => window.scrollTo(0, 0));
    await tab.locator("#verdict .facts a").first().click();
    assert.ok(await inView(tab, "gallery-title"));
    // Back to where the reader was before.
    await tab.goBack();
    assert.deepEqual(await counts(tab), [1, 1]);
    await tab.done();
  },

  async "each cell of the matrix leads to as many images as it says"() {
    const tab = await open(windows);
    const cells = tab.locator("#confusion .matrix").nth(1).locator("td a");
    assert.ok((await cells.count()) > 24);
    for (const which of [0, 5, (await cells.count()) - 1]) {
      const times = Number(await cells.nth(which).innerText());
      await cells.nth(which).click();
      assert.match(await hash(tab), /^#model=simulated-cloning&subject=[\w-]+&found=(=[\w-]+|-)$/);
      assert.deepEqual((await counts(tab))[1], times);
    }
    const shades = await tab.evaluate(() => new Set([...document.querySelectorAll(".matrix td.wrong, .matrix td.right")].map((td) => getComputedStyle(td).backgroundColor)).size);
    assert.ok(shades > 4, `${shades} shades`);
    await tab.done();
  },

  async "models keep their columns, references are beside what is said of them"() {
    const tab = await open(windows);
    const rows = await tab.evaluate(() => [...document.querySelectorAll("#list .by-model")].map((grid) =>
      [...grid.children].map((cell) => [cell.querySelector("figcaption bdi")?.textContent, Math.round(cell.getBoundingClientRect().left)])));
    assert.ok(rows.length > 3);
    for (const row of rows) {
      assert.deepEqual(row.map(([name]) => name), ["simulated-bleeding", "simulated-cloning", "simulated-faithful"]);
      assert.deepEqual(row.map(([, left]) => left), rows[0].map(([, left]) => left));
    }
    await tab.locator("#list .open").nth(1).click();
    const [asked, frames, pairs] = await tab.evaluate(() => [
      document.querySelectorAll("#lightbox .places:first-of-type > li").length, document.querySelectorAll("#lightbox .frame:not(.extra)").length,
      [...document.querySelectorAll("#lightbox .places:first-of-type > li")].filter((li) => li.querySelector(".reference img") && li.querySelector(".crop")).length]);
    assert.ok(asked >= 2 && pairs === asked && frames > 0 && frames <= asked, `${asked} ${pairs} ${frames}`);
    await tab.done();
    const whole = await open(page);
    await whole.locator("#list .open").first().click();
    const bars = await whole.evaluate(() => [...document.querySelectorAll("#lightbox .sims li")].map((li) => li.querySelectorAll(".reference img, .bar").length));
    assert.ok(bars.length >= 2 && bars.every((n) => n === 2), `${bars}`);
    await whole.done();
  },

  async "frames of another way of looking: named, extra, and pale where the detector was unsure"() {
    const file = changed(windows, "two ways.html", (data) => {
      data.sets.push("faces");
      data.images.forEach((image) => image[9].push([[image[1] % 2 ? 0 : null, 3, 10, 10, 100, 100, 4321, 3000], [1, 0, 200, 10, 100, 100, 8765, 9000]]));
    });
    const tab = await open(file);
    await tab.locator("#list .open").first().click();
    // One way of looking at a time; the boxes in which characters were drawn are another.
    const ways = tab.locator("#lightbox .frame-choice button");
    assert.deepEqual(await ways.allTextContents(), ["windows", "drawn", "faces"]);
    const texts = () => tab.locator("#lightbox .frame text").allTextContents();
    const ofWindows = await texts();
    assert.ok(ofWindows.length > 0 && !ofWindows.includes("+"), `${ofWindows}`);
    await ways.nth(2).click();
    assert.equal(await ways.nth(2).getAttribute("aria-pressed"), "true");
    assert.ok((await texts()).includes("+") && (await texts()).length === 2, `${await texts()}`);
    assert.match(await hash(tab), /frames=2/);
    assert.equal(await tab.locator("#lightbox .frame.pale").count(), 1);
    assert.ok(Number(await tab.locator("#lightbox .frame.pale").evaluate((g) => getComputedStyle(g).opacity)) < 0.6);
    const faces = tab.locator("#lightbox .places[aria-label='faces:'] li");
    assert.deepEqual(await faces.count(), 2);
    assert.match(await faces.first().innerText(), /extra 0\.43/);
    await tab.keyboard.press("Escape");
    await field(tab, "show").selectOption("beyond 2");
    assert.match(await found(tab), /^\d+ prompts/);
    await tab.done();
  },

  async "totals leave controls out"() {
    const file = changed(page, "controls.html", (data) => { data.models[0][1] = true; });
    const tab = await open(file);
    assert.deepEqual(await counts(tab), [6, 18]);
    assert.match(await found(tab), /SCR@0\.5 100\.0 %; not counted: 18 images of controls$/);
    await field(tab, "model").selectOption("alpha");
    assert.match(await found(tab), /^6 prompts, 17 scored images, 1 not scored, SCR@0\.5 50\.0 %$/);
    await tab.done();
  },

  async "a long name loses its middle, here and there alike, and says the whole of it"() {
    const tab = await open(windows);
    const names = await tab.evaluate(() => {
      const of = (selector) => Object.fromEntries([...document.querySelectorAll(`${selector} bdi[title]`)].map((bdi) => [bdi.title, bdi.textContent]));
      return [of(".matrix"), of("#list .marks")];
    });
    const both = Object.keys(names[0]).filter((name) => name in names[1]);
    assert.ok(both.length > 0);
    for (const name of both) {
      assert.equal(names[0][name], names[1][name]);
      assert.match(names[0][name], /^\p{L}+.*…\p{L}+$/u);
      assert.ok(names[0][name].split("…").every((part) => name.split(/[\s-]/).some((word) => part.includes(word))), names[0][name]);
    }
    await tab.done();
  },

  async "on paper: all tables and figures, and what the gallery leaves out"() {
    for (const file of [page, windows]) {
      const tab = await open(file, { width: 720 }); // about a sheet of A4
      const figures = await tab.locator(".plot svg, table").count();
      await tab.emulateMedia({ media: "print" });
      const paper = await tab.evaluate(() => {
        const shown = (e) => e.getClientRects().length > 0;
        const parts = [...document.querySelectorAll(".plot svg, table")].filter(shown);
        return {
          parts: parts.length,
          wide: parts.filter((e) => e.getBoundingClientRect().right > window.innerWidth + 1).map((e) => `${e.closest("section").id}: ${Math.round(e.getBoundingClientRect().right)}`),
          cut: [...document.querySelectorAll(".scroll")].filter((e) => getComputedStyle(e).overflowX !== "visible").length,
          parted: [...document.querySelectorAll(".plot")].filter((e) => getComputedStyle(e).breakInside !== "avoid").length
            + [...document.querySelectorAll("h2, h3")].filter((e) => getComputedStyle(e).breakAfter !== "avoid").length,
          navigation: shown(document.querySelector("nav")),
          left: document.getElementById("on-paper").innerText,
        };
      });
      assert.equal(paper.parts, figures);
      assert.deepEqual([paper.wide, paper.cut, paper.parted, paper.navigation], [[], 0, 0, false]);
      assert.match(paper.left, file === page ? /the 6 prompts above\. Left out are 0 of the 6 prompts/ : /the \d+ prompts above\. Left out are \d+ of the 15 prompts of this gallery; scrolling/);
      const pdf = await tab.pdf({ format: "A4" });
      assert.ok(pdf.length > 20_000);
      await tab.done();
    }
  },

  async "a metric orders and filters the gallery"() {
    const tab = await open(metrics, { hash: "#sort=metric 0" });
    const first = () => listed(tab, "h3 bdi");
    const said = () => listed(tab, "figcaption");
    assert.equal(await first(), "p1"); // hps is 0.1…, and more is better
    assert.match(await said(), /hps 0\.110/);
    await field(tab, "sort").selectOption("metric 0 best");
    assert.equal(await first(), "p6");
    assert.match(await said(), /hps 0\.630/);
    await field(tab, "sort").selectOption("metric 1");
    assert.equal(await first(), "p6"); // a loss of 60 and more, and less is better
    await field(tab, "sort").selectOption("metric 1 best");
    assert.equal(await first(), "p1");
    assert.equal(await tab.locator("#list h3 bdi").last().textContent(), "p4"); // without a value it comes last
    await field(tab, "show").selectOption("valueless 1");
    assert.deepEqual(await counts(tab), [1, 6]);
    await field(tab, "show").selectOption("valued 1");
    assert.deepEqual(await counts(tab), [5, 29]);
    await tab.locator("#list button.open").first().click();
    assert.match(await tab.locator("#lightbox").innerText(), /hps 0\.\d{3}\s+loss \d\d\.000/);
    const plain = await open(page);
    assert.equal(await field(plain, "sort").locator("option").count(), 3);
    await plain.done();
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
