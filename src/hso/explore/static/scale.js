// The noise schedule's curve, and where a node is on each axis.

/** The curve of a noise schedule: t falls and lambda rises from noise to data; straight between the points. */
export class Curve {
  constructor({ t, lambda }) {
    this.t = t;
    this.lambda = lambda;
  }

  lambdaAt(t) {
    return between(this.t, this.lambda, t, (a, b) => a > b);
  }

  timeAt(lambda) {
    return between(this.lambda, this.t, lambda, (a, b) => a < b);
  }
}

function between(places, values, at, isBefore) {
  const last = places.length - 1;
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (isBefore(places[middle], at)) low = middle;
    else high = middle;
  }
  const span = places[high] - places[low];
  const part = span === 0 ? 0 : Math.min(1, Math.max(0, (at - places[low]) / span));
  return values[low] + (values[high] - values[low]) * part;
}

/** The share of noise, sigma / (alpha + sigma); for flow models it is their sigma. */
export const share = (lambda) => 1 / (1 + Math.exp(lambda));
const lambdaOfShare = (s) => Math.log((1 - s) / s);

/** The lambdas that are worth drawing: some models have ends that are almost pure noise or almost clean. */
export function lambdaRange(curve) {
  const [high, low] = [curve.t[0], curve.t[curve.t.length - 1]];
  const reach = high - low;
  const first = Math.max(curve.lambda[0], curve.lambdaAt(high - 0.01 * reach) - 0.7);
  const last = Math.min(curve.lambda[curve.lambda.length - 1], curve.lambdaAt(low + 0.004 * reach) + 0.7);
  return [first, last];
}

/**
 * An axis: `place` maps a node to a number from 0 (noise) to 1 (data), and `time` maps such a number back to t.
 */
function axis(name, first, last, ofNode, toTime) {
  return {
    name,
    first,
    last,
    place: (node) => (ofNode(node) - first) / (last - first),
    placeOf: (value) => (value - first) / (last - first),
    time: (place) => toTime(first + (last - first) * place),
  };
}

/** The axes of a noise schedule by name. */
export function axes(curve) {
  const [high, low] = [curve.t[0], curve.t[curve.t.length - 1]];
  const [first, last] = lambdaRange(curve);
  const most = share(curve.lambda[0]);
  const least = share(curve.lambda[curve.lambda.length - 1]);
  return {
    t: axis("t", high, low, (node) => node.t, (t) => t),
    lambda: axis("λ", first, last, (node) => node.lambda, (lambda) => curve.timeAt(lambda)),
    sigma: axis("σ / (α + σ)", most, least, (node) => share(node.lambda), (s) =>
      curve.timeAt(lambdaOfShare(Math.min(1 - 1e-9, Math.max(1e-9, s)))),
    ),
  };
}

/** Round numbers between two ends, about so many. */
export function roundTicks(first, last, count) {
  const [low, high] = first < last ? [first, last] : [last, first];
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= raw);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1) ticks.push(Number((k * step).toPrecision(12)));
  return ticks;
}

const RATIOS = [300, 100, 30, 10, 3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001];
const SHARES = [0.999, 0.99, 0.95, 0.9, 0.8, 0.6, 0.4, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001];

/** Noise levels to mark beside lambda: {lambda, text}. */
export function sigmaTicks(isFlow) {
  if (isFlow) return SHARES.map((s) => ({ lambda: lambdaOfShare(s), text: String(s) }));
  return RATIOS.map((ratio) => ({ lambda: -Math.log(ratio), text: String(ratio) }));
}

/** The noise level of a lambda in the model's own words: [name, value]. */
export function sigmaOf(lambda, isFlow) {
  return isFlow ? ["σ", share(lambda)] : ["σ/α", Math.exp(-lambda)];
}
