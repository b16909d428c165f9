// What the page knows of a run: the steps of its film, so kept that every
// moment of it can be looked at. A step says what changed (internal/show/film);
// times are microseconds of the run.
import { MS, S, search } from './dom.js';

// What is kept at most; the beginning of a longer run is forgotten.
const TILES = 60000,
  FRAMES = 60000,
  STEPS = 60000;
// A frame that does not arrive is seen for so long.
const LOST = 130 * MS;

export class Film {
  constructor(run) {
    this.run = run;
    this.names = run.members;
    this.n = run.members.length;
    this.tags = tags(run.members);
    this.all = [...Array(this.n).keys()];
    this.end = 0; // up to where the run is known
    this.begin = 0; // from where on
    this.over = false;
    this.moments = []; // what is the case, from its t on
    this.tiles = new Map(); // batches by number
    this.births = []; // the same as they became known
    this.order = []; // the same in the total order
    this.frames = []; // by the time of sending
    this.words = [];
    this.faults = [];
    this.spans = [];
    this.lives = this.all.map(() => [0]); // when each member began to hold anew
    this.drawn = this.sent = 0;
    this.forgotten = false;
    this.version = 0;
  }

  add(step) {
    if (!this.moments.length) {
      if (this.run.from > 0) {
        this.begin = step.t;
        this.forgotten = true;
      } else this.moments.push({ ...moment(null, {}, this.n), t: -1 }); // before anything happened
    }
    const last = this.moments[this.moments.length - 1];
    for (let i = 0; i < (step.a || []).length; i += 2) this.lives[step.a[i]].push(step.a[i + 1]);
    this.addTiles(step);
    this.addFrames(step);
    if (step.w) this.words.push(...step.w);
    if (step.z) this.faults.push(...step.z);
    for (const o of step.o || []) this.spans.push({ ...o, to: Infinity });
    for (let i = 0; i < (step.c || []).length; i += 2) {
      const s = this.spans.find(s => s.number === step.c[i]);
      if (s) s.to = step.c[i + 1];
    }
    this.moments.push(moment(last, step, this.n));
    this.end = step.t;
    if (step.e) this.over = true;
    this.version++;
    if (this.moments.length > STEPS + 4000) this.forget(this.moments[4000].t);
    else if (this.births.length > TILES + 6000) this.forget(this.births[6000].born);
    else if (this.frames.length > FRAMES + 10000) this.frames.splice(0, 10000);
  }

  addTiles(step) {
    const b = step.b || [];
    for (let i = 0, number = step.i; i < b.length; i += 5, number++) {
      const tile = { s: b[i], seq: b[i + 1], c: b[i + 2], lam: b[i + 3], born: b[i + 4], arr: [], fin: [], lost: [], pos: -1 };
      this.tiles.set(number, tile);
      this.births.push(tile);
      const after = this.order.length && before(tile, this.order[this.order.length - 1]);
      after
        ? this.order.splice(
            search(this.order, x => before(x, tile)),
            0,
            tile,
          )
        : this.order.push(tile);
    }
    for (let i = 0, h = step.h || []; i < h.length; i += 3) {
      const tile = this.tiles.get(h[i]);
      if (tile) tile.arr[this.slot(h[i + 1], h[i + 2])] = h[i + 2];
    }
    for (let i = 0, s = step.s || []; i < s.length; i += 3) {
      const tile = this.tiles.get(s[i]);
      if (tile) tile.fin[this.slot(s[i + 1], s[i + 2])] = s[i + 2];
    }
    for (let i = 0, x = step.x || []; i < x.length; i += 3) {
      const tile = this.tiles.get(x[i]);
      if (tile && x[i + 1] < 0) tile.never = x[i + 2];
      else if (tile) tile.lost[this.slot(x[i + 1], x[i + 2])] = x[i + 2];
    }
    for (let i = 0, q = step.q || []; i < q.length; i += 2) {
      const tile = this.tiles.get(q[i]);
      if (tile) tile.pos = q[i + 1];
    }
  }

  addFrames(step) {
    const f = step.f || [];
    for (let i = 0; i < f.length; i += 6) {
      const lost = f[i + 5] < 0,
        frame = {
          from: f[i],
          to: f[i + 1],
          carries: f[i + 2],
          stream: f[i + 3],
          at: f[i + 4],
          end: lost ? f[i + 4] + LOST : f[i + 5],
          lost,
        };
      let k = this.frames.length;
      while (k > 0 && this.frames[k - 1].at > frame.at) k--;
      k === this.frames.length ? this.frames.push(frame) : this.frames.splice(k, 0, frame);
    }
    this.sent += step.y || 0;
    this.drawn += f.length / 6;
  }

