// The gallery: filters, sorting, a lightbox, prompts side by side. All state is in the address after the #. Text
// goes into the page as text nodes and attributes, never as markup.
(() => {
  "use strict";
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const SCALE = 10000; // similarities are whole ten-thousandths
  const STEP = 6; // prompts added at a time
  const FEW = 12; // images of a prompt shown before the reader asks for more

  const models = data.models.map(([name, control]) => ({ name, control }));
  const subjects = data.subjects.map(([id, label, references]) => ({ id, label, references }));
  const prompts = data.prompts.map(([id, text, scene, of], index) => ({
    index, id, text, scene, subjects: of, images: [],
    // Everything that can be searched for, joined once.
    haystack: [id, text, ...of.flatMap((s) => [subjects[s].id, subjects[s].label])].join("\n").toLowerCase(),
  }));
  const images = data.images.map(([model, prompt, seed, picture, similarities, clipT, path, places], index) => ({
    index, model, prompt, seed, picture, similarities, clipT, path,
    // Of each subject [x, y, width, height, local similarity, present, in how many places, null], in pixels of an image of
    // this size; x is null where it has no place. Of each subject that nobody asked for [subject, similarity, x, y, width,
    // height].
    size: places?.[0], places: places?.[1], extras: places?.[2],
  }));
  images.forEach((image) => prompts[image.prompt].images.push(image));

  // Pictures that the page itself shows are not in the data a second time.
  const standing = new Map();
  document.querySelectorAll("img[data-picture]").forEach((img) => standing.set(Number(img.dataset.picture), img.src));

  const DEFAULTS = { q: "", model: "", n: "", scene: "", subject: "", t: String(data.threshold), show: "", control: "", sort: "", prompt: "", image: "" };
  let state = { ...DEFAULTS };

  // ---- small makers

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      // The page's policy forbids style attributes, not styles.
      else if (name === "style") for (const [property, of] of Object.entries(value)) element.style.setProperty(property, of);
      else if (value !== undefined && value !== false) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
  const svg = (tag, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const isolated = (text) => make("bdi", {}, text);

  const source = (picture, large) => {
    const shown = data.pictures[picture];
    if (typeof shown === "string") return `${large && data.views ? "views" : "thumbs"}/${shown}.jpg`;
    if (standing.has(picture)) return standing.get(picture);
    const bytes = data.embedded[picture];
    return bytes === undefined ? null : `data:image/jpeg;base64,${bytes}`;
  };
  const reason = (picture) => data.reasons[data.pictures[picture] - 1] ?? "not in this file";

  const picture = (place, alt, large = false) => {
    const src = source(place, large);
    if (src === null) {
      const why = reason(place);
      return make("span", { class: `absent ${large ? "view" : "thumb"}`, role: "img", "aria-label": `${alt}: ${why}` }, why);
    }
    return make("img", { src, alt, class: large ? "view" : "thumb", loading: "lazy", decoding: "async" });
  };

  const threshold = () => Math.round(Number(state.t) * SCALE);
  const lost = (image) => image.similarities.filter((s) => s < threshold()).length;
  const mean = (numbers) => numbers.reduce((a, b) => a + b, 0) / numbers.length;

  const bar = (similarity, tau) => {
    const share = (x) => Math.min(100, Math.max(0, (100 * x) / SCALE)).toFixed(1);
    return svg("svg", { class: similarity < tau ? "bar collapsed" : "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
      svg("rect", { class: "track", x: 0, y: 2, width: 100, height: 6 }),
      svg("rect", { class: "fill", x: 0, y: 2, width: share(similarity), height: 6 }),
      svg("line", { x1: share(tau), x2: share(tau), y1: 0, y2: 10 }));
  };
  // With more digits if rounding would lift a collapsed similarity to the threshold.
  const rounded = (s, digits, gone) => {
    const text = (s / SCALE).toFixed(digits);
    return gone && Number(text) * SCALE >= threshold() ? (s / SCALE).toFixed(4) : text;
  };
  const similarityList = (image, digits = 2) => {
    const tau = threshold();
    return make("ul", { class: "sims" }, ...prompts[image.prompt].subjects.map((subject, i) => {
      const s = image.similarities[i];
      const gone = s < tau;
      return make("li", {},
        make("span", { class: "label", title: subjects[subject].id }, isolated(subjects[subject].label)), bar(s, tau),
        make("span", { class: "value" }, rounded(s, digits, gone)),
        make("span", { class: gone ? "verdict lost" : "verdict kept" }, gone ? "✕" : "✓", make("span", { class: "word" }, gone ? " collapsed" : " kept")));
    }));
  };
  // What the windows say: present, missing, in several places, there unasked.
  const missing = (image) => image.places.filter((place) => place[5] === false).length;
  const looked = images.some((image) => image.places);
  const SIGNS = { true: ["✓", "present", "verdict kept"], false: ["✕", "missing", "verdict lost"], null: ["?", "not known", "quiet"] };
  const mark = (kind, sign, word) => make("span", { class: kind }, sign, make("span", { class: "word" }, ` ${word}`));
  const verdict = ([, , , , , present, places]) => {
    const [sign, word, kind] = SIGNS[String(present)];
    return [mark(kind, sign, word), ...(places > 1 ? [" ", mark("verdict lost", `×${places}`, "places")] : [])];
  };
  const marks = (image) => make("ul", { class: "marks" },
    ...prompts[image.prompt].subjects.map((s, i) => make("li", {}, ...verdict(image.places[i]), " ", isolated(subjects[s].label))),
    ...image.extras.map(([s]) => make("li", {}, mark("verdict lost", "+", "unasked:"), " ", isolated(subjects[s].label))));
  const verdicts = (image, digits) => (image.places ? [marks(image)] : image.similarities ? [similarityList(image, digits)] : []);
  const score = (image) => {
    if (image.places) {
      const n = missing(image);
      const unknown = image.places.filter((place) => place[5] === null).length;
      const text = unknown === image.places.length ? "? not known" : n === 0 ? "✓ all present" : `✕ ${n} of ${image.places.length} missing`;
      return make("span", { class: `score ${n === 0 ? (unknown ? "" : "kept") : "lost"}` }, text);
    }
    if (!image.similarities) return make("span", { class: "score" }, "not scored");
    const n = lost(image);
    const text = n === 0 ? "✓ all kept" : `✕ ${n} of ${image.similarities.length} collapsed`;
    return make("span", { class: `score ${n === 0 ? "kept" : "lost"}` }, text);
  };
  const caption = (image) => make("figcaption", {}, isolated(models[image.model].name), make("span", { class: "quiet" }, `seed ${image.seed}`), score(image));

  // ---- what is found

  const passes = (image) => {
    const model = models[image.model];
    if (state.model !== "" && model.name !== state.model) return false;
    if (state.control === "without" && model.control) return false;
    if (state.control === "only" && !model.control) return false;
    const scored = image.similarities !== null;
    if (state.show === "missing") return !scored;
    if (["absent", "doubled", "extra"].includes(state.show)) {
      if (!image.places) return false;
      if (state.show === "extra") return image.extras.length > 0;
      const is = state.show === "absent" ? (place) => place[5] === false : (place) => place[6] > 1;
      return image.places.some((place, i) => is(place) && (state.subject === "" || subjects[prompts[image.prompt].subjects[i]].id === state.subject));
    }
    if (state.show === "collapsed" || state.show === "kept") {
      if (!scored) return false;
      const place = state.subject === "" ? -1 : prompts[image.prompt].subjects.findIndex((s) => subjects[s].id === state.subject);
      const gone = place >= 0 ? image.similarities[place] < threshold() : lost(image) > 0;
      return gone === (state.show === "collapsed");
    }
    return true;
  };
  const asked = (prompt, words) =>
    (state.n === "" || prompt.subjects.length === Number(state.n)) &&
    (state.scene === "" || prompt.scene === state.scene) &&
    (state.subject === "" || prompt.subjects.some((s) => subjects[s].id === state.subject)) &&
    words.every((word) => prompt.haystack.includes(word));

  // Worst first: the larger share missing, or collapsed where an image was not searched, then the less similar; what
  // is not scored comes last either way.
  const rank = (image) => (image.places ? [missing(image) / image.places.length, -mean(image.places.map((place) => place[4]))] : image.similarities ? [lost(image) / image.similarities.length, -mean(image.similarities)] : null);
  const worse = (a, b) => (a && b ? b[0] - a[0] || b[1] - a[1] : (a ? 0 : 1) - (b ? 0 : 1));

  let found = [];
  const search = () => {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const sign = state.sort === "best" ? -1 : 1;
    found = [];
    for (const prompt of prompts) {
      if (!asked(prompt, words)) continue;
      const of = prompt.images.filter(passes).map((image) => ({ image, rank: rank(image) }));
      if (of.length === 0 && (prompt.images.length > 0 || state.model || state.show)) continue;
      of.sort((a, b) => (a.rank && b.rank ? sign : 1) * worse(a.rank, b.rank) || a.image.index - b.image.index);
      const ranks = of.map((x) => x.rank).filter(Boolean);
      const own = ranks.length ? [mean(ranks.map((r) => r[0])), mean(ranks.map((r) => r[1]))] : null;
      found.push({ prompt, images: of.map((x) => x.image), rank: own });
    }
    if (state.sort !== "id") found.sort((a, b) => (a.rank && b.rank ? sign : 1) * worse(a.rank, b.rank) || a.prompt.index - b.prompt.index);
  };

  // ---- the list

  const article = ({ prompt, images }) => {
    const there = images.filter((image) => image.similarities || source(image.picture) !== null);
    const away = images.filter((image) => !there.includes(image));
    const grid = make("div", { class: "images" });
    const add = (some) => grid.append(...some.map((image) => make("figure", {},
      make("button", { class: "open", type: "button", "aria-label": `Enlarge ${models[image.model].name}, seed ${image.seed}: ${prompt.text}`, onclick: () => go({ image: key(image) }) },
        picture(image.picture, prompt.text)),
      caption(image), ...verdicts(image))));
    add(there.slice(0, FEW));
    const rest = there.slice(FEW);
    const element = make("article", { class: "prompt" },
      make("h3", {}, isolated(prompt.id), make("span", { class: "quiet" }, `${prompt.subjects.length} subjects, ${prompt.scene}`),
        make("button", { type: "button", class: "side", onclick: () => go({ prompt: prompt.id }) }, "Compare models")),
      make("p", { class: "text" }, isolated(prompt.text)),
      references(prompt), grid);
    if (rest.length) {
      const button = make("button", { type: "button", onclick: () => { button.remove(); add(rest); } }, `Show ${rest.length} more images`);
      element.append(button);
    }
    if (away.length) element.append(absences(away));
    return element;
  };
  const references = (prompt) => make("ul", { class: "refs", "aria-label": "References" }, ...prompt.subjects.map((s) => {
    const subject = subjects[s];
    return make("li", {}, ...(subject.references.length ? [picture(subject.references[0], subject.label)] : []), isolated(subject.label));
  }));
  // Missing images are summarized briefly: by reason, model and seeds.
  const absences = (away) => {
    const by = new Map();
    for (const image of away) {
      const why = reason(image.picture);
      if (!by.has(why)) by.set(why, new Map());
      const of = by.get(why);
      of.set(image.model, [...(of.get(image.model) ?? []), image.seed]);
    }
    const parts = [...by].map(([why, of]) => `${why} (${[...of].map(([m, seeds]) => `${models[m].name} ${seeds.join(", ")}`).join("; ")})`);
    return make("p", { class: "absences" }, `${away.length} not shown: ${parts.join("; ")}.`);
  };

  let next = 0;
  const more = () => {
    const some = found.slice(next, next + STEP);
    next += some.length;
    $("list").append(...some.map(article));
  };
  const near = new IntersectionObserver((entries) => { if (entries.some((e) => e.isIntersecting)) fill(); }, { rootMargin: "1200px" });
  const fill = () => {
    if (next >= found.length) return;
    more();
    // The sentinel may still be near: it is reported again only when that changes.
    near.unobserve($("more"));
    near.observe($("more"));
  };
  const render = () => {
    search();
    const all = found.flatMap((f) => f.images);
    const scored = all.filter((image) => image.similarities);
    const rate = scored.length ? `, SCR@${state.t} ${(100 * mean(scored.map((i) => lost(i) / i.similarities.length))).toFixed(1)} %` : "";
    const unscored = all.length - scored.length;
    const count = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;
    const decided = scored.filter((i) => i.places && i.places.every((place) => place[5] !== null));
    const calibrated = decided.length ? `, cSCR ${(100 * mean(decided.map((i) => missing(i) / i.places.length))).toFixed(1)} % of ${decided.length} searched` : "";
    $("found").textContent = `${count(found.length, "prompt")}, ${count(scored.length, "scored image")}${unscored ? `, ${unscored} not scored` : ""}${rate}${calibrated}`;
    $("list").replaceChildren();
    next = 0;
    more();
    near.unobserve($("more"));
    near.observe($("more"));
  };

  // ---- lightbox and side by side

  const key = (image) => JSON.stringify([models[image.model].name, prompts[image.prompt].id, image.seed]);
  const byKey = (text) => images.find((image) => key(image) === text);
  const flat = () => found.flatMap((f) => f.images).filter((image) => image.similarities || source(image.picture) !== null);
  const top = (title, previous, following, close) => make("div", { class: "bar-top" }, make("h3", {}, ...title),
    make("button", { type: "button", class: "previous", onclick: previous }, "← Previous"),
    make("button", { type: "button", class: "next", onclick: following }, "Next →"),
    make("button", { type: "button", class: "close", onclick: close }, "Close"));

  const show = (dialog, children, focus) => {
    const had = dialog.open && dialog.contains(document.activeElement) ? document.activeElement.className : focus;
    dialog.replaceChildren(...children);
    if (!dialog.open) dialog.showModal();
    (dialog.querySelector(`.${had}`) ?? dialog).focus();
  };
  const hide = (dialog) => { if (dialog.open) dialog.close(); };

  // ---- where each subject is

  const hue = (i) => `hsl(${(i * 47) % 360} 85% 42%)`;
  // The image with a frame around the place of each subject: solid if it is present, dashed if not.
  const framed = (image, alt) => {
    const shown = picture(image.picture, alt, true);
    if (!image.places || shown.tagName !== "IMG") return shown;
    const line = Math.max(...image.size) / 160;
    const frames = image.places.flatMap((place, i) => {
      const [x, y, width, height, , present] = place;
      if (x === null) return [];
      const box = { x: x + line / 2, y: y + line / 2, width: width - line, height: height - line };
      return [svg("g", { class: present === true ? "frame" : "frame absent-frame", color: hue(i) },
        svg("rect", { ...box, fill: "none", stroke: "#fff", "stroke-width": line * 2 }),
        svg("rect", { ...box, fill: "none", stroke: "currentColor", "stroke-width": line, ...(present === true ? {} : { "stroke-dasharray": `${line * 3} ${line * 2}` }) }),
        svg("text", { x: x + line * 2, y: y + line * 7, "font-size": line * 6, fill: "currentColor", stroke: "#fff", "stroke-width": line, "paint-order": "stroke", "font-weight": "bold" }, String(i + 1)))];
    });
    return make("div", { class: "framed" }, shown,
      svg("svg", { viewBox: `0 0 ${image.size.join(" ")}`, preserveAspectRatio: "xMidYMid meet", "aria-hidden": "true" }, ...frames));
  };
  // A part of the image beside the reference: is this the one?
  const crop = (image, [x, y, width, height]) => {
    const [all, tall] = image.size;
    const src = source(image.picture, true);
    const percent = (at, side, length) => (length === side ? 0 : (100 * at) / (length - side)).toFixed(3);
    return make("span", { class: "crop", style: {
      "background-image": `url("${src}")`,
      "background-size": `${(100 * all) / width}% ${(100 * tall) / height}%`,
      "background-position": `${percent(x, width, all)}% ${percent(y, height, tall)}%`,
      "aspect-ratio": `${width} / ${height}`,
    } });
  };
  // A similarity beside what the subject reaches unasked: all of it a line, the middle half a bar, the bound a thin mark.
  const strip = (similarity, present, [values, own, quartiles, bound]) => {
    if (!quartiles) return make("span", { class: "quiet" }, "no null");
    const at = (v) => ((Math.min(SCALE, Math.max(-SCALE / 2, v)) + SCALE / 2) / (1.5 * SCALE)) * 100;
    const [least, lower, , upper, greatest] = quartiles.map(at);
    const upright = (name, v) => svg("line", { class: name, x1: at(v), x2: at(v), y1: 0, y2: 12 });
    const two = (v) => (v / SCALE).toFixed(2);
    return svg("svg", { class: "strip", viewBox: "0 0 100 12", preserveAspectRatio: "none", role: "img",
      "aria-label": `ℓ ${two(similarity)}; without being asked for, half of ${values} images of ${own ? "this model" : "all models"} have ${two(quartiles[1])} to ${two(quartiles[3])}` },
      svg("line", { class: "range", x1: least, x2: greatest, y1: 6, y2: 6 }),
      svg("rect", { class: "half", x: lower, width: upper - lower, y: 2, height: 8 }),
      ...(bound === null ? [] : [upright("bound", bound)]), upright(present === false ? "value missing" : "value", similarity));
  };
  const placeList = (image) => make("div", {},
    make("ul", { class: "places", "aria-label": "Where each subject is" }, ...prompts[image.prompt].subjects.map((s, i) => {
      const place = image.places[i];
      return make("li", {}, make("span", { class: "number", style: { background: hue(i) } }, String(i + 1)),
        ...(subjects[s].references.length ? [picture(subjects[s].references[0], subjects[s].label)] : []),
        place[0] !== null && source(image.picture, true) !== null ? crop(image, place) : make("span", { class: "crop none" }, "no place"),
        make("span", {}, isolated(subjects[s].label), make("br"), ...verdict(place), make("span", { class: "quiet" }, ` ℓ ${(place[4] / SCALE).toFixed(2)}`),
          strip(place[4], place[5], data.nulls[place[7]])));
    })),
    ...(image.extras.length ? [make("p", {}, "There unasked, as clearly as where it was asked for:"),
      make("ul", { class: "places", "aria-label": "There unasked" }, ...image.extras.map(([s, local, ...place]) => make("li", {}, make("span", { class: "verdict lost" }, "+"),
        ...(subjects[s].references.length ? [picture(subjects[s].references[0], subjects[s].label)] : []),
        source(image.picture, true) !== null ? crop(image, place) : make("span", { class: "crop none" }, "no place"),
        make("span", {}, isolated(subjects[s].label), make("br"), make("span", { class: "quiet" }, `ℓ ${(local / SCALE).toFixed(2)}`)))))] : []));

  const lightbox = (image) => {
    const prompt = prompts[image.prompt];
    const clip = image.clipT === null ? [] : [make("p", {}, `CLIP-T ${(image.clipT / SCALE).toFixed(3)}`)];
    show($("lightbox"), [
      top([isolated(models[image.model].name), ` · seed ${image.seed}`], () => step(-1), () => step(1), () => go({ image: "" })),
      make("div", { class: "big" }, framed(image, prompt.text),
        make("div", {},  make("p", {}, isolated(prompt.text)), make("p", {}, score(image)), ...(image.places ? [placeList(image)] : image.similarities ? [similarityList(image, 3)] : []), ...clip,
          make("p", { class: "quiet" }, isolated(prompt.id), `, ${prompt.scene}, `, make("code", {}, isolated(image.path))),
          ...(image.places && image.similarities ? [make("details", {}, make("summary", {}, `The whole image: ${lost(image)} of ${image.similarities.length} below τ = ${state.t}`), similarityList(image, 3))] : []),
          ...(image.places ? [] : [references(prompt)]))),
    ], "next");
  };
  const step = (by) => {
    const order = flat();
    const at = order.findIndex((image) => key(image) === state.image);
    const to = order[(at + by + order.length) % order.length];
    if (to) go({ image: key(to) });
  };
  const compare = (prompt) => {
    const columns = models.map((model, m) => {
      const of = prompt.images.filter((image) => image.model === m);
      const there = of.filter((image) => image.similarities || source(image.picture) !== null);
      const away = of.filter((image) => !there.includes(image));
      return make("div", {}, make("h4", {}, isolated(model.name), model.control ? " (control)" : ""),
        ...there.map((image) => make("figure", {},
          make("button", { class: "open", type: "button", "aria-label": `Enlarge ${model.name}, seed ${image.seed}: ${prompt.text}`, onclick: () => go({ image: key(image) }) },
            picture(image.picture, prompt.text)),
          caption(image), ...verdicts(image))),
        ...(away.length ? [absences(away)] : []), ...(of.length ? [] : [make("p", { class: "quiet" }, "no image of this prompt")]));
    });
    show($("compare"), [
      top([isolated(prompt.id)], () => turn(-1), () => turn(1), () => go({ prompt: "" })),
      make("p", {}, isolated(prompt.text)), references(prompt),
      make("div", { class: "columns", tabindex: "0", role: "region", "aria-label": "Images by model" }, ...columns),
    ], "next");
  };
  const turn = (by) => {
    const at = found.findIndex((f) => f.prompt.id === state.prompt);
    const to = found[(at + by + found.length) % found.length];
    if (to) go({ prompt: to.prompt.id });
  };
  for (const [id, part] of [["lightbox", "image"], ["compare", "prompt"]]) {
    $(id).addEventListener("close", () => { if (state[part] !== "") go({ [part]: "" }); });
    $(id).addEventListener("click", (event) => { if (event.target === $(id)) hide($(id)); });
  }

  // ---- state and address

  const FILTERS = ["q", "model", "n", "scene", "subject", "t", "show", "control", "sort"];
  const go = (change) => {
    state = { ...state, ...change };
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(state)) if (value !== DEFAULTS[name]) parameters.set(name, value);
    const hash = parameters.toString();
    history.replaceState(null, "", hash ? `#${hash}` : "#gallery");
    apply(Object.keys(change));
  };
  const read = () => {
    const hash = location.hash.slice(1);
    if (!hash.includes("=")) return false; // the anchor of a section
    const parameters = new URLSearchParams(hash);
    state = { ...DEFAULTS };
    for (const name of Object.keys(DEFAULTS)) if (parameters.has(name)) state[name] = parameters.get(name);
    const t = Number(state.t);
    if (!(t >= -1 && t <= 1)) state.t = DEFAULTS.t;
    return true;
  };
  const apply = (changed) => {
    if (changed.some((name) => FILTERS.includes(name))) {
      for (const name of FILTERS) if (fields[name] && fields[name].value !== state[name]) fields[name].value = state[name];
      render();
    }
    const prompt = state.prompt === "" ? undefined : prompts.find((p) => p.id === state.prompt);
    if (!prompt) hide($("compare"));
    else if (changed.includes("prompt")) compare(prompt);
    const image = state.image === "" ? undefined : byKey(state.image);
    if (!image) hide($("lightbox"));
    else if (changed.includes("image")) lightbox(image);
  };

  // ---- controls and keys

  const fields = {};
  const field = (name, label, element, wide) => {
    fields[name] = element;
    element.name = name;
    element.addEventListener(element.tagName === "SELECT" ? "change" : "input", () => {
      if (name === "t" && !element.checkValidity()) return;
      go({ [name]: element.value === "" && name === "t" ? DEFAULTS.t : element.value });
    });
    return make("label", wide ? { class: "wide" } : {}, label, element);
  };
  const choice = (name, label, options) => field(name, label, make("select", {}, ...options.map(([value, text]) => make("option", { value }, text))));
  const distinct = (values) => [...new Set(values)];
  const some = (values) => [["", "all"], ...values.map((v) => [String(v), String(v)])];
  const controls = $("controls");
  controls.append(
    field("q", "Search prompts and subjects", make("input", { type: "search", autocomplete: "off", spellcheck: "false" }), true),
    choice("model", "Model", some(models.map((m) => m.name))),
    choice("n", "Subjects in the prompt", some(distinct(prompts.map((p) => p.subjects.length)).sort((a, b) => a - b))),
    choice("scene", "Scene type", some(distinct(prompts.map((p) => p.scene)))),
    choice("subject", "Subject", [["", "all"], ...subjects.map((s) => [s.id, s.id === s.label ? s.id : `${s.id} ${s.label}`])]),
    field("t", "Threshold τ", make("input", { type: "number", min: "-1", max: "1", step: "0.01", list: "taus" })),
    choice("show", "Images", [["", "all"], ["collapsed", "with a collapsed subject"], ["kept", "with all subjects kept"], ["missing", "missing or not scored"],
      ...(looked ? [["absent", "with a missing subject"], ["doubled", "with a subject in several places"], ["extra", "with a subject that nobody asked for"]] : [])]),
    ...(models.some((m) => m.control) ? [choice("control", "Controls", [["", "with the models"], ["without", "left out"], ["only", "only controls"]])] : []),
    choice("sort", "Order", [["", "worst first"], ["best", "best first"], ["id", "by prompt id"]]),
    make("button", { type: "button", onclick: () => go({ ...DEFAULTS }) }, "Reset"),
    make("datalist", { id: "taus" }, ...data.thresholds.map((t) => make("option", { value: t }))),
    make("p", { class: "quiet" }, "Keys: ", make("kbd", {}, "/"), " search, ", make("kbd", {}, "←"), " ", make("kbd", {}, "→"), " previous or next image, ", make("kbd", {}, "Enter"),
      " enlarge, ", make("kbd", {}, "c"), " compare the models, ", make("kbd", {}, "Esc"), " close. The address keeps the view."));
  controls.hidden = false;

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target instanceof HTMLElement && event.target.closest("input, select, textarea");
    if (event.key === "/" && !typing && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      fields.q.focus();
      return;
    }
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (typing) return;
    if ($("lightbox").open) { if (by) { event.preventDefault(); step(by); } return; }
    if ($("compare").open) {
      const inside = event.target instanceof HTMLElement && event.target.classList.contains("columns");
      if (by && !inside) { event.preventDefault(); turn(by); }
      return;
    }
    const here = document.activeElement;
    if (event.key === "c" && here && here.closest(".prompt")) { here.closest(".prompt").querySelector(".side").click(); return; }
    if (by && here && here.classList.contains("open")) {
      const all = [...$("list").querySelectorAll(".open")];
      const to = all[all.indexOf(here) + by];
      if (to) { event.preventDefault(); to.focus(); }
    }
  });
  window.addEventListener("hashchange", () => { if (read()) apply(Object.keys(DEFAULTS)); });

  const restored = read();
  apply(Object.keys(DEFAULTS));
  if (restored) $("gallery").scrollIntoView({ behavior: "instant" });
})();
