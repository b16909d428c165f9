// The matrix clock as a moving heat map: how old is what each member knows of
// each stream. Of many members it is a canvas, else a table.
import { $, html, set, hint, fit, secs, brief, MS } from './dom.js';
import { colour, ofMember, onTop, heat, lum } from './colour.js';
import { short, waitsFor } from './net.js';

let film,
  cells = [],
  canvas = null,
  current = null;
const WIDE = 16;

export function buildMatrix(f) {
  film = f;
  cells = [];
  canvas = null;
  const T = $('matrix'),
    box = $('matrixbox');
  T.textContent = '';
  T.hidden = film.n > WIDE;
  box.querySelector('canvas')?.remove();
  box.querySelector('p')?.remove();
  if (film.n > WIDE) {
    buildCanvas(box);
    return;
  }
  const disc = m => {
    const d = html('span', { className: 'dot' }, film.tags[m]);
    d.style.background = ofMember(m);
    d.style.color = onTop(ofMember(m));
    d.title = film.names[m];
    return d;
  };
  const head = html('tr', {}, html('th', { className: 'corner' }));
  for (const m of film.all) head.append(html('th', { scope: 'col' }, disc(m)));
  head.append(
    html('th', { className: 'r', scope: 'col' }, 'settled'),
    html('th', { className: 'r', scope: 'col' }, 'waits for'),
  );
  T.append(head);
  T.classList.toggle('tight', film.n > 7);
  for (const m of film.all) {
    const tr = html('tr', {}, html('th', { scope: 'row' }, disc(m))),
      row = [];
    for (const s of film.all) {
      const td = html('td', { className: 'c' });
      row.push(td);
      tr.append(td);
      hint(td, () => tell(m, s));
    }
    row.settled = html('td', { className: 'r' });
    row.waits = html('td', { className: 'r w' });
    tr.append(row.settled, row.waits);
    cells.push(row);
    T.append(tr);
  }
}

const age = (x, m, s) => {
  const since = x.news[m * film.n + s];
  return since < 0 ? 0 : Math.max(0, x.at - since);
};

function tell(m, s) {
  if (!current) return '';
  const [a, b] = [film.names[m], film.names[s]];
  if (m === s) return `${a} itself`;
  if (current.members[m].is === 'down' || current.members[m].is === 'absent') return `${a} does not run`;
  if (current.members[s].out) return `${b} was evicted: nobody waits for it`;
  const old = age(current, m, s);
  return old < 60 * MS
    ? `${a} knows all that ${b} has promised`
    : `What ${a} knows of ${b} is ${secs(old, 2)} s old:\nsince then ${b} has said more, or does not run`;
}

function buildCanvas(box) {
  canvas = html('canvas', { className: 'cells' });
  const say = html('p', { className: 'mute' }, 'Point at a cell.');
  box.append(canvas, say);
  canvas.addEventListener('pointermove', e => {
    const b = canvas.getBoundingClientRect(),
      k = b.width / film.n,
      s = Math.floor((e.clientX - b.x) / k),
      m = Math.floor((e.clientY - b.y) / k);
    if (m < film.n && s < film.n && m >= 0 && s >= 0) set(say, tell(m, s));
  });
}

export function drawMatrix(x) {
  current = x;
  if (canvas) {
    drawCells(x);
    return;
  }
  const light = lum(colour.card) > 0.5;
  for (const m of film.all) {
    const off = x.members[m].is === 'down' || x.members[m].is === 'absent';
    for (const s of film.all) {
      const td = cells[m][s],
        blank = off || x.members[s].out,
        a = blank ? 0 : age(x, m, s),
        h = heat(a),
        dark = lum(h) <= 0.21;
      const hold = x.members[m].late && x.members[m].waits && x.members[m].waits.includes(s);
      set(
        td,
        m === s
          ? '·'
          : blank
            ? ''
            : a < 60 * MS
              ? '0'
              : a >= 99.5e6
                ? String(Math.round(a / 1e6))
                : secs(a, a >= 9.95e6 ? 0 : 1),
      );
      const name = 'c' + (m === s ? ' me' : '') + (hold ? ' hold' : '');
      if (td.className !== name) td.className = name;
      const ground = m === s ? '' : `rgb(${h})`,
        ink = a > 300 * MS ? (dark ? '#fff' : '#101214') : dark && light ? '#fff' : colour.mute;
      if (td.ground !== ground + ink) {
        td.ground = ground + ink;
        td.style.background = ground;
        td.style.color = ink;
      }
    }
    set(cells[m].settled, off ? (x.members[m].out ? 'out' : x.members[m].is === 'down' ? 'down' : '–') : brief(x.members[m].settled));
    set(cells[m].waits, short(waitsFor(x, m).join(' '), 9));
  }
}

function drawCells(x) {
  const [g, W] = fit(canvas),
    k = W / film.n;
  for (const m of film.all)
    for (const s of film.all) {
      g.fillStyle = m === s || x.members[s].out ? colour.line : `rgb(${heat(age(x, m, s))})`;
      g.fillRect(s * k, m * k, k - 0.6, k - 0.6);
    }
}
