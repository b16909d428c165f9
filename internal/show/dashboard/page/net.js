// Members on a circle, the links between them, and the frames under way.
import { $, svg, set, attr, search, fit, hint, MS, S, secs, many, brief } from './dom.js';
import { colour, ofMember, varOfMember } from './colour.js';

let film,
  act,
  places = [],
  R = 33,
  links = [],
  members = [],
  isles,
  marks,
  key = '';
const listen = { link: () => {}, member: () => {} };

// Says what a click on a link or member does.
export function onNet(handlers) {
  Object.assign(listen, handlers);
}

function spots(n) {
  return [...Array(n).keys()].map(i => {
    const a = ((-90 - 180 / n + (i * 360) / n) * Math.PI) / 180;
    return n === 1 ? [220, 208] : [220 + Math.cos(a) * 144, 208 + Math.sin(a) * 138];
  });
}

// The way from a to b, keeping to the right.
function way(a, b, off = R > 20 ? 5 : 2) {
  const [x1, y1] = places[a],
    [x2, y2] = places[b],
    d = Math.hypot(x2 - x1, y2 - y1),
    ux = (x2 - x1) / d,
    uy = (y2 - y1) / d;
  return {
    x1: x1 + ux * (R + 4) - uy * off,
    y1: y1 + uy * (R + 4) + ux * off,
    x2: x2 - ux * (R + 7) - uy * off,
    y2: y2 - uy * (R + 7) + ux * off,
    ux,
    uy,
  };
}

export function buildNet(f, mayAct) {
  film = f;
  act = mayAct;
  key = '';
  const n = film.n;
  places = spots(n);
  R = n <= 7 ? 33 : n <= 10 ? 27 : n <= 16 ? 19 : n <= 32 ? 12 : 7;
  const root = $('net'),
    over = $('top');
  root.textContent = over.textContent = '';
  links = [];
  members = [];
  root.append((isles = svg('g', {})));
  const lines = svg('g', { class: n > 12 ? (n > 24 ? 'crowd throng' : 'crowd') : '' });
  root.append(lines);
  over.append((marks = svg('g', {})));
  for (const a of film.all) for (const b of film.all) if (a !== b) lines.append(buildLink(a, b));
  for (const m of film.all) over.append(buildMember(m));
  root.onclick = pick;
  document.body.classList.toggle('mayact', act);
}

// A click means the nearest link, for where many cross they lie close together.
const NEAR = 9;
function pick(e) {
  const p = new DOMPoint(e.clientX, e.clientY).matrixTransform($('net').getScreenCTM().inverse());
  let best = null,
    near = NEAR;
  for (const g of links) {
    const w = way(g.a, g.b),
      dx = w.x2 - w.x1,
      dy = w.y2 - w.y1,
      k = ((p.x - w.x1) * dx + (p.y - w.y1) * dy) / (dx * dx + dy * dy);
    if (k < 0 || k > 1) continue;
    const d = Math.hypot(p.x - w.x1 - k * dx, p.y - w.y1 - k * dy) + Math.abs(k - 0.5) * 0.5;
    if (d < near) {
      near = d;
      best = g;
    }
  }
  best ??= e.target.closest('.link'); // of a script, not of a pointer
  if (best) listen.link(best.a, best.b, e.shiftKey);
}

function buildLink(a, b) {
  const w = way(a, b),
    ends = { x1: w.x1, y1: w.y1, x2: w.x2, y2: w.y2 };
  const tip = `M${w.x2 + w.ux * 5} ${w.y2 + w.uy * 5}L${w.x2 - w.ux * 3 - w.uy * 3.4} ${w.y2 - w.uy * 3 + w.ux * 3.4}L${w.x2 - w.ux * 3 + w.uy * 3.4} ${w.y2 - w.uy * 3 - w.ux * 3.4}Z`;
  const g = svg(
    'g',
    {
      class: 'link',
      role: act ? 'button' : 'img',
      tabindex: links.length ? -1 : 0,
      'data-link': `${film.names[a]}->${film.names[b]}`,
    },
    svg('line', { class: 'hit', ...ends }),
    svg('line', { class: 'wire', ...ends }),
    svg('path', { class: 'tip', d: tip }),
  );
  g.a = a;
  g.b = b;
  links.push(g);
  g.addEventListener('keydown', e => {
    if (e.key === 'Enter') {
      listen.link(a, b, e.shiftKey);
      e.preventDefault();
    }
    const d = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
    if (!d) return;
    const to = links[(links.indexOf(g) + d + links.length) % links.length];
    attr(g, 'tabindex', -1);
    attr(to, 'tabindex', 0);
    to.focus();
    e.preventDefault();
    e.stopPropagation();
  });
  hint(
    g,
    () =>
      `${film.names[a]} → ${film.names[b]}: ${g.say}` +
      (act ? `\nClick: ${g.cut ? 'heal' : 'cut'} both ways; with Shift this way only` : ''),
  );
  return g;
}

