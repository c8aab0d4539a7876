  // ---- where each subject is

  const STATES = ["present", "missing", "not known", "extra"];
  const UNSURE = SCALE / 2; // a detector that is less sure than this draws a pale frame
  const hue = (i) => (i < 0 ? "#b3261e" : `hsl(${(i * 47) % 360} 85% 42%)`);
  // The image with a frame for every box: solid if its subject is present or nobody's, dashed if it is missing.
  // One way of looking at a time: that of the address, or the first that has any.
  const ways = (image) => [...new Set(boxes(image).filter((box) => box[3] !== undefined).map(([set]) => set))];
  const way = (image) => (ways(image).includes(Number(state.frames)) ? Number(state.frames) : ways(image)[0]);
  const framed = (image, alt) => {
    const shown = picture(image.picture, alt, true);
    if (way(image) === undefined || shown.tagName !== "IMG") return shown;
    const line = Math.max(...image.size) / 160;
    const frames = boxes(image).filter((box) => box[0] === way(image) && box[3] !== undefined).map(([, subject, is, x, y, width, height, , sure]) => {
      const i = is === EXTRA ? -1 : prompts[image.prompt].subjects.indexOf(subject);
      const box = { x: x + line / 2, y: y + line / 2, width: width - line, height: height - line };
      const dash = STATES[is] === "missing" || STATES[is] === "not known" ? { "stroke-dasharray": `${line * 3} ${line * 2}` } : {};
      const text = [i < 0 ? "+" : String(i + 1), ...(is === 0 || i < 0 ? [] : [STATES[is]])].join(" ");
      const pale = (sure ?? SCALE) < UNSURE;
      return svg("g", { class: `frame ${STATES[is].replace(" ", "-")}${pale ? " pale" : ""}`, color: hue(i) },
        svg("rect", { ...box, fill: "none", stroke: "#fff", "stroke-width": line * 2 }),
        svg("rect", { ...box, fill: "none", stroke: "currentColor", "stroke-width": line, ...dash }),
        svg("text", { x: x + line * 2, y: y + line * 7, "font-size": line * 6, fill: "currentColor", stroke: "#fff", "stroke-width": line, "paint-order": "stroke", "font-weight": "bold" }, text));
    });
    return make("div", { class: "framed" }, shown,
      svg("svg", { viewBox: `0 0 ${image.size.join(" ")}`, preserveAspectRatio: "xMidYMid meet", "aria-hidden": "true" }, ...frames));
  };
  // A part of the image beside the reference: is this the one?
  const crop = (image, box) => {
    const src = source(image.picture, true);
    if (!box || box[3] === undefined || src === null) return make("span", { class: "crop none" }, "no place");
    const [, , , x, y, width, height] = box;
    const [all, tall] = image.size;
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
      ...(bound === null ? [] : [upright("bound", bound)]), upright(present === 0 ? "value missing" : "value", similarity));
  };
  const two = (value) => make("span", { class: "quiet" }, ` ${(value / SCALE).toFixed(2)}`);
  // Each requested subject: its reference beside its place.
  const placeList = (image) => make("ul", { class: "places", "aria-label": "Where each subject is" }, ...prompts[image.prompt].subjects.map((s, i) => {
    const seen = image.seen[i];
    const found = resembles(image, i);
    return make("li", {}, make("span", { class: "number", style: { background: hue(i) } }, String(i + 1)),
      make("span", { class: "reference" }, ...reference(s)), crop(image, placeOf(image, s)),
      make("span", {}, named(subjects[s].label, LABEL), make("br"), ...verdict(seen), two(seen[0]),
        ...(found === null || found === s ? [] : [make("span", { class: "quiet" }, " most like ", named(subjects[found].label, LABEL))]),
        strip(seen[0], seen[1], data.nulls[seen[3]])));
  }));
  // Boxes that belong to no requested subject of the list above: who is there unasked, and what other ways of looking say.
  const boxList = (image, heading, some) => (some.length === 0 ? [] : [make("p", {}, heading),
    make("ul", { class: "places", "aria-label": heading }, ...some.map((box) => {
      const [, s, is, , , , , similarity] = box;
      return make("li", {}, make("span", { class: STATES[is] === "present" ? "verdict kept" : "verdict lost" }, { present: "✓", missing: "✕", extra: "+" }[STATES[is]] ?? "?"),
        make("span", { class: "reference" }, ...(s === null ? [] : reference(s))), crop(image, box),
        make("span", {}, named(label(s), LABEL), make("br"), STATES[is], ...(similarity === null || similarity === undefined ? [] : [two(similarity)])));
    }))]);
  const places = (image) => [
    ...(image.seen ? [placeList(image)] : []),
    ...boxList(image, "There unasked, as clearly as where it was asked for:", extras(image)),
    ...data.sets.slice(1).flatMap((name, at) => boxList(image, `${name}:`, boxes(image).filter((box) => box[0] === at + 1))),
  ];

