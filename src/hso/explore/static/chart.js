// The curve with its nodes, which can be moved, and a lane for every schedule to compare with.

import { draw, fixed, shown } from "./dom.js";
import { Curve, axes, lambdaRange, roundTicks, sigmaOf, sigmaTicks } from "./scale.js";

const LEFT = 40;
const TOP = 30;
const LANE = 40;
const RAIL = 24;
const LEAST_APART = 22;

const clamped = (value) => Math.min(1, Math.max(0, value));

export class Chart {
  /**
   * @param place The element to draw in.
   * @param onMove Called with the index of a node and its new t while it is moved.
   * @param onLook Called with the index of the node that is looked at, or null.
   */
  constructor(place, onMove, onLook) {
    this.place = place;
    this.onMove = onMove;
    this.onLook = onLook;
    this.nodes = [];
    this.held = null;
    this.svg = draw("svg", { role: "group", "aria-label": "The noise schedule's curve, with a slider for each node" });
    this.back = draw("g", { "aria-hidden": "true" });
    this.front = draw("g");
    this.svg.append(this.back, this.front);
    place.append(this.svg);
    new ResizeObserver(() => this.model && this.draw(this.model)).observe(place);
  }

  /** Draw everything. The model: {noise, axis, schedule, best, lanes, limits, start, boundary, moved}. */
  draw(model) {
    this.model = model;
    this.curve = new Curve(model.noise.curve);
    this.axis = axes(this.curve)[model.axis];
    const width = this.place.clientWidth || 600;
    this.right = width - (model.axis === "t" ? 46 : 14);
    this.bottom = TOP + (width < 560 ? 210 : 290);
    this.lanesTop = this.bottom + 50;
    const height = this.lanesTop + LANE * (model.lanes.length + 1);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("height", height);
    this.back.replaceChildren(...this.scenery(), ...this.lanes());
    this.own = draw("g");
    this.back.append(this.own);
    if (this.nodes.length !== model.schedule.t.length) this.makeNodes(model.schedule.t.length);
    this.move(model.schedule, model.moved);
  }

  /** Put the nodes where a schedule has them. */
  move(schedule, moved) {
    this.schedule = schedule;
    const { best, noise } = this.model;
    const marks = schedule.t.flatMap((t, index) => {
      const [x, y] = this.point({ t, lambda: schedule.lambda[index] });
      this.placeNode(index, x, y);
      const lane = this.lanesTop + RAIL;
      return [
        draw("line", { class: "drop", x1: x, x2: x, y1: y, y2: this.bottom }),
        draw("line", { class: "tick own", x1: x, x2: x, y1: lane - 6, y2: lane + 6 }),
      ];
    });
    const before = moved ? best.t.map((t, index) => this.dot({ t, lambda: best.lambda[index] }, "before", 6)) : [];
    const title = moved ? `${this.model.mine}, moved by you` : this.model.mine;
    const name = draw("text", { x: LEFT, y: this.lanesTop + 11, class: "mine" }, title);
    this.own.replaceChildren(name, ...marks, ...before);
    for (const [index, node] of this.nodes.entries()) this.describe(node, index, noise);
  }

  x(node) {
    return LEFT + (this.right - LEFT) * clamped(this.axis.place(node));
  }

  point(node) {
    return [this.x(node), this.y(node)];
  }

  /** Beside t stands lambda, and beside the others t. */
  y(node) {
    const [first, last] = this.vertical();
    const value = this.model.axis === "t" ? node.lambda : node.t;
    return this.bottom - (this.bottom - TOP) * clamped((value - first) / (last - first));
  }

  vertical() {
    const { t } = this.curve;
    return this.model.axis === "t" ? lambdaRange(this.curve) : [t[t.length - 1], t[0]];
  }

  dot(node, kind, radius) {
    const [cx, cy] = this.point(node);
    return draw("circle", { class: kind, cx, cy, r: radius });
  }