function buildMember(m) {
  const [x, y] = places[m],
    g = svg('g', {
      class: 'member',
      role: 'button',
      tabindex: 0,
      'data-member': film.names[m],
      transform: `translate(${x} ${y})`,
    });
  const name = svg(
    'text',
    { class: 'name', y: R > 24 ? 0 : 6, 'font-size': R > 30 ? 21 : R > 24 ? 18 : R > 15 ? 15 : 11 },
    short(film.names[m], R > 30 ? 6 : 4),
  );
  const count = svg('text', { class: 'n', y: 17 }),
    sign = svg('text', { class: 'sign', y: -R * 0.58 });
  const pill = svg(
    'g',
    { class: 'pill', transform: `translate(0 ${y < 150 ? -R - 15 : R + 15})` },
    svg('rect', { height: 20, y: -10, rx: 10 }),
    svg('text', {}),
  );
  g.append(
    svg('circle', { class: 'halo', r: R + 7 }),
    svg('circle', { class: 'disc', r: R, stroke: varOfMember(m) }),
    ...(R >= 10 ? [name] : []),
    ...(R > 24 ? [count, sign] : []),
    pill,
  );
  g.parts = { count, pill, sign };
  members.push(g);
  g.addEventListener('click', () => listen.member(m));
  g.addEventListener('keydown', e => {
    if (e.key === 'Enter' || e.key === ' ') {
      listen.member(m);
      e.preventDefault();
      e.stopPropagation();
    }
  });
  hint(g, () => g.say);
  return g;
}

export const short = (text, most) => ([...text].length > most ? [...text].slice(0, most - 1).join('') + '…' : text);

function mark(x, y, text, kind) {
  const w = text === '✕' ? 20 : text.length * 6.6 + 12,
    g = svg(
      'g',
      { class: 'mark ' + kind, transform: `translate(${x} ${y})` },
      svg('rect', { x: -w / 2, y: -9, width: w, height: 18, rx: 9 }),
    );
  g.append(text === '✕' ? svg('path', { d: 'M-3.6-3.6l7.2 7.2m0-7.2l-7.2 7.2' }) : svg('text', {}, text));
  return g;
}

// What stands on a link besides its look.
const wordsOf = l =>
  l.is === 'cut' ? '✕' : l.is === 'lossy' || l.is === 'slow' ? short((l.label || l.is).split(', ')[0], 14) : '';

function drawLinks(x) {
  marks.textContent = '';
  const N = film.n,
    crowd = [];
  for (const g of links) {
    const l = x.links[g.a * N + g.b],
      o = x.links[g.b * N + g.a],
      w = way(g.a, g.b);
    g.cut = l.is === 'cut';
    g.say =
      {
        cut: 'cut',
        lossy: l.label,
        slow: l.label,
        idle: 'one of them does not run',
        gone: l.label || 'not connected at present',
        unknown: 'between others: what it is like is not known here',
        up: 'up',
      }[l.is] || l.is;
    attr(g, 'data-state', l.is);
    attr(
      g,
      'aria-label',
      `${film.names[g.a]} to ${film.names[g.b]}: ${g.say}.` + (act ? ` Press to ${g.cut ? 'heal' : 'cut'}.` : ''),
    );
    const words = wordsOf(l),
      both = words && wordsOf(o) === words;
    if (!words || (both && g.a > g.b)) continue;
    const off = both ? { x: 5 * w.uy, y: -5 * w.ux } : { x: 0, y: 0 };
    crowd.push([(w.x1 + w.x2) / 2 + off.x, (w.y1 + w.y2) / 2 + off.y, words, words === '✕' ? 'bad' : 'wait']);
  }
  // Where all links say the same, or too many say something, words would hide the picture.
  const loud = crowd.filter(c => c[2] !== '✕');
  const quiet = loud.length > 8;
  for (const c of crowd) if (N <= 12 && (c[2] === '✕' || !quiet)) marks.append(mark(...c));
  isles.textContent = '';
  if (x.parts.length > 1)
    for (const p of x.parts)
      if (x.members[p[0]].is === 'running') {
        const isle = svg('path', {
          class: 'isle',
          d: 'M' + p.map(m => places[m].join(' ')).join('L') + (p.length > 1 ? 'Z' : 'h.01'),
        });
        isle.style.strokeWidth = 2 * R + 38;
        isles.append(isle);
      }
}

export const waitsFor = (x, m) =>
  x.members[m].late && x.members[m].waits ? x.members[m].waits.map(w => film.names[w]) : [];

