// What happened, in words, and the same as a failure map.
import { $, html, set, secs } from './dom.js';

let film,
  seek,
  shown = [],
  lastNow = -2,
  mapped = -1;
// So many events are listed; the older ones of a long run are not.
const LISTED = 400;

export function buildLog(f, seekTo) {
  film = f;
  seek = seekTo;
  shown = [];
  lastNow = -2;
  mapped = -1;
  $('log').textContent = '';
}

// While a run goes on, what lies behind the moment shown has not happened.
export function drawLog(t, live) {
  const L = $('log');
  const words = film.words.length > LISTED ? film.words.slice(-LISTED) : film.words;
  if (shown.length && words[0] !== shown[0].word) {
    shown = [];
    L.textContent = '';
    lastNow = -2;
  }
  for (let i = shown.length; i < words.length; i++) {
    const w = words[i],
      b = html(
        'button',
        {},
        html('time', {}, secs(w.at) + ' s'),
        html('i', { ariaHidden: 'true' }, w.sign),
        html('span', {}, w.text),
      );
    b.addEventListener('click', () => seek(w.at));
    const li = html('li', { className: w.kind }, b);
    L.append(li);
    shown.push({ word: w, b, li });
    lastNow = -2;
  }
  let k = -1;
  shown.forEach((e, i) => {
    if (e.word.at <= t) k = i;
  });
  if (k !== lastNow) {
    lastNow = k;
    shown.forEach((e, i) => {
      e.b.className = i === k ? 'now' : i > k ? 'later' : '';
      e.li.hidden = live && i > k;
    });
    if (k >= 0) {
      const to = shown[k].li,
        top = to.offsetTop - L.offsetTop;
      if (top + to.offsetHeight > L.scrollTop + L.clientHeight || top < L.scrollTop || live)
        L.scrollTop = Math.max(0, top + to.offsetHeight - L.clientHeight + (live ? 0 : 40));
    }
  }
  if (mapped !== film.faults.length) {
    mapped = film.faults.length;
    set($('map'), [...new Set(film.faults.map(f => f.note))].join('\n') || '# nothing has gone wrong');
  }
}
