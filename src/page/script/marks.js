  // ---- what is said of an image: collapsed or kept by similarity, present or missing by windows

  const threshold = () => (meant ? Math.round(Number(state.t) * SCALE) : -Infinity);
  const lost = (image) => image.similarities.filter((s) => s < threshold()).length;

  const bar = (similarity) => {
    const share = (x) => Math.min(100, Math.max(0, (100 * x) / SCALE)).toFixed(1);
    const tau = threshold();
    return svg("svg", { class: similarity < tau ? "bar collapsed" : "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
      svg("rect", { class: "track", x: 0, y: 2, width: 100, height: 6 }),
      svg("rect", { class: "fill", x: 0, y: 2, width: share(similarity), height: 6 }),
      ...(meant ? [svg("line", { x1: share(tau), x2: share(tau), y1: 0, y2: 10 })] : []));
  };
  // With more digits if rounding would lift a collapsed similarity to the threshold.
  const rounded = (s, digits) => {
    const text = (s / SCALE).toFixed(digits);
    return s < threshold() && Number(text) * SCALE >= threshold() ? (s / SCALE).toFixed(4) : text;
  };
  // Bars of an image's subjects; large ones have the reference beside them.
  const similarityList = (image, large = false) => make("ul", { class: large ? "sims large" : "sims" }, ...prompts[image.prompt].subjects.map((subject, i) => {
    const s = image.similarities[i];
    const gone = s < threshold();
    return make("li", {}, ...(large ? [make("span", { class: "reference" }, ...reference(subject))] : []),
      make("span", { class: "label" }, named(subjects[subject].label, large ? LABEL : 18)), bar(s),
      make("span", { class: "value" }, rounded(s, large ? 3 : 2)),
      ...(meant ? [make("span", { class: gone ? "verdict lost" : "verdict kept" }, gone ? "✕" : "✓", make("span", { class: "word" }, gone ? " collapsed" : " kept"))] : []));
  }));

  // What the windows say: present, missing, in several places, there unasked.
  const EXTRA = 3; // the state of a box
  const looked = images.some((image) => image.seen);
  const missing = (image) => image.seen.filter((of) => of[1] === 0).length;
  const extras = (image) => boxes(image).filter((box) => box[0] === 0 && box[2] === EXTRA);
  // The window of a requested subject.
  const placeOf = (image, subject) => boxes(image).find((box) => box[0] === 0 && box[1] === subject && box[2] !== EXTRA);
  // Whom the place of the i-th subject resembles most; null where it has no place.
  const resembles = (image, i) => {
    const subject = prompts[image.prompt].subjects[i];
    return image.seen[i][4] ?? (placeOf(image, subject) ? subject : null);
  };
  const SIGNS = { 1: ["✓", "present", "verdict kept"], 0: ["✕", "missing", "verdict lost"], null: ["?", "not known", "quiet"] };
  const mark = (kind, sign, word) => make("span", { class: kind }, sign, make("span", { class: "word" }, ` ${word}`));
  const verdict = ([, present, places]) => {
    const [sign, word, kind] = SIGNS[String(present)];
    return [mark(kind, sign, word), ...(places > 1 ? [" ", mark("verdict lost", `×${places}`, "places")] : [])];
  };
  const label = (s) => (s === null ? "unknown" : subjects[s].label);
  const marks = (image) => make("ul", { class: "marks" },
    ...prompts[image.prompt].subjects.map((s, i) => make("li", {}, ...verdict(image.seen[i]), " ", named(subjects[s].label, LABEL))),
    ...extras(image).map(([, s]) => make("li", {}, mark("verdict lost", "+", "unasked:"), " ", named(label(s), LABEL))));
  const verdicts = (image) => (image.seen ? [marks(image)] : image.similarities ? [similarityList(image)] : []);
  const score = (image) => {
    const said = (kind, text) => make("span", { class: `score ${kind}` }, text);
    if (image.seen) {
      const n = missing(image), all = image.seen.length;
      const unknown = image.seen.filter((of) => of[1] === null).length;
      if (unknown === all) return said("", "? not known");
      return n === 0 ? said(unknown ? "" : "kept", "✓ all present") : said("lost", `✕ ${n} of ${all} missing`);
    }
    if (!image.similarities) return said("", "not scored");
    if (!meant) return said("", `similarity ${(mean(image.similarities) / SCALE).toFixed(2)}`);
    const n = lost(image);
    return n === 0 ? said("kept", "✓ all kept") : said("lost", `✕ ${n} of ${image.similarities.length} collapsed`);
  };
  const decimal = (value) => (value !== 0 && Math.abs(value) < 0.0005 ? value.toExponential(1) : value.toFixed(3));
  // The metric by which the images are ordered stands below them.
  const ordered = (image) => {
    const at = byMetric();
    return at < 0 ? [] : [make("span", { class: "quiet" }, isolated(metrics[at].name), ` ${image.values[at] === null ? "no value" : decimal(image.values[at])}`)];
  };
  const caption = (image) => make("figcaption", {}, named(models[image.model].name, LONG), make("span", { class: "quiet" }, `seed ${image.seed}`), score(image), ...ordered(image));

