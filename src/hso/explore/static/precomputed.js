// Answers from a file of precomputed schedules, for a page without a server.

import { Curve, sigmaOf } from "./scale.js";

const LISTS = ["timesteps", "sigmas", "times"];
const ROUNDING = 1e-4;

export async function precomputed(file) {
  const book = await (await fetch(file)).json();
  return {
    live: false,
    catalogue: async () => catalogue(book),
    view: async (state) => view(book, state),
    judge: async (state) => moved(book, state),
    compared: async (state) => others(book, state),
    text: async (state, list) => text(book, state, list),
  };
}

function catalogue({ models, solvers }) {
  const first = { noise: "sd2.1", nfe: 5 };
  return { models, solvers, hosts: LISTS, first, calibration: null, run: null };
}

/** The model, its noise schedule and what was found, or an error that says what the file has. */
function cell(book, { noise, solver, nfe }) {
  const model = book.models.find((each) => each.name === noise);
  if (!model) throw new Error(`noise: this page has the presets only, got '${noise}'; hso explore opens any model`);
  const row = book.solvers.indexOf(solver || model.solver);
  if (row < 0) throw new Error(`solver: expected one of ${book.solvers.join(", ")}, got '${solver}'`);
  const column = book.budgets.indexOf(nfe);
  const [least, most] = [book.budgets[0], book.budgets[book.budgets.length - 1]];
  if (column < 0) throw new Error(`nfe: expected an integer from ${least} to ${most} on this page, got ${nfe}`);
  const found = book.found[book.cells[model.cells][row][column]];
  if (!found) throw new Error(`nfe: ${book.solvers[row]} cannot make exactly ${nfe} calls; try ${nfe - 1} or ${nfe + 1}`);
  return { model, noise: { ...book.noises[model.noise], title: model.title, name: model.name }, solver: book.solvers[row], found };
}

function view(book, state) {
  const { noise, solver, found } = cell(book, state);
  const { curve, boundary } = noise;
  const schedule = state.times ? ofTimes(noise, state.times, found) : asFound(found);
  return {
    noise,
    solver,
    schedule,
    boundary,
    judged: judged(schedule, found, state.times ? null : found.J),
    best: found.J,
    objective: "mep",
    message: "",
    feasible: found.kept,
    limits: [curve.t[curve.t.length - 1], curve.t[0]],
    calibration_fits: false,
    calibrated: false,
  };
}

function asFound({ t, lambda, steps }) {
  return { t, lambda, timesteps: steps };
}

function ofTimes(noise, times, found) {
  if (found && times.length !== found.t.length) throw new Error(`times: expected ${found.t.length} of them, got ${times.length}`);
  const curve = new Curve(noise.curve);
  return { t: times, lambda: times.map((t) => curve.lambdaAt(t)), timesteps: null };
}

function judged({ t }, { least }, objective) {
  const gaps = t.slice(1).map((each, index) => t[index] - each);
  const short = gaps.map((gap) => Math.max(0, least - ROUNDING - gap));
  const penalty = short.reduce((sum, each) => sum + each * each, 0);
  return { objective, note: "", gaps, d_min: least, kept: penalty === 0, penalty, bands: null };
}

function moved(book, state) {
  const { noise, found } = cell(book, state);
  const schedule = ofTimes(noise, state.times, found);
  return { schedule, judged: judged(schedule, found, null) };
}

function others(book, state) {
  const { noise, found } = cell(book, state);
  return found.others.map(([rival, place, objective]) => {
    const [name, title] = book.rivals[rival];
    const schedule = ofTimes(noise, book.times[place]);
    return { name, title, reason: "", schedule, judged: judged(schedule, found, objective) };
  });
}

function text(book, state, list) {
  const { schedule, noise } = view(book, state);
  const values = {
    times: schedule.t,
    timesteps: schedule.timesteps,
    sigmas: schedule.lambda.map((lambda) => Number(sigmaOf(lambda, noise.flow)[1].toPrecision(5))),
  }[list];
  if (!values) throw new Error("timesteps: this page has those of the schedules that were found; hso explore has all");
  const lands = "rounded for looking at; hso explore and hso convert write the text of every program";
  return { text: JSON.stringify(values), file: `${noise.name}-${state.nfe}-${list}.json`, lands };
}