  // The place of a member's present life in the times of a tile: what a member
  // held in an earlier life it may not hold in this one.
  slot(m, t) {
    const lives = this.lives[m];
    let life = lives.length - 1;
    while (life > 0 && lives[life] > t) life--;
    return life * this.n + m;
  }

  // Forgets what happened before a time.
  forget(t) {
    this.forgotten = true;
    this.begin = Math.max(this.begin, t);
    this.moments.splice(0, Math.max(0, this.index(t)));
    this.frames.splice(
      0,
      search(this.frames, f => f.at < t),
    );
    for (const [number, tile] of this.tiles)
      if (tile.born < t) this.tiles.delete(number);
      else break;
    this.order = this.order.filter(tile => tile.born >= t);
    this.births = this.births.filter(tile => tile.born >= t);
    this.spans = this.spans.filter(s => s.to >= t);
  }

  index(t) {
    return search(this.moments, m => m.t <= t) - 1;
  }

  // What is the case at a time.
  look(t) {
    const i = Math.max(0, this.index(t)),
      m = this.moments[i];
    if (!m) return null;
    const lag = m.members.map(x => (x.oldest < 0 || x.is !== 'running' ? 0 : Math.max(0, t - x.oldest)));
    const before = this.moments[Math.max(0, this.index(t - S))],
      past = Math.max(200 * MS, Math.min(S, t - this.begin));
    return {
      ...m,
      at: t,
      lag,
      worst: Math.max(0, ...lag.filter((_, i) => !m.members[i].out)),
      rate: (Math.max(0, m.totals[0] - before.totals[0]) * S) / past,
    };
  }

  // Rates and lag over time, at most so many points.
  series(from, to, points) {
    const each = Math.max(40 * MS, (to - from) / points),
      out = { at: [], wrote: [], done: [], lag: [] },
      w = 400 * MS;
    let k = 0,
      k0 = 0,
      M = this.moments;
    for (let t = from; t <= to; t += each) {
      while (k + 1 < M.length && M[k + 1].t <= t) k++;
      while (k0 + 1 < k && M[k0 + 1].t <= t - w) k0++;
      const m = M[k],
        b = M[k0],
        past = Math.max(w, m.t - b.t) / S;
      let lag = 0,
        done = 0,
        counted = 0;
      for (let i = 0; i < this.n; i++) {
        const x = m.members[i];
        if (x.out) continue; // the others do not wait for it
        counted++;
        if (x.oldest >= 0 && x.is === 'running') lag = Math.max(lag, t - x.oldest);
        done += Math.max(0, x.settled - b.members[i].settled);
      }
      out.at.push(t / S);
      out.wrote.push(Math.max(0, m.totals[0] - b.totals[0]) / past);
      out.done.push(done / Math.max(1, counted) / past);
      out.lag.push(lag / S);
    }
    return out;
  }
}

// Two letters for each name, for small places: its first ones, or the first and
// the last, or else its place.
function tags(names) {
  const letters = names.map(name => [...name]),
    differ = all => new Set(all).size === all.length && all;
  return (
    differ(letters.map(l => l.slice(0, 2).join(''))) ||
    differ(letters.map(l => l[0] + l[l.length - 1])) ||
    names.map((_, i) => String(i + 1))
  );
}

// Whether a member holds a tile at a time, and does not know that it will never settle.
export const holds = (tile, slot, t) => tile.arr[slot] <= t && !(tile.lost[slot] <= t);

// By time, then origin, then sequence number.
export const before = (a, b) => (a.lam - b.lam || a.s - b.s || a.seq - b.seq) < 0;

// What is the case after a step; what did not change is shared.
function moment(last, step, n) {
  const m = last
    ? { ...last }
    : {
        members: Array.from({ length: n }, (_, id) => ({
          id,
          is: 'absent',
          since: 0,
          held: 0,
          settled: 0,
          oldest: -1,
        })),
        links: Array.from({ length: n * n }, (_, i) => ({ from: Math.floor(i / n), to: i % n, is: 'idle', since: 0 })),
        news: new Array(n * n).fill(-1),
        parts: [[...Array(n).keys()]],
        totals: [0, 0],
        headline: { kind: '', say: '', sub: '' },
      };
  m.t = step.t;
  if (step.m) {
    m.members = m.members.slice();
    for (const x of step.m) m.members[x.id] = x;
  }
  if (step.l) {
    m.links = m.links.slice();
    for (const x of step.l) m.links[x.from * n + x.to] = x;
  }
  if (step.k) {
    m.news = m.news.slice();
    for (let i = 0; i < step.k.length; i += 3) m.news[step.k[i] * n + step.k[i + 1]] = step.k[i + 2];
  }
  if (step.p) m.parts = step.p;
  if (step.n) m.totals = step.n;
  if (step.g) m.headline = step.g;
  return m;
}
