// The gallery: filters, sorting, a lightbox, prompts side by side. All state is in the address after the #. Text
// goes into the page as text nodes and attributes, never as markup. The files of this directory are one script, in the
// order data, marks, frames, list, dialogs, address.
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
  // seen: of each subject [local similarity, present (1, 0 or null), in how many places, null, whom its place resembles if
  // not itself]; frames, by set: [subject, state, x, y, width, height, similarity, sureness], in pixels of an image of
  // this size.
  const images = data.images.map(([model, prompt, seed, picture, similarities, clipT, path, seen, size, frames, values], index) => ({
    index, model, prompt, seed, picture, similarities, clipT, path, seen: seen ?? null, size, frames: frames ?? [], values: values ?? [], boxes: null,
  }));
  // Metrics from elsewhere; less of some is better.
  const metrics = data.metrics.map(([name, lower]) => ({ name, lower }));
  // The frames of an image, each after its set.
  const boxes = (image) => (image.boxes ??= image.frames.flatMap((of, set) => of.map((box) => [set, ...box])));
  images.forEach((image) => prompts[image.prompt].images.push(image));

  // Pictures that the page itself shows are not in the data a second time.
  const standing = new Map();
  document.querySelectorAll("img[data-picture]").forEach((img) => standing.set(Number(img.dataset.picture), img.src));

  // Whether "collapsed" and "kept" mean anything for the encoder.
  const meant = data.threshold !== null;
  const DEFAULTS = { q: "", model: "", n: "", scene: "", subject: "", found: "", t: String(data.threshold ?? ""), show: "", control: "", sort: "", frames: "0", prompt: "", image: "" };
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

  // A name of at most so many characters that begins and ends as it does; what is left out is whole words where these end
  // near enough. The whole of it shows where the pointer rests.
  const shortened = (text, most) => {
    const all = [...text];
    if (all.length <= most) return text;
    const head = Math.ceil((most - 1) / 2), tail = Math.floor((most - 1) / 2), last = all.length - tail;
    const between = (c) => !/[\p{L}\p{N}]/u.test(c);
    let end = head, begin = last;
    for (let at = head; at > Math.floor(head / 3); at--) if (between(all[at])) { end = at; break; }
    for (let at = last; at < all.length - Math.floor(tail / 3); at++) if (between(all[at - 1])) { begin = at; break; }
    return `${all.slice(0, end).join("").trimEnd()}…${all.slice(begin).join("").trimStart()}`;
  };
  const named = (text, most) => {
    const short = shortened(text, most);
    return make("bdi", { title: short === text ? undefined : text }, short);
  };
  const LONG = 28; // characters of a model's name
  const LABEL = 22; // and of a subject's

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
  const reference = (s) => (subjects[s].references.length ? [picture(subjects[s].references[0], subjects[s].label)] : []);
  const mean = (numbers) => numbers.reduce((a, b) => a + b, 0) / numbers.length;