  /** Grid, axes, the curve, and what is known of the range. */
  scenery() {
    const { noise, axis, start, boundary } = this.model;
    const parts = [...this.shaded(start)];
    const [low, high] = this.vertical();
    for (const tick of roundTicks(low, high, 5)) {
      const y = this.bottom - ((this.bottom - TOP) * (tick - low)) / (high - low);
      parts.push(
        draw("line", { class: "grid", x1: LEFT, x2: this.right, y1: y, y2: y }),
        draw("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, shown(tick)),
      );
    }
    const count = this.right - LEFT > 480 ? 10 : 5;
    for (const tick of roundTicks(this.axis.first, this.axis.last, count)) {
      const x = LEFT + (this.right - LEFT) * this.axis.placeOf(tick);
      parts.push(draw("text", { x, y: this.bottom + 18, "text-anchor": "middle" }, shown(tick)));
    }
    parts.push(...(axis === "sigma" ? [] : this.levels(noise.flow)));
    const middle = (LEFT + this.right) / 2;
    const name = axis === "sigma" && noise.flow ? "σ" : this.axis.name;
    parts.push(
      draw("text", { x: LEFT - 8, y: 12, "text-anchor": "end", class: "name" }, axis === "t" ? "λ" : "t"),
      draw("text", { x: LEFT, y: this.bottom + 36 }, "noise"),
      draw("text", { x: middle, y: this.bottom + 36, "text-anchor": "middle", class: "name" }, name),
      draw("text", { x: this.right, y: this.bottom + 36, "text-anchor": "end" }, "data"),
      draw("path", { class: "curve", d: this.path() }),
      ...this.border(boundary),
    );
    return parts;
  }

  /** Noise levels beside lambda: on the right, or above if lambda is the horizontal axis. */
  levels(isFlow) {
    const parts = [];
    const isHigh = this.model.axis === "t";
    let before = null;
    const [low, high] = lambdaRange(this.curve);
    for (const { lambda, text } of sigmaTicks(isFlow)) {
      const part = (lambda - low) / (high - low);
      if (part < 0 || part > 1) continue;
      const at = isHigh ? this.bottom - (this.bottom - TOP) * part : LEFT + (this.right - LEFT) * part;
      if (before !== null && Math.abs(at - before) < (isHigh ? LEAST_APART : 2 * LEAST_APART)) continue;
      before = at;
      parts.push(
        isHigh
          ? draw("text", { x: this.right + 8, y: at + 4 }, text)
          : draw("text", { x: at, y: TOP - 8, "text-anchor": "middle" }, text),
      );
    }
    const name = isFlow ? "σ" : "σ/α";
    const place = isHigh ? { x: this.right + 8, y: 12 } : { x: this.right, y: 10, "text-anchor": "end" };
    return [...parts, draw("text", { ...place, class: "name" }, name)];
  }

  path() {
    const { t, lambda } = this.curve;
    const [first, last] = lambdaRange(this.curve);
    const inside = t.map((each, index) => ({ t: each, lambda: lambda[index] })).filter((node) => node.lambda > first && node.lambda < last);
    const ends = [first, last].map((each) => ({ t: this.curve.timeAt(each), lambda: each }));
    return [ends[0], ...inside, ends[1]].map((node, index) => `${index ? "L" : "M"}${this.point(node).map((v) => v.toFixed(1)).join(" ")}`).join("");
  }

  /** The part of the range that is not run. */
  shaded(start) {
    if (start === null) return [];
    const x = this.x({ t: start, lambda: this.curve.lambdaAt(start) });
    return [draw("rect", { class: "shade", x: LEFT, y: TOP, width: Math.max(0, x - LEFT), height: this.bottom - TOP })];
  }

  border(t) {
    if (t === null) return [];
    const x = this.x({ t, lambda: this.curve.lambdaAt(t) });
    const isLate = x > (LEFT + this.right) / 2;
    return [
      draw("line", { class: "border", x1: x, x2: x, y1: TOP, y2: this.bottom }),
      draw("text", { x: x + (isLate ? -6 : 6), y: TOP + 12, "text-anchor": isLate ? "end" : "start" }, "networks change"),
    ];
  }

  /** One lane for the schedule itself and one for each other. */
  lanes() {
    const rows = [{ title: "", schedule: null }, ...this.model.lanes];
    return rows.flatMap(({ title, schedule }, row) => {
      const y = this.lanesTop + LANE * row;
      const ticks = (schedule?.t ?? []).map((t, index) => {
        const x = this.x({ t, lambda: schedule.lambda[index] });
        return draw("line", { class: "tick", x1: x, x2: x, y1: y + RAIL - 5, y2: y + RAIL + 5 });
      });
      return [
        draw("text", { x: LEFT, y: y + 11, class: "name" }, title),
        draw("line", { class: "rail", x1: LEFT, x2: this.right, y1: y + RAIL, y2: y + RAIL }),
        ...ticks,
      ];
    });
  }

  makeNodes(count) {
    this.front.replaceChildren();
    this.nodes = Array.from({ length: count }, (_, index) => {
      const node = draw(
        "g",
        { class: "node", role: "slider", tabindex: "0", "aria-orientation": "horizontal" },
        draw("circle", { class: "halo", r: 16 }),
        draw("circle", { class: "dot", r: count > 20 ? 5 : 7 }),
      );
      node.addEventListener("pointerdown", (event) => this.take(event, index));
      node.addEventListener("pointermove", (event) => this.drag(event, index));
      for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, () => this.release(node));
      node.addEventListener("keydown", (event) => this.press(event, index));
      for (const come of ["focus", "pointerenter"]) node.addEventListener(come, () => this.onLook(index));
      for (const go of ["blur", "pointerleave"]) node.addEventListener(go, () => this.held === null && this.onLook(null));
      this.front.append(node);
      return node;
    });
  }

