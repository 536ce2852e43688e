// The images of a comparison's folder, one row for each contestant of a cell.

import { find, fillSelect, fixed, make, shown } from "./dom.js";

const LEAST = 56;
const MOST = 160;

export class Pictures {
  constructor(source, run, onChoose) {
    this.source = source;
    this.run = run;
    this.known = new Map();
    const [reference, ...entries] = run.entries;
    this.reference = reference;
    this.cells = new Map();
    for (const entry of entries) {
      const name = `${entry.solver} ${entry.nfe}`;
      this.cells.set(name, [...(this.cells.get(name) ?? []), entry]);
    }
    find("run").hidden = false;
    find("run-title").textContent = `Images of ${run.folder}`;
    fillSelect(find("cell"), [...this.cells.keys()].map((name) => ({ value: name, text: words(name) })));
    find("cell").addEventListener("change", () => onChoose(find("cell").value));
    find("difference").addEventListener("change", () => this.draw());
  }

  /** Show a cell; the first if there is none of this name. */
  async show(cell) {
    find("cell").value = this.cells.has(cell) ? cell : [...this.cells.keys()][0];
    await this.draw();
  }

  async draw() {
    const cell = find("cell").value;
    const rows = [this.reference, ...(this.cells.get(cell) ?? [])];
    const found = await Promise.all(rows.map((row) => this.images(row.index)));
    if (find("cell").value !== cell) return;
    const isDifference = find("difference").checked;
    const drawn = rows.map((row, index) => contestant(row, found[index], isDifference && index > 0 ? found[0] : null));
    find("pictures").replaceChildren(...drawn);
  }

  /** The images of an entry, asked for once; an error is shown in their place. */
  images(index) {
    if (!this.known.has(index)) {
      this.known.set(index, this.source.images(index).then(unpacked, (error) => ({ error: error.message })));
    }
    return this.known.get(index);
  }
}

function words(cell) {
  const [solver, nfe] = cell.split(" ");
  return `${solver}, ${nfe} calls`;
}

function unpacked(found) {
  return { ...found, pixels: Uint8Array.from(atob(found.bytes), (letter) => letter.charCodeAt(0)), bytes: null };
}

function contestant(row, found, reference) {
  const name = row.names.join(" = ");
  const figures = Object.entries(row.figures).map(([metric, value]) => `${metric} ${shown(value, 3)}`);
  const facts = make("div", {}, make("div", {}, row.names[0] === "reference" ? `reference, ${row.nfe} calls` : name));
  facts.append(make("div", { class: "hint" }, figures.join(", ")));
  if (found.error) return make("div", { class: "contestant" }, facts, make("p", { class: "hint" }, found.error));
  if (row.names[0] !== "reference") facts.append(make("div", { class: "hint" }, `t ${found.times.map((t) => fixed(t, 3)).join(" ")}`));
  const strip = make("div", { class: "strip", role: "group", "aria-label": `Images of ${name}` });
  for (let index = 0; index < found.count; index += 1) strip.append(image(found, index, name, reference));
  if (found.count === 0) strip.append(make("p", { class: "hint" }, "These samples are no images that can be shown."));
  return make("div", { class: "contestant" }, facts, strip);
}

function image(found, index, name, reference) {
  const { width, height, channels, pixels } = found;
  const label = `Image ${index + 1} of ${name}${reference ? ", difference from the reference" : ""}`;
  const canvas = make("canvas", { width, height, role: "img", "aria-label": label });
  const side = Math.min(MOST, Math.max(LEAST, width));
  canvas.style.width = `${side}px`;
  const data = new ImageData(width, height);
  const begin = index * width * height * channels;
  for (let place = 0; place < width * height; place += 1) {
    for (let colour = 0; colour < 3; colour += 1) {
      const at = begin + place * channels + (channels === 1 ? 0 : colour);
      data.data[4 * place + colour] = reference ? Math.min(255, 3 * Math.abs(pixels[at] - (reference.pixels?.[at] ?? 0))) : pixels[at];
    }
    data.data[4 * place + 3] = 255;
  }
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
}
