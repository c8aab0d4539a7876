  // ---- lightbox and side by side

  const key = (image) => JSON.stringify([models[image.model].name, prompts[image.prompt].id, image.seed]);
  const byKey = (text) => images.find((image) => key(image) === text);
  const flat = () => found.flatMap((entry) => rowsOf(entry).flat().filter(Boolean));
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

  // Which frames are drawn, where several ways of looking have some.
  const frameChoice = (image) => (ways(image).length < 2 ? [] : [make("p", { class: "frame-choice", role: "group", "aria-label": "Frames" }, "Frames: ",
    ...ways(image).map((set) => make("button", { type: "button", class: `frames-${set}`, "aria-pressed": String(set === way(image)), onclick: () => go({ frames: String(set) }) }, data.sets[set])))]);
  const lightbox = (image) => {
    const prompt = prompts[image.prompt];
    const clip = image.clipT === null ? [] : [make("p", {}, `CLIP-T ${(image.clipT / SCALE).toFixed(3)}`)];
    const values = metrics.map(({ name }, at) => make("p", {}, isolated(name), ` ${image.values[at] === null ? "no value" : decimal(image.values[at])}`));
    const framedUp = boxes(image).length > 0;
    const wholeImage = () => make("details", {}, make("summary", {}, "The whole image",
      meant ? `: ${lost(image)} of ${image.similarities.length} below τ = ${state.t}` : " with each subject"), similarityList(image, true));
    show($("lightbox"), [
      top([named(models[image.model].name, LONG), ` · seed ${image.seed}`], () => step(-1), () => step(1), () => go({ image: "" })),
      make("div", { class: "big" }, make("div", {}, ...frameChoice(image), framed(image, prompt.text)),
        make("div", {}, make("p", {}, isolated(prompt.text)), make("p", {}, score(image)), ...places(image),
          ...(!image.similarities ? [references(prompt)] : image.seen ? [wholeImage()] : [similarityList(image, true)]), ...clip, ...values,
          make("p", { class: "quiet" }, isolated(prompt.id), `, ${prompt.scene}, `, make("code", {}, isolated(image.path))),
          ...(framedUp ? [make("p", { class: "quiet" }, "Solid frames: present. Broken frames: the best place of a subject that is missing. +: there unasked.")] : []))),
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
      const away = of.filter((image) => !isThere(image));
      return make("div", {}, make("h4", {}, named(model.name, LONG), model.control ? " (control)" : ""),
        ...of.filter(isThere).map(figure),
        ...(away.length ? [absences(away)] : []), ...(of.length ? [] : [make("p", { class: "quiet" }, "no image of this prompt")]));
    });
    show($("compare"), [
      top([isolated(prompt.id)], () => turn(-1), () => turn(1), () => go({ prompt: "" })),
      make("p", {}, isolated(prompt.text)), references(prompt),
      make("div", { class: "columns", tabindex: "0", role: "region", "aria-label": "Images by model" }, ...columns),
    ], "next");
  };
  const turn = (by) => {
    const at = found.findIndex((entry) => entry.prompt.id === state.prompt);
    const to = found[(at + by + found.length) % found.length];
    if (to) go({ prompt: to.prompt.id });
  };
  for (const [id, part] of [["lightbox", "image"], ["compare", "prompt"]]) {
    $(id).addEventListener("close", () => { if (state[part] !== "") go({ [part]: "" }); });
    $(id).addEventListener("click", (event) => { if (event.target === $(id)) hide($(id)); });
  }

