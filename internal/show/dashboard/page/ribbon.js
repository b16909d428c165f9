// The order as a ribbon: a lane for each origin, a tile for each batch, settled
// ones before the frontier and tentative ones behind it.
//
// A tile's place is a running sum of weights: one that comes in between gets
// its weight by and by, so all behind it make room. There is no state, so any
// time can be drawn at once.
import { $, html, fit, clamp, ease, search, set, many, MS } from './dom.js';
import { colour, ofMember, onTop } from './colour.js';
import { short } from './net.js';
import { before, holds } from './film.js';

const EASE = 280 * MS,
  CARET = 800 * MS,
  AHEAD = 900;

// How long a tile takes to come in and to settle: less where many do.
function pace(film, t) {
  const lately = search(film.births, e => e.born <= t) - search(film.births, e => e.born <= t - 2000 * MS);
  return clamp((EASE * 56) / Math.max(1, lately), 30 * MS, EASE);
}
const font = (size, weight = '') => `${weight} ${size}px -apple-system,"Segoe UI",Roboto,Arial,sans-serif`.trim();

// The tiles round the frontier as a member holds them at a time, with weights
// and places; front is the place of the frontier.
function tiles(film, v, t, still, back) {
  const IN = pace(film, t),
    SETTLE = IN;
  const order = film.order,
    slot = film.slot(v, t),
    soft = (at, d) => (at === undefined || at > t ? 0 : still ? 1 : ease((t - at) / d));
  const settled = search(order, e => (e.fin[slot] ?? Infinity) <= t - SETTLE); // these have come to rest
  const behind = [],
    ahead = [];
  for (let i = settled - 1, p = 0; i >= 0 && behind.length < back; i--) {
    if (!holds(order[i], slot, t)) continue;
    p--;
    behind.push({ e: order[i], w: 1, p, s: 1, at: order[i].arr[slot] });
  }
  let place = 0,
    front = 0,
    strangers = 0;
  for (let i = settled; i < order.length && ahead.length < AHEAD && strangers < 2000; i++) {
    const e = order[i],
      at = e.arr[slot],
      w = soft(at, IN);
    if (!holds(e, slot, t)) {
      strangers++;
      continue;
    }
    const s = soft(e.fin[slot], SETTLE);
    ahead.push({ e, w, p: place, s, at, fin: e.fin[slot] <= t });
    place += w;
    if (e.fin[slot] <= t) front += s * w;
  }
  return { list: behind.reverse().concat(ahead), front, tail: place - front };
}

export function drawRibbon(film, x, v, t, still) {
  const canvas = $('ribbon'),
    [g, W, H] = fit(canvas),
    n = film.n,
    narrow = W < 500,
    dense = n > 16;
  const left = dense ? 6 : 24,
    top = 33,
    foot = 32,
    lane = (H - top - foot) / n;
  const { list, front, tail } = tiles(film, v, t, still, 160);
  const room = W - left,
    cw = clamp((room * (narrow ? 0.62 : 0.7)) / Math.max(tail + 2, 1), narrow ? 6.5 : 7, narrow ? 14 : 19);
  const fx = left + Math.min(room * (narrow ? 0.52 : 0.64), Math.max(room * 0.3, room - (tail + 1.2) * cw)),
    X = p => fx + (p - front) * cw;
  g.textBaseline = 'middle';
  g.fillStyle = colour.raise;
  g.fillRect(left, top - 2, Math.max(0, fx - left), lane * n + 4);
  g.strokeStyle = colour.line;
  g.lineWidth = 1;
  for (let s = 0; s <= n; s++)
    if (!dense || s % 8 === 0 || s === n) {
      const y = Math.round(top + s * lane) + 0.5;
      g.beginPath();
      g.moveTo(left, y);
      g.lineTo(W, y);
      g.stroke();
    }
  g.save();
  g.beginPath();
  g.rect(left, 0, W - left, H);
  g.clip();
  const flags = frontiers(film, x, v, list, X, left, W);
  positions(g, list, X, left, W, top, lane * n, H - foot + 9, x.members[v].settled, [...flags.keys()]);
  said = x.members.some(counts) ? stable(film, x, list) : null;
  if (said) frontier(g, X(said.p), top, lane * n, left, W);
  let fresh = 0,
    hidden = 0;
  const last = list.length - 1;
  list.forEach((it, i) => {
    const x0 = X(it.p),
      w = Math.max(1, it.w * cw - Math.min(2, cw * 0.16));
    if (x0 > W) {
      hidden++;
      return;
    }
    if (x0 + w < left) return;
    const c = ofMember(it.e.s),
      y = top + it.e.s * lane + (dense ? 0 : 2),
      h = Math.max(2, lane - (dense ? 1 : 4)),
      drop = (1 - it.w) * -9,
      ra = Math.min(4, cw * 0.22);
    const between =
      !it.fin &&
      t - it.at < CARET &&
      i < last - 2 &&
      list.slice(i + 1, i + 40).some(later => later.at < it.at - 60 * MS);
    tile(g, it, x0, w, y + drop, h, ra, c, cw);
    if (cw >= 12 && it.w > 0.75 && !dense) {
      g.fillStyle = it.s > 0.5 ? onTop(c) : colour.ink;
      g.font = font(11, '600');
      g.textAlign = 'center';
      g.globalAlpha = it.w * (it.s > 0.5 ? 0.95 : 0.8);
      g.fillText(film.tags[it.e.s], x0 + w / 2, y + drop + h / 2 + 0.5);
      g.globalAlpha = 1;
    }
    if (between) {
      fresh++;
      caret(g, x0 + w / 2, top, y, c, 1 - (t - it.at) / CARET);
    }
  });
  g.fillStyle = colour.ink;
  for (const at of flags.keys()) {
    const y = H - foot;
    g.beginPath();
    g.moveTo(at, y + 1);
    g.lineTo(at - 4, y + 7);
    g.lineTo(at + 4, y + 7);
    g.fill();
  }
  g.restore();
  words(g, x.members[v], fx, top, lane * n, narrow, fresh, hidden);
  if (!dense)
    for (let s = 0; s < n; s++) {
      const r = Math.min(9, lane / 2);
      g.fillStyle = ofMember(s);
      g.beginPath();
      g.arc(10, top + (s + 0.5) * lane, r, 0, 7);
      g.fill();
      if (r < 5) continue;
      g.fillStyle = onTop(ofMember(s));
      g.font = font(r > 8 ? 12 : 9, '600');
      g.textAlign = 'center';
      g.fillText(film.tags[s], 10, top + (s + 0.5) * lane + 0.5);
    }
  names(g, film, flags, left, W, H);
}

