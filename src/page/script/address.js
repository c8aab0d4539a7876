  // ---- state and address

  const FILTERS = ["q", "model", "n", "scene", "subject", "found", "t", "show", "control", "sort"];
  const go = (change) => {
    state = { ...state, ...change };
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(state)) if (value !== DEFAULTS[name]) parameters.set(name, value);
    const hash = parameters.toString();
    try {
      history.replaceState(null, "", hash ? `#${hash}` : "#gallery");
    } catch {
      // In the frame of a notebook the page has no address to keep the view in.
    }
    apply(Object.keys(change));
  };
  const read = () => {
    const hash = location.hash.slice(1);
    if (!hash.includes("=")) return false; // the anchor of a section
    const parameters = new URLSearchParams(hash);
    state = { ...DEFAULTS };
    for (const name of Object.keys(DEFAULTS)) if (parameters.has(name)) state[name] = parameters.get(name);
    const t = Number(state.t);
    if (!meant || !(t >= -1 && t <= 1)) state.t = DEFAULTS.t;
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
    else if (changed.includes("image") || changed.includes("frames")) lightbox(image);
  };
  const toGallery = () => {
    $("gallery").scrollIntoView({ behavior: "instant" });
    $("gallery-title").focus({ preventScroll: true });
  };
  window.addEventListener("hashchange", () => {
    if (!read()) return;
    apply(Object.keys(DEFAULTS));
    toGallery();
  });
  // A cell, a point or a name leads to its images: a link by itself, a part of a figure by what it says.
  document.addEventListener("click", (event) => {
    const shows = event.target instanceof Element ? event.target.closest("[data-show], a[href*='=']") : null;
    if (!shows || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const to = shows.dataset.show === undefined ? shows.getAttribute("href") : `#${shows.dataset.show}`;
    if (location.hash === to) toGallery();
    else location.hash = to;
  });

  // ---- controls and keys

  const fields = {};
  const field = (name, text, element, wide) => {
    fields[name] = element;
    element.name = name;
    element.addEventListener(element.tagName === "SELECT" ? "change" : "input", () => {
      if (name === "t" && !element.checkValidity()) return;
      go({ [name]: element.value === "" && name === "t" ? DEFAULTS.t : element.value });
    });
    return make("label", wide ? { class: "wide" } : {}, text, element);
  };
  const choice = (name, text, options) => field(name, text, make("select", {}, ...options.map(([value, of]) => make("option", { value }, of))));
  const distinct = (values) => [...new Set(values)];
  const some = (values) => [["", "all"], ...values.map((v) => [String(v), String(v)])];
  const byName = (sign) => subjects.map((s) => [sign + s.id, s.id === s.label ? s.id : `${s.id} ${s.label}`]);
  const controls = $("controls");
  controls.append(
    field("q", "Search prompts and subjects", make("input", { type: "search", autocomplete: "off", spellcheck: "false" }), true),
    choice("model", "Model", some(models.map((m) => m.name))),
    choice("n", "Subjects in the prompt", some(distinct(prompts.map((p) => p.subjects.length)).sort((a, b) => a - b))),
    choice("scene", "Scene type", some(distinct(prompts.map((p) => p.scene)))),
    choice("subject", "Subject", [["", "all"], ...byName("")]),
    ...(looked ? [choice("found", "Its place is most like", [["", "anybody"], ...byName("="), ["-", "nobody: no place"]])] : []),
    ...(meant ? [field("t", "Threshold τ", make("input", { type: "number", min: "-1", max: "1", step: "0.01", list: "taus" }))] : []),
    choice("show", "Images", [["", "all"], ...(meant ? [["collapsed", "with a collapsed subject"], ["kept", "with all subjects kept"]] : []), ["missing", "missing or not scored"],
      ...(looked ? [["absent", "with a missing subject"], ["doubled", "with a subject in several places"], ["extra", "with a subject that nobody asked for"]] : []),
        ...data.sets.slice(1).flatMap((name, at) => [[`set ${at + 1}`, `${name}: with a region`], [`lacks ${at + 1}`, `${name}: with a missing subject`], [`clones ${at + 1}`, `${name}: with a subject in several regions`], [`beyond ${at + 1}`, `${name}: with a region that is nobody's`]]),
        ...metrics.flatMap(({ name }, at) => [[`valued ${at}`, `with a value of ${name}`], [`valueless ${at}`, `without a value of ${name}`]])]),
    ...(models.some((m) => m.control) ? [choice("control", "Controls", [["", "with the models"], ["without", "left out"], ["only", "only controls"]])] : []),
    choice("sort", "Order", [["", "worst first"], ["best", "best first"], ["id", "by prompt id"],
      ...metrics.flatMap(({ name }, at) => [[`metric ${at}`, `worst ${name} first`], [`metric ${at} best`, `best ${name} first`]])]),
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

  const restored = read();
  apply(Object.keys(DEFAULTS));
  if (restored) $("gallery").scrollIntoView({ behavior: "instant" });
})();
