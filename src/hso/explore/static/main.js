// The page: the state, what is asked for it, and what is drawn of the answers.

import { Chart } from "./chart.js";
import { copied, fillSelect, find, fixed, make, shown } from "./dom.js";
import { drawBands, drawCompared, drawGaps, drawNodes, drawObjective } from "./panels.js";
import { Pictures } from "./pictures.js";
import { sigmaOf } from "./scale.js";
import { source as chosenSource } from "./source.js";
import { Take } from "./take.js";
import { listenToTheme } from "./look.js";
import { EMPTY, fromFragment, number, question, toFragment } from "./state.js";

const TYPED = ["nfe", "start", "boundary", "per_expert"];
const OWN_SOLVER = "the model's own";
const QUIET = 350;

class Page {
  constructor(source, catalogue) {
    this.source = source;
    this.catalogue = catalogue;
    this.state = { ...EMPTY, ...catalogue.first };
    this.view = null;
    this.others = [];
    this.asked = 0;
    this.chart = new Chart(find("chart"), (index, t, began) => this.moveNode(index, t, began), (index) => this.look(index));
    this.pictures = catalogue.run ? new Pictures(source, catalogue.run, (cell) => this.choose({ cell })) : null;
    this.take = new Take(source, catalogue.hosts, (host) => this.choose({ host }), (text) => this.say(text));
    this.fill();
    this.listen();
  }

  // The controls.

  fill() {
    const { models, solvers, calibration } = this.catalogue;
    fillSelect(find("noise"), models.map(({ name, title, group }) => ({ value: name, text: title, group })));
    const names = calibration ? ["auto", ...solvers] : solvers;
    fillSelect(find("solver"), [{ value: "", text: OWN_SOLVER }, ...names.map((name) => ({ value: name, text: name }))]);
    find("calibration-field").hidden = !calibration;
    find("opener").hidden = !this.source.live;
    find("part").hidden = !this.source.live;
  }

  listen() {
    find("controls").addEventListener("submit", (event) => event.preventDefault());
    find("noise").addEventListener("change", () => this.ask({ noise: find("noise").value }));
    find("solver").addEventListener("change", () => this.ask({ solver: find("solver").value }));
    find("calibrated").addEventListener("change", () => this.ask({ calibrated: find("calibrated").checked }));
    for (const name of TYPED) find(name).addEventListener("change", () => this.ask({ [name]: number(find(name).value) }));
    find("fewer").addEventListener("click", () => this.step(-1));
    find("more").addEventListener("click", () => this.step(1));
    find("config").addEventListener("change", () => this.open(find("config").files[0]));
    find("reset").addEventListener("click", () => this.putBack());
    find("axis").addEventListener("change", (event) => this.choose({ axis: event.target.value }));
    find("link").addEventListener("click", async () => {
      await copied(find("link"), location.href);
      this.say("The link is copied.");
    });
    window.addEventListener("hashchange", () => this.restore());
  }

  step(by) {
    const now = number(find("nfe").value);
    this.ask({ nfe: typeof now === "number" ? now + by : now });
  }

  /** A configuration from a file of the visitor: its text is the name of the model, so that a link holds it too. */
  async open(file) {
    if (!file) return;
    const text = await file.text();
    find("config").value = "";
    try {
      await this.ask({ noise: JSON.stringify(JSON.parse(text)) });
    } catch {
      this.fail(new Error(`${file.name}: expected a scheduler configuration in JSON, found something else`));
    }
  }

  showControls() {
    const { noise, solver, calibrated, axis } = this.state;
    const select = find("noise");
    const isKnown = [...select.options].some((option) => option.value === noise);
    select.querySelector("[data-opened]")?.remove();
    if (!isKnown) select.prepend(make("option", { value: noise, "data-opened": "1" }, noise.startsWith("{") ? "Opened file" : noise));
    select.value = noise;
    if (![...find("solver").options].some((option) => option.value === solver)) find("solver").append(make("option", { value: solver }, solver));
    find("solver").value = solver;
    const own = this.catalogue.models.find((model) => model.name === noise)?.solver;
    find("solver").options[0].textContent = own ? `${OWN_SOLVER} (${own})` : OWN_SOLVER;
    for (const name of TYPED) if (find(name) !== document.activeElement || find(name).value === "") find(name).value = this.state[name] ?? "";
    if (this.state.start !== null || this.state.boundary !== null || this.state.per_expert !== null) find("part").open = true;
    find("calibrated").checked = calibrated;
    for (const button of document.getElementsByName("axis")) button.checked = button.value === axis;
  }