function tile(g, it, x, w, y, h, radius, c, cw) {
  const base = 0.25 + 0.75 * it.w;
  g.beginPath();
  g.roundRect(x + 0.75, y + 0.75, Math.max(0.5, w - 1.5), Math.max(1, h - 1.5), radius);
  g.fillStyle = c;
  if (it.s > 0) {
    g.globalAlpha = base * it.s;
    g.fill();
  }
  if (it.s < 1) {
    g.globalAlpha = base * 0.16 * (1 - it.s);
    g.fill();
    g.globalAlpha = it.fin ? 1 - it.s : 1;
    g.strokeStyle = c;
    g.lineWidth = h > 5 ? 1.6 : 1;
    g.setLineDash(cw > 9 && w > 7 && h > 5 ? [3, 2] : []);
    g.stroke();
    g.setLineDash([]);
  }
  g.globalAlpha = 1;
}

// Whether it matters what a member lacks: not before it ran, nor once the others
// have gone on without it.
const counts = m => m.is !== 'absent' && !m.out;

// The stable frontier: the place of the first batch that somebody lacks, and
// who lacks it. What is settled everywhere, everybody holds.
function stable(film, x, list) {
  const t = x.at,
    slots = film.all.filter(m => counts(x.members[m])).map(m => [m, film.slot(m, t)]),
    order = film.order;
  let k = Math.min(...slots.map(([, slot]) => search(order, e => (e.fin[slot] ?? Infinity) <= t))),
    lack = [];
  for (let steps = 0; k < order.length && steps < 5000; k++, steps++) {
    if (order[k].born > t || order[k].never <= t) continue;
    lack = slots.filter(([, slot]) => !(order[k].arr[slot] <= t)).map(([m]) => m);
    if (lack.length) break;
  }
  const end = list.length ? list[list.length - 1].p + list[list.length - 1].w : 0;
  if (!lack.length) return { p: end, lack };
  const at = list.findIndex(it => !before(it.e, order[k]));
  return { p: at < 0 ? end : list[at].p, lack };
}

// Says who holds the stable frontier up.
export function stableSay(film, x) {
  if (!said || !film.order.length) return 'by time, then origin';
  const who = said.lack.map(m => film.names[m]);
  return who.length && x.members.some(m => !m.out && (m.late || m.is !== 'running'))
    ? `┊ stable: ${short(who.join(', '), 18)} lack${who.length > 1 ? '' : 's'} what comes next`
    : '┊ stable: held by all';
}
let said = null;

// A caret over what came in between.
function caret(g, x, top, y, c, a) {
  g.fillStyle = c;
  g.globalAlpha = a * 0.6;
  g.fillRect(x - 0.75, top - 4, 1.5, y - top + 4);
  g.globalAlpha = a;
  g.beginPath();
  g.moveTo(x - 4.5, top - 11);
  g.lineTo(x + 4.5, top - 11);
  g.lineTo(x, top - 3);
  g.fill();
  g.globalAlpha = 1;
}