export function drawNet(x, eye, chosen) {
  const now = JSON.stringify([x.links === drawNet.links, x.parts, x.members.map(m => [m.is, m.out]), eye, chosen]);
  if (x.links !== drawNet.links || now !== key) {
    key = now;
    drawNet.links = x.links;
    drawLinks(x);
  }
  for (const g of links)
    g.classList.toggle(
      'chosen',
      (!!chosen && chosen.a === g.a && chosen.b === g.b) || (!!chosen && chosen.a === g.b && chosen.b === g.a),
    );
  for (const m of film.all) {
    const g = members[m],
      me = x.members[m],
      tentative = me.held - me.settled,
      waits = waitsFor(x, m);
    const how =
      me.is === 'down' || me.is === 'paused'
        ? me.is
        : me.is === 'absent' || (me.is === 'silent' && me.since <= 0)
          ? 'not started'
          : me.is === 'silent'
            ? `silent for ${secs(x.at - me.since, 0)} s`
            : waits.length
              ? 'waits for ' + short(waits.join(' '), 16)
              : '';
    const say = me.out ? (me.is === 'down' || me.is === 'paused' ? `evicted, ${me.is}` : 'evicted') : how;
    attr(g, 'data-settled', me.settled);
    attr(g, 'class', `member ${me.is} ${me.out ? 'evicted' : ''} ${m === eye ? 'eye' : ''} ${chosen && chosen.m === m ? 'chosen' : ''}`);
    g.say =
      `${film.names[m]}: ${me.is}${me.out ? ', evicted' : ''}, ${me.settled} settled, ${tentative} tentative` +
      (waits.length ? `; waits for ${waits.join(', ')}, ${secs(x.lag[m])} s by now` : '');
    attr(g, 'aria-label', g.say + '. Press to see the order as it does.');
    const count = tentative > 0 ? `${brief(me.settled)} +${brief(tentative)}` : brief(me.settled);
    set(g.parts.count, count);
    attr(g.parts.count, 'font-size', R > 30 ? (count.length > 9 ? 10 : 12) : 9);
    set(
      g.parts.sign,
      me.is === 'paused' ? '‖' : me.is === 'down' ? '✕' : me.out ? '◇' : me.is === 'silent' ? '?' : '',
    );
    attr(g.parts.pill, 'visibility', say && R > 15 ? 'visible' : 'hidden');
    const text = g.parts.pill.lastChild;
    if (text.textContent !== say) {
      text.textContent = say;
      const w = say.length * 6.3 + 18;
      attr(g.parts.pill.firstChild, 'width', w);
      attr(g.parts.pill.firstChild, 'x', -w / 2);
    }
  }
}

// Frames are drawn on a canvas. One that is faster than the eye is drawn for
// as long as the eye needs.
const EYE = 170 * MS,
  DRAWN = 400;

export function drawFrames(x, t, speed, still) {
  const [g, w] = fit($('fly')),
    k = w / 440,
    least = EYE * speed;
  g.scale(k, k);
  g.translate(0, -32);
  const from = search(film.frames, f => f.at < t - 3 * S);
  let drawn = 0;
  for (let i = search(film.frames, f => f.at <= t) - 1; i >= from && drawn < DRAWN; i--) {
    const f = film.frames[i],
      end = Math.max(f.end, f.at + least);
    if (end < t) continue;
    drawn++;
    const W = way(f.from, f.to),
      small = R < 20 ? 0.55 : 1;
    let p = (t - f.at) / (end - f.at),
      alpha = 1;
    if (still) p = 0.35; // nothing moves: a frame stands on its link while it is under way
    if (f.lost && p > 0.45) {
      alpha = 1 - (p - 0.45) / 0.55;
      p = 0.45;
    }
    const X = W.x1 + (W.x2 - W.x1) * p,
      Y = W.y1 + (W.y2 - W.y1) * p;
    g.globalAlpha = alpha;
    g.fillStyle = f.carries === 2 ? colour.mute : ofMember(f.stream);
    g.strokeStyle = colour.card;
    g.lineWidth = 1.5 * small;
    g.beginPath();
    if (f.lost && alpha < 1) {
      g.strokeStyle = colour.bad;
      g.lineWidth = f.carries === 2 ? 1.2 : 2.2;
      const q = f.carries === 2 ? 2.2 : 4 * small;
      g.moveTo(X - q, Y - q);
      g.lineTo(X + q, Y + q);
      g.moveTo(X + q, Y - q);
      g.lineTo(X - q, Y + q);
      g.stroke();
    } else if (f.carries === 2) {
      g.arc(X, Y, 1.8 * small, 0, 7);
      g.fill();
    } else if (f.carries === 1) {
      const q = 6.5 * small;
      g.moveTo(X, Y - q);
      g.lineTo(X + q, Y);
      g.lineTo(X, Y + q);
      g.lineTo(X - q, Y);
      g.closePath();
      g.fill();
      g.stroke();
    } else {
      g.arc(X, Y, 5 * small, 0, 7);
      g.fill();
      g.stroke();
    }
  }
  g.globalAlpha = 1;
  set($('thin'), film.drawn < film.sent * 0.98 ? `${many(film.drawn)} of ${many(film.sent)} drawn` : '');
}