  // Questions.

  /** Change the question. Nodes that were moved belong to the old one. */
  async ask(change) {
    await this.load({ ...this.state, times: null, ...change });
  }

  async restore() {
    if (location.hash === this.written) return;
    const found = fromFragment(location.hash);
    if (found) await this.load(found);
  }

  /** Ask everything for a state. If it is no good, say so and keep what is drawn. */
  async load(state) {
    const turn = (this.asked += 1);
    document.documentElement.dataset.busy = "1";
    try {
      const view = await this.source.view(question(state));
      if (turn !== this.asked) return;
      const best = state.times ? await this.source.view({ ...question(state), times: null }) : view;
      if (turn !== this.asked) return;
      Object.assign(this, { state, view, best: best.schedule, others: [] });
      this.succeed();
      this.draw();
      const others = await this.source.compared(question({ ...state, times: null }));
      if (turn !== this.asked) return;
      this.others = others;
      this.draw();
      await this.pictures?.show(state.cell || `${view.solver} ${state.nfe}`);
      await this.showText();
    } catch (error) {
      if (turn === this.asked) this.fail(error, state);
    } finally {
      if (turn === this.asked) delete document.documentElement.dataset.busy;
    }
  }

  /** Change how the page looks, not the question. */
  choose(change) {
    Object.assign(this.state, change);
    if (!this.view) return;
    this.draw();
    if ("host" in change) this.showText();
    if ("cell" in change) this.pictures.show(change.cell);
  }

  putBack() {
    this.state.times = null;
    this.load(this.state);
    this.say("The nodes are back.");
  }

  succeed() {
    find("error").hidden = true;
    find("error").textContent = "";
  }

  fail(error, state = this.state) {
    find("error").hidden = false;
    find("error").textContent = error.message;
    if (!this.view) {
      Object.assign(this.state, state);
      this.showControls();
    }
    document.documentElement.dataset.ready = "1";
  }

  // Moving a node.

  get isMoved() {
    return this.state.times !== null;
  }

  /** Draw the node at once, and ask what it is worth; of many moves the last is asked. */
  moveNode(index, t, began) {
    const schedule = this.chart.schedule;
    const times = [...schedule.t];
    times[index] = t;
    this.state.times = times.map((each) => this.rounded(each));
    const lambda = [...schedule.lambda];
    lambda[index] = this.chart.lambdaAt(t);
    this.chart.move({ ...schedule, t: times, lambda }, true);
    this.look(index);
    this.began ??= began ?? performance.now();
    this.judgeSoon();
  }

  /** A time as a link holds it, inside of the range. */
  rounded(t) {
    const [low, high] = this.view.limits;
    return Math.min(high, Math.max(low, Number(t.toFixed(6))));
  }

  async judgeSoon() {
    if (this.isJudging) return;
    this.isJudging = true;
    while (this.began !== null && this.began !== undefined) {
      const { began, state, asked } = { began: this.began, state: question(this.state), asked: this.asked };
      this.began = null;
      try {
        const found = await this.source.judge(state);
        if (asked !== this.asked) break;
        this.succeed();
        this.judged(found, this.began === null);
        performance.measure("hso-update", { start: began, end: performance.now() });
      } catch (error) {
        this.fail(error);
      }
    }
    this.began = null;
    this.isJudging = false;
  }

  judged({ schedule, judged }, isLast) {
    Object.assign(this.view, { judged });
    if (!isLast) {
      this.drawPanels(this.chart.schedule);
      this.look(this.looked ?? null);
      return;
    }
    this.view.schedule = schedule;
    this.chart.move(schedule, true);
    this.drawPanels(schedule);
    this.look(this.looked ?? null);
    clearTimeout(this.later);
    this.later = setTimeout(() => {
      this.remember();
      this.showText();
      this.announce();
    }, QUIET);
  }

  // Drawing.

  draw() {
    this.showControls();
    this.showHead();
    this.showCalibration();
    const { state, view } = this;
    this.chart.draw({
      noise: view.noise, axis: state.axis, schedule: view.schedule, best: this.best, moved: this.isMoved,
      mine: this.ownTitle(), limits: view.limits, start: state.start, boundary: view.boundary,
      lanes: this.others.filter((one) => one.schedule && !state.hidden.includes(one.name)),
    });
    this.drawPanels(view.schedule);
    this.look(null);
    this.remember();
    document.documentElement.dataset.ready = "1";
  }

