// The headline: what is the case, why, and the four figures beside it.
import { $, html, set, secs, many, MS, S } from './dom.js';

let spoken = 0;

export function drawHeadline(x, now) {
  const { kind, say, sub } = x.headline;
  set($('say'), say || 'The run begins.');
  $('say').className = kind;
  const lag = x.worst <= 0 ? '' : x.worst < S ? `${Math.ceil(x.worst / MS)} ms` : `${secs(x.worst)} s`;
  sayBelow(sub.includes('{lag}') && !lag ? 'Nothing waits.' : sub.replace('{lag}', lag));
  if (now - spoken > 1000) {
    spoken = now;
    set($('spoken'), `${say} ${sub.includes('{lag}') ? '' : sub}`);
  }
  figure('f0', many(x.totals[1]), '');
  figure('f1', many(Math.max(0, x.totals[0] - x.totals[1])), '');
  figure('f2', many(x.rate), ' /s');
  x.worst < S ? figure('f3', String(Math.ceil(x.worst / MS)), ' ms') : figure('f3', secs(x.worst), ' s');
  $('g1').className = $('g3').className = x.members.some(m => m.late) ? 'hot' : '';
}

// Who is waited for stands out: what follows "for" in each part.
function sayBelow(text) {
  const S = $('sub');
  if (S.said === text) return;
  S.said = text;
  S.textContent = '';
  text.split(/( waits? for )([^;:]+)/).forEach((part, i) => S.append(i % 3 === 2 ? html('b', {}, part) : part));
}

function figure(id, n, unit) {
  const e = $(id);
  if (e.said === n + unit) return;
  e.said = n + unit;
  e.textContent = '';
  e.append(n, html('small', {}, unit));
}