// Positions below: of settled tiles those that are told, of tentative ones
// those that they would have now.
function positions(g, list, X, left, W, top, height, y, settled, taken) {
  g.fillStyle = colour.mute;
  g.textAlign = 'center';
  g.font = font(11);
  let used = -99,
    count = -1;
  for (const it of list) {
    if (it.s >= 1 && it.e.pos >= 0) count = it.e.pos;
    else if (it.fin && it.e.pos >= 0) count = it.e.pos;
    if (count < 0) {
      if (it.fin || it.s >= 1) continue;
      count = settled;
    }
    const before = count,
      after = (count += it.e.c),
      step = after - before > 1 ? 1 : 10;
    if (Math.floor(after / step) === Math.floor(before / step)) continue;
    const x = X(it.p + 0.5),
      text = String(after),
      wide = g.measureText(text).width + 16;
    if (x < left + wide / 2 - 8 || x > W || x - wide / 2 < used || taken.some(f => Math.abs(f - x) < 12)) continue;
    used = x + wide / 2;
    g.globalAlpha = 0.9;
    g.fillText(text, x, y);
    g.globalAlpha = 0.2;
    g.fillRect(Math.round(x), top, 1, height);
    g.globalAlpha = 1;
  }
}

// The stable frontier is a light line with a foot: what lies before it every
// member holds.
function frontier(g, x, top, height, left, W) {
  x = Math.round(clamp(x, left + 1, W - 2)) + 0.5;
  g.strokeStyle = colour.mute;
  g.lineWidth = 1;
  g.setLineDash([1, 3]);
  g.beginPath();
  g.moveTo(x, top - 4);
  g.lineTo(x, top + height + 3);
  g.stroke();
  g.setLineDash([]);
  g.fillStyle = colour.mute;
  g.beginPath();
  g.moveTo(x - 4, top - 8);
  g.lineTo(x + 4, top - 8);
  g.lineTo(x + 4, top - 4);
  g.lineTo(x - 4, top - 4);
  g.fill();
}

// The frontiers of the others: where they stand in the same order.
function frontiers(film, x, v, list, X, left, W) {
  const t = x.at,
    flags = new Map();
  for (const m of film.all) {
    if (m === v || x.members[m].is === 'down' || !counts(x.members[m])) continue;
    const slot = film.slot(m, t);
    let p = list.length ? list[0].p : 0;
    for (const it of list) if (it.e.fin[slot] <= t) p = it.p + it.w;
    const at = Math.round(clamp(X(p), left + 8, W - 8));
    flags.set(at, [...(flags.get(at) || []), m]);
  }
  return flags;
}

function names(g, film, flags, left, W, H) {
  g.font = font(11);
  g.textAlign = 'center';
  let used = -99;
  for (const at of [...flags.keys()].sort((a, b) => a - b)) {
    const who = flags.get(at),
      text = who.length > 6 ? `${who.length} others` : who.map(m => short(film.names[m], 5)).join(' '),
      wide = g.measureText(text).width + 8,
      x = clamp(at, left + wide / 2, W - wide / 2);
    if (x - wide / 2 < used) continue;
    used = x + wide / 2;
    g.fillStyle = colour.card;
    g.fillRect(x - wide / 2, H - 17, wide, 15);
    g.fillStyle = colour.ink;
    g.fillText(text, x, H - 10);
  }
}

// The frontier, and what stands on both of its sides in words.
function words(g, me, fx, top, height, narrow, fresh, hidden) {
  g.fillStyle = colour.ink;
  g.fillRect(Math.round(fx) - 1.5, 2, 3, top + height);
  g.font = font(12, '600');
  g.textAlign = 'right';
  g.fillText(narrow ? `${many(me.settled)} settled` : `${many(me.settled)} settled: final`, fx - 8, 11);
  const tentative = me.held - me.settled;
  g.textAlign = 'left';
  g.fillStyle = me.late ? colour.wait : colour.mute;
  const more = hidden ? `, ${hidden} tiles beyond the edge` : '';
  g.fillText(
    tentative
      ? narrow
        ? `${many(tentative)} tentative`
        : `${many(tentative)} tentative` +
          (fresh > 2 ? `: ${fresh} just came in between` : more || ': may still make room')
      : narrow
        ? ''
        : 'nothing tentative',
    fx + 9,
    11,
  );
}

// The same for those who do not see it.
export function drawList(film, x, v, t) {
  if ($('orderlist').hidden) return;
  const { list } = tiles(film, v, t, true, 6),
    L = $('orderlist');
  const rows = list
    .slice(0, 18)
    .map(
      it =>
        `${film.names[it.e.s]}/${it.e.seq}${it.e.c > 1 ? `–${it.e.seq + it.e.c - 1}` : ''}, time ${it.e.lam}: ${it.fin || it.s >= 1 ? 'settled' + (it.e.pos >= 0 ? ` at ${it.e.pos + 1}` : '') : 'tentative'}`,
    );
  while (L.children.length > rows.length) L.lastChild.remove();
  rows.forEach((row, i) => {
    if (!L.children[i]) L.append(html('li', {}));
    set(L.children[i], row);
  });
}