  ownTitle() {
    return this.view.calibrated ? "HSO, calibrated" : "HSO";
  }

  showHead() {
    const { noise, solver, schedule, message, feasible } = this.view;
    const title = this.catalogue.models.find((model) => model.name === this.state.noise)?.title ?? noise.title;
    find("model").textContent = title;
    const calls = `${this.state.nfe} network ${this.state.nfe === 1 ? "call" : "calls"}`;
    const nodes = schedule.t.length === this.state.nfe ? "" : `, ${schedule.t.length} nodes`;
    const parts = [`${calls}${nodes} with ${solver}.`, this.networks(), feasible ? "" : "Spacing is not kept.", sentence(message)];
    find("summary").textContent = parts.filter(Boolean).join(" ");
    find("source").textContent = [noise.source && `Constants of the model: ${noise.source}.`, noise.note].filter(Boolean).join(" ");
    document.title = `${title}, ${this.state.nfe} calls – HSO explore`;
  }

  /** How many nodes each of two networks has. */
  networks() {
    const { boundary, schedule } = this.view;
    if (boundary === null) return "";
    const first = schedule.t.filter((t) => t >= boundary - 1e-6).length;
    return `Networks change at t ${fixed(boundary, 4)}: ${first} nodes, then ${schedule.t.length - first}.`;
  }

  showCalibration() {
    const known = this.catalogue.calibration;
    if (!known) return;
    const fits = this.view.calibration_fits;
    find("calibrated").disabled = !fits;
    const guided = known.guidance === null ? "" : `, guidance ${known.guidance}`;
    const made = `Made for ${known.noise}${guided}, from ${known.images} images.`;
    find("calibration-note").textContent = fits ? [made, known.caution].filter(Boolean).join(" ") : `${made} It does not fit this model.`;
  }

  drawPanels(schedule) {
    const { view } = this;
    drawObjective(view, this.isMoved, this.source.live);
    drawGaps(view.judged, schedule.t.length);
    drawBands(view.judged, view);
    drawNodes(schedule, view.noise, view.judged.gaps);
    const title = this.isMoved ? `${this.ownTitle()}, moved by you` : this.ownTitle();
    const mine = { title, schedule, judged: view.judged };
    drawCompared(mine, this.others, this.state.hidden, view.calibrated, (name, hide) => this.hide(name, hide));
    find("reset").disabled = !this.isMoved;
  }

  hide(name, isHidden) {
    const hidden = this.state.hidden.filter((each) => each !== name);
    this.choose({ hidden: isHidden ? [...hidden, name] : hidden });
    document.querySelector(`[data-rival="${name}"]`)?.focus();
  }

  /** The node that is looked at, in words. */
  look(index) {
    this.looked = index;
    const schedule = this.chart.schedule;
    if (index === null || index >= schedule.t.length) {
      find("readout").textContent = "Drag a node, or move it with the arrow keys.";
      return;
    }
    const [name, sigma] = sigmaOf(schedule.lambda[index], this.view.noise.flow);
    const steps = schedule.timesteps ? ` · timestep ${schedule.timesteps[index]}` : "";
    const rest = ` · t ${fixed(schedule.t[index], 4)}${steps} · ${name} ${shown(sigma)} · λ ${fixed(schedule.lambda[index], 3)}`;
    const worth = make("span", { class: "wide-away" }, this.isMoved ? ` · J ${find("objective").textContent}` : "");
    find("readout").replaceChildren(make("b", {}, `Node ${index + 1}`), rest, worth);
  }

  // Words and links.

  say(text) {
    find("status").textContent = text;
  }

  announce() {
    this.say(`J ${find("objective").textContent}. ${find("objective-note").textContent} ${find("spacing-note").textContent}`);
  }

  showText() {
    return this.take.show(question(this.state), this.state.host);
  }

  remember() {
    this.written = `#${toFragment(this.state)}`;
    history.replaceState(null, "", this.written);
  }
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

async function begin() {
  listenToTheme();
  try {
    const source = await chosenSource();
    const page = new Page(source, await source.catalogue());
    await page.load(fromFragment(location.hash) ?? page.state);
  } catch (error) {
    find("error").hidden = false;
    find("error").textContent = error.message;
  }
}

begin();
