'use strict';
// What happened, as the page holds it: columns of numbers, times in microseconds.
const D = JSON.parse(document.getElementById('data').textContent),
  N = D.members.length,
  EVERYBODY = [...Array(N).keys()];
const name = m => D.members[m],
  colour = m => m % 5,
  clock = t => (t / 1e6).toFixed(3) + ' s';
const list = a => (a.length < 2 ? a.join('') : a.slice(0, -1).join(', ') + ' and ' + a[a.length - 1]);
const many = (n, noun) => n.toLocaleString('en') + ' ' + noun + (n === 1 ? '' : noun.endsWith('ch') ? 'es' : 's');

// Sums undo the differences that keep the data small.
function sums(column) {
  let at = 0;
  return Float64Array.from(column, d => (at += d));
}
const B = {
  stream: D.batches.stream,
  seq: D.batches.seq,
  count: D.batches.count,
  time: D.batches.time,
  position: D.batches.position,
  number: D.batches.number,
  written: sums(D.batches.written),
};
const BATCHES = B.stream.length;
const HELD = new Float64Array(BATCHES * N),
  SETTLED = new Float64Array(BATCHES * N),
  ENDED = new Float64Array(BATCHES),
  OPEN = new Uint8Array(BATCHES);
for (let i = 0, k = 0; i < BATCHES; i++) {
  for (let m = 0; m < N; m++, k++) {
    HELD[k] = D.batches.held[k] < 0 ? -1 : B.written[i] + D.batches.held[k];
    SETTLED[k] = D.batches.settled[k] < 0 ? -1 : B.written[i] + D.batches.settled[k];
    ENDED[i] = Math.max(ENDED[i], HELD[k], SETTLED[k]);
    if (HELD[k] >= 0 && SETTLED[k] < 0) OPEN[i] = 1;
  }
}
const F = {
  from: D.frames.from,
  to: D.frames.to,
  at: sums(D.frames.at),
  got: new Float64Array(D.frames.at.length),
  carries: D.frames.carries,
};
const FRAMES = F.at.length,
  LOST = -1,
  ONITSWAY = -2;
for (let i = 0; i < FRAMES; i++) F.got[i] = D.frames.took[i] < 0 ? D.frames.took[i] : F.at[i] + D.frames.took[i];
const NONE = [],
  carried = f => F.carries[f] || NONE;

const label = b => name(B.stream[b]) + '/' + range(b),
  range = b => (B.count[b] > 1 ? `${B.seq[b]}–${B.seq[b] + B.count[b] - 1}` : `${B.seq[b]}`);
const short = b => (name(B.stream[b]).length > 2 ? '' : name(B.stream[b])) + range(b);

// lower returns the first place whose value is not below the bound.
function lower(column, bound) {
  let a = 0,
    z = column.length;
  while (a < z) {
    const k = (a + z) >> 1;
    if (column[k] < bound) a = k + 1;
    else z = k;
  }
  return a;
}

// The lost frames that carried a batch: the first and the last of each link.
const lostOf = new Map();
for (let f = 0; f < FRAMES; f++) {
  if (F.got[f] >= 0) continue;
  for (const b of carried(f)) {
    const of = lostOf.get(b) || new Map(),
      link = F.from[f] * N + F.to[f],
      both = of.get(link) || [];
    both[both.length < 2 ? both.length : 1] = f;
    of.set(link, both);
    lostOf.set(b, of);
  }
}
// The frames that tell the story of a batch: who first had it from whom, what let it settle, what was lost.
function story(b) {
  const frames = [];
  for (let k = b * N; k < b * N + N; k++) {
    if (D.batches.brought[k] >= 0) frames.push(D.batches.brought[k]);
    if (D.batches.settledBy[k] >= 0) frames.push(D.batches.settledBy[k]);
  }
  for (const both of (lostOf.get(b) || new Map()).values()) frames.push(...both);
  return frames;
}
// One batch in stride, spread by the golden ratio, which keeps no step with members that write by turns.
const sampled = (b, stride) => (Math.imul(B.number[b], 0x9e3779b9) >>> 0) * stride < 2 ** 32;
// Batches of a window: those that matter, or one in stride, so that a closer look shows more of them and never other ones.
const longest = ENDED.reduce((most, end, i) => Math.max(most, end - B.written[i]), 0),
  anyOpen = OPEN.includes(1);
function follow(from, to, most, only) {
  if (only) return { batches: D.view.matters, stride: 1, all: D.view.matters.length };
  const inside = [];
  for (let b = anyOpen ? 0 : lower(B.written, from - longest); b < BATCHES && B.written[b] <= to; b++)
    if (OPEN[b] || ENDED[b] >= from) inside.push(b);
  let stride = 1,
    batches = inside;
  while (batches.length > most) {
    stride *= 2;
    batches = inside.filter(b => sampled(b, stride));
  }
  return { batches, stride, all: inside.length };
}
// The longest way that a frame of a window can have begun before it.
const slowest = F.got.reduce((most, got, f) => (got >= 0 ? Math.max(most, got - F.at[f]) : most), 0);
function flights(from, to) {
  const frames = [];
  for (let f = lower(F.at, from - slowest); f < FRAMES && F.at[f] <= to; f++)
    if ((F.got[f] >= 0 ? F.got[f] : F.at[f]) >= from) frames.push(f);
  return frames;
}
// Cones: what can have led to a moment of a member, and what can follow from it, by the frames that arrived.
function past(flown, m, t) {
  const T = EVERYBODY.map(() => -1e15);
  T[m] = t;
  for (const f of [...flown].sort((a, b) => F.got[b] - F.got[a]))
    if (F.got[f] >= 0 && F.got[f] <= T[F.to[f]] && F.at[f] > T[F.from[f]]) T[F.from[f]] = F.at[f];
  return T;
}
function future(flown, m, t) {
  const T = EVERYBODY.map(() => 1e15);
  T[m] = t;
  for (const f of flown) if (F.got[f] >= 0 && F.at[f] >= T[F.from[f]] && F.got[f] < T[F.to[f]]) T[F.to[f]] = F.got[f];
  return T;
}
// The order: by position where it is settled, then by time and origin.
const inOrder = (a, b) =>
  (B.position[a] || 1e15) - (B.position[b] || 1e15) ||
  B.time[a] - B.time[b] ||
  B.stream[a] - B.stream[b] ||
  B.seq[a] - B.seq[b];