  placeNode(index, x, y) {
    this.nodes[index].setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)})`);
  }

  /** What a screen reader says of a node. Its value is lambda, which rises to the right. */
  describe(node, index, noise) {
    const { t, lambda, timesteps } = this.schedule;
    const [after, before] = this.room(index);
    const [name, sigma] = sigmaOf(lambda[index], noise.flow);
    const step = timesteps ? `, timestep ${timesteps[index]}` : "";
    node.setAttribute("aria-label", `Node ${index + 1} of ${t.length}`);
    node.setAttribute("aria-valuemin", this.curve.lambdaAt(before).toFixed(3));
    node.setAttribute("aria-valuemax", this.curve.lambdaAt(after).toFixed(3));
    node.setAttribute("aria-valuenow", lambda[index].toFixed(3));
    node.setAttribute("aria-valuetext", `t ${fixed(t[index], 4)}${step}, ${name} ${shown(sigma)}`);
    node.setAttribute("aria-disabled", this.isFixed(index) ? "true" : "false");
  }

  /** A run that begins part-way begins at its first node. */
  isFixed(index) {
    return index === 0 && this.model.start !== null;
  }

  /** The smallest and the largest t that a node may have between its neighbours. */
  room(index) {
    const { t } = this.schedule;
    const [low, high] = this.model.limits;
    const apart = (high - low) / 1000;
    const after = index + 1 < t.length ? t[index + 1] + apart : low;
    const before = index > 0 ? t[index - 1] - apart : high;
    return [Math.min(after, t[index]), Math.max(before, t[index])];
  }

  take(event, index) {
    if (this.isFixed(index) || (event.button ?? 0) !== 0) return;
    event.preventDefault();
    const node = this.nodes[index];
    node.setPointerCapture(event.pointerId);
    node.focus({ preventScroll: true });
    node.classList.add("held");
    this.held = index;
    this.onLook(index);
  }

  drag(event, index) {
    if (this.held !== index) return;
    const box = this.svg.getBoundingClientRect();
    const x = event.clientX - box.left;
    this.to(index, this.axis.time(clamped((x - LEFT) / (this.right - LEFT))), event.timeStamp);
  }

  release(node) {
    node.classList.remove("held");
    this.held = null;
  }

  press(event, index) {
    const [low, high] = this.model.limits;
    const step = this.model.noise.steps ? 1 / this.model.noise.steps : (high - low) / 1000;
    const far = event.shiftKey ? 10 * step : step;
    const now = this.schedule.t[index];
    const [after, before] = this.room(index);
    const moves = {
      ArrowRight: now - far, ArrowUp: now - far, ArrowLeft: now + far, ArrowDown: now + far,
      PageUp: now - 10 * step, PageDown: now + 10 * step, Home: before, End: after,
    };
    if (!(event.key in moves) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    if (!this.isFixed(index)) this.to(index, moves[event.key], event.timeStamp);
  }

  /** Move a node, but not past its neighbours. */
  to(index, t, began) {
    const [after, before] = this.room(index);
    this.onMove(index, Math.min(before, Math.max(after, t)), began);
  }

  lambdaAt(t) {
    return this.curve.lambdaAt(t);
  }
}
