  // ---- what is found

  const idOf = (prompt, i) => subjects[prompt.subjects[i]].id;
  const passes = (image) => {
    const model = models[image.model], prompt = prompts[image.prompt];
    if (state.model !== "" && model.name !== state.model) return false;
    if (state.control === "without" && model.control) return false;
    if (state.control === "only" && !model.control) return false;
    // Of the subject that is asked about, or of any.
    const some = (is) => image.seen !== null && image.seen.some((of, i) => (state.subject === "" || idOf(prompt, i) === state.subject) && is(of, i));
    if (state.found !== "") {
      const wanted = (found) => (state.found === "-" ? found === null : found !== null && subjects[found].id === state.found.slice(1));
      if (!some((of, i) => wanted(resembles(image, i)))) return false;
    }
    const scored = image.similarities !== null;
    const [shows, set] = state.show.split(" ");
    switch (shows) {
      case "missing": return !scored;
      case "extra": return extras(image).length > 0;
      case "absent": return some((of) => of[1] === 0);
      // What a region set says: its number, and what is asked of it.
      case "set": return boxes(image).some(([of]) => of === Number(set));
      case "lacks": return boxes(image).some(([of, , is]) => of === Number(set) && STATES[is] === "missing");
      case "beyond": return boxes(image).some(([of, s, is]) => of === Number(set) && is === EXTRA && s === null);
      case "clones": return boxes(image).some(([of, s, is]) => of === Number(set) && is === EXTRA && s !== null);
      case "valued": return image.values[Number(set)] !== null;
      case "valueless": return image.values[Number(set)] === null;
      case "doubled": return some((of) => of[2] > 1);
      case "collapsed":
      case "kept": {
        if (!scored || !meant) return !meant;
        const place = state.subject === "" ? -1 : prompt.subjects.findIndex((s) => subjects[s].id === state.subject);
        const gone = place >= 0 ? image.similarities[place] < threshold() : lost(image) > 0;
        return gone === (shows === "collapsed");
      }
      default: return true;
    }
  };
  const asked = (prompt, words) =>
    (state.n === "" || prompt.subjects.length === Number(state.n)) &&
    (state.scene === "" || prompt.scene === state.scene) &&
    (state.subject === "" || prompt.subjects.some((s) => subjects[s].id === state.subject)) &&
    words.every((word) => prompt.haystack.includes(word));

  // Worst first: the larger share missing, or collapsed where an image was not searched, then the less similar; what
  // is not scored comes last either way, and so does, among images with verdicts, one about which nothing can be said.
  // By a metric, the worst value; which one, and whether the worst or the best come first, is said by the order that is chosen.
  const byMetric = () => { const [of, at] = state.sort.split(" "); return of === "metric" && metrics[Number(at)] ? Number(at) : -1; };
  const rank = (image) => {
    const at = byMetric();
    if (at >= 0) return image.values[at] === null ? null : [metrics[at].lower ? image.values[at] : -image.values[at], 0];
    if (image.seen) return [missing(image) / image.seen.length, -mean(image.seen.map((of) => of[0]))];
    if (!image.similarities || (looked && !meant)) return null;
    return [lost(image) / image.similarities.length, -mean(image.similarities)];
  };
  const worse = (a, b) => (a && b ? b[0] - a[0] || b[1] - a[1] : (a ? 0 : 1) - (b ? 0 : 1));
  const whole = (ranks) => (ranks.length ? [mean(ranks.map((r) => r[0])), mean(ranks.map((r) => r[1]))] : null);

  let found = [];
  const sign = () => (state.sort === "best" || state.sort.endsWith(" best") ? -1 : 1);
  const search = () => {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    found = [];
    for (const prompt of prompts) {
      if (!asked(prompt, words)) continue;
      const of = prompt.images.filter(passes);
      if (of.length === 0 && (prompt.images.length > 0 || state.model || state.show || state.found)) continue;
      found.push({ prompt, images: of, rank: whole(of.map(rank).filter(Boolean)) });
    }
    if (state.sort !== "id") found.sort((a, b) => (a.rank && b.rank ? sign() : 1) * worse(a.rank, b.rank) || a.prompt.index - b.prompt.index);
  };

  // ---- the list

  const isThere = (image) => image.similarities !== null || source(image.picture) !== null;
  // Images of a prompt in rows: a column for each model, a row for each seed, the worst row first; controls, which have
  // seeds of their own, from the top of theirs. With one model, the worst image first.
  const rowsOf = (entry) => {
    if (entry.rows) return entry.rows;
    const there = entry.images.filter(isThere);
    const columns = [...new Set(there.map((image) => image.model))].sort((a, b) => a - b);
    const by = new Map();
    for (const image of there.filter((image) => !models[image.model].control)) by.set(image.seed, [...(by.get(image.seed) ?? []), image]);
    const rows = [...by.values()].map((of) => ({ of, rank: whole(of.map(rank).filter(Boolean)) }));
    if (columns.length > 1) {
      rows.sort((a, b) => (a.rank && b.rank ? sign() : 1) * worse(a.rank, b.rank) || a.of[0].index - b.of[0].index);
      entry.rows = rows.map(({ of }) => columns.map((model) => of.find((image) => image.model === model) ?? null));
      columns.forEach((model, at) => {
        if (!models[model].control) return;
        there.filter((image) => image.model === model).forEach((image, k) => {
          entry.rows[k] ??= columns.map(() => null);
          entry.rows[k][at] = image;
        });
      });
    } else {
      const ranked = there.map((image) => ({ image, rank: rank(image) }));
      ranked.sort((a, b) => (a.rank && b.rank ? sign() : 1) * worse(a.rank, b.rank) || a.image.index - b.image.index);
      entry.rows = ranked.map(({ image }) => [image]);
    }
    return entry.rows;
  };

  const figure = (image) => make("figure", {},
    make("button", { class: "open", type: "button", "aria-label": `Enlarge ${models[image.model].name}, seed ${image.seed}: ${prompts[image.prompt].text}`, onclick: () => go({ image: key(image) }) },
      picture(image.picture, prompts[image.prompt].text)),
    caption(image), ...verdicts(image));
  const article = (entry) => {
    const { prompt, images } = entry;
    const rows = rowsOf(entry);
    const width = rows.length ? rows[0].length : 1;
    const away = images.filter((image) => !isThere(image));
    const grid = make("div", { class: width > 1 ? "images by-model" : "images", style: { "--models": String(width) } });
    const add = (some) => grid.append(...some.flat().map((image) => (image ? figure(image) : make("div", { class: "gap" }))));
    const few = Math.max(1, Math.floor(FEW / width));
    add(rows.slice(0, few));
    const element = make("article", { class: "prompt" },
      make("h3", {}, isolated(prompt.id), make("span", { class: "quiet" }, `${prompt.subjects.length} subjects, ${prompt.scene}`),
        make("button", { type: "button", class: "side", onclick: () => go({ prompt: prompt.id }) }, "Compare models")),
      make("p", { class: "text" }, isolated(prompt.text)),
      references(prompt), grid);
    const rest = rows.slice(few).flat().filter(Boolean).length;
    if (rest) {
      const button = make("button", { type: "button", onclick: () => { button.remove(); add(rows.slice(few)); } }, `Show ${rest} more images`);
      element.append(button);
    }
    if (away.length) element.append(absences(away));
    return element;
  };
  const references = (prompt) => make("ul", { class: "refs", "aria-label": "References" },
    ...prompt.subjects.map((s) => make("li", {}, ...reference(s), named(subjects[s].label, LABEL))));
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
    $("on-paper").textContent = `On paper: the ${next} prompts above. Left out are ${prompts.length - next} of the ${prompts.length} prompts of this gallery` +
      `${found.length < prompts.length ? `, of which the filters leave out ${prompts.length - found.length}` : ""}; scrolling on a screen shows the others.`;
  };
  const near = new IntersectionObserver((entries) => { if (entries.some((e) => e.isIntersecting)) fill(); }, { rootMargin: "1200px" });
  const fill = () => {
    if (next >= found.length) return;
    more();
    // The sentinel may still be near: it is reported again only when that changes.
    near.unobserve($("more"));
    near.observe($("more"));
  };
  const count = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;
  // What is found, in numbers. A control is not under test, so it is in no total but its own.
  const totals = () => {
    const all = found.flatMap((entry) => entry.images);
    const ofControls = state.control === "only" || models.some((model) => model.control && model.name === state.model);
    const counted = ofControls ? all : all.filter((image) => !models[image.model].control);
    const scored = counted.filter((image) => image.similarities);
    const unscored = counted.length - scored.length;
    const rate = meant && scored.length ? `, SCR@${state.t} ${(100 * mean(scored.map((i) => lost(i) / i.similarities.length))).toFixed(1)} %` : "";
    const decided = scored.filter((i) => i.seen && i.seen.every((of) => of[1] !== null));
    const calibrated = decided.length ? `, cSCR ${(100 * mean(decided.map((i) => missing(i) / i.seen.length))).toFixed(1)} % of ${decided.length} searched` : "";
    const aside = all.length - counted.length;
    return `${count(found.length, "prompt")}, ${count(scored.length, "scored image")}${unscored ? `, ${unscored} not scored` : ""}${rate}${calibrated}` +
      `${aside ? `; not counted: ${count(aside, "image")} of controls` : ""}`;
  };
  const render = () => {
    search();
    $("found").textContent = totals();
    $("list").replaceChildren();
    next = 0;
    more();
    near.unobserve($("more"));
    near.observe($("more"));
  };

