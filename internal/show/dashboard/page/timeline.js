// Rates and lag over time, with what was wrong when. The chart is the scrubber.
import uPlot from './uplot/uPlot.esm.js';
import { $, html, attr, clamp, secs, many, S } from './dom.js';
import { colour } from './colour.js';

let film,
  plot = null,
  from = 0,
  to = 1,
  left = 62,
  right = 14,
  small = false,
  asked = 0,
  shownSpans = '';
const root = v => Math.sqrt(v); // bursts after a heal would flatten all else

export function buildLine(f) {
  film = f;
  plot?.destroy();
  plot = null;
  asked = 0;
  shownSpans = '';
}

function make(W, H) {
  small = H < 84;
  left = small ? 8 : 62;
  const stroke = (c, w = 1.6) => ({ stroke: c, width: w, points: { show: false } });
  const alpha = (c, a) => c.replace(/rgb\(([^)]+)\)/, `rgba($1, ${a})`);
  const options = {
    width: W,
    height: H,
    padding: [small ? 10 : 18, right, 0, left],
    legend: { show: false },
    cursor: { show: false },
    select: { show: false },
    scales: {
      x: { time: false, range: () => [from / S, to / S] },
      rate: { range: (u, min, max) => [small ? 0 : -Math.max(2, max) * 1.12, Math.max(2, max) * 1.02] },
      lag: { range: (u, min, max) => [0, Math.max(0.3, max) * (small ? 1.05 : 2.25)] },
    },
    axes: [
      {
        stroke: colour.mute,
        font: '11px -apple-system,"Segoe UI",Roboto,Arial,sans-serif',
        size: 16,
        gap: 2,
        grid: { stroke: colour.line, width: 1 },
        ticks: { show: false },
        values: (u, v) => v.map(x => +x.toFixed(2) + ' s'),
        space: 70,
      },
      { show: false, scale: 'rate' },
      { show: false, scale: 'lag' },
    ],
    series: [
      {},
      {
        scale: 'rate',
        ...stroke(alpha(colour.link, 0.7), 0.6),
        fill: alpha(colour.link, 0.5),
        fillTo: () => 0,
        show: !small,
      },
      { scale: 'rate', ...stroke(colour.good), show: !small },
      { scale: 'lag', ...stroke(colour.wait), fill: alpha(colour.wait, 0.2) },
    ],
  };
  plot = new uPlot(options, [[0], [0], [0], [0]], $('plot'));
}

// Draws the chart from one time to another, and says whether it did: it changes
// little from picture to picture, so it is drawn now and then.
export function drawLine(a, b, now, force) {
  const box = $('line'),
    W = box.clientWidth,
    H = box.clientHeight;
  if (W < 20) return false;
  if (!plot) make(W, H);
  if (plot.width !== W || plot.height !== H) {
    plot.destroy();
    make(W, H);
    force = true;
  }
  if (!force && now - asked < 400) return false;
  asked = now;
  from = a;
  to = Math.max(b, a + 1);
  const s = film.series(from, Math.min(to, film.end), Math.max(100, Math.min(1200, W)));
  if (to > film.end) {
    s.at.push(film.end / S + 1e-6, to / S);
    for (const k of ['wrote', 'done', 'lag']) s[k].push(null, null);
  }
  plot.setData([
    s.at,
    s.wrote.map(v => (v === null ? v : root(v))),
    s.done.map(v => (v === null ? v : root(v))),
    s.lag,
  ]);
  const rate = Math.max(0, ...s.wrote, ...s.done),
    lag = Math.max(0, ...s.lag);
  $('ratelab').lastChild.textContent = `${many(rate)}/s`;
  $('laglab').lastChild.textContent = `${lag.toFixed(1)} s`;
  drawSpans();
  return true;
}

const X = t => {
  const W = $('line').clientWidth;
  return left + ((t - from) / (to - from)) * (W - left - right);
};

function drawSpans() {
  const box = $('spans'),
    spans = film.spans.filter(s => s.to > from && s.at < to).sort((p, q) => p.at - q.at);
  const key = JSON.stringify([
    from,
    to,
    $('line').clientWidth,
    spans.map(s => [s.number, s.to]),
    spans.some(s => s.to > film.end) ? film.end : 0,
  ]);
  if (key === shownSpans) return;
  shownSpans = key;
  box.textContent = '';
  const rows = [];
  for (const s of spans) {
    let k = rows.findIndex(end => end <= s.at);
    if (k < 0) k = rows.length;
    rows[k] = s.to;
    s.row = k;
  }
  const high = Math.min(small ? 9 : 14, Math.max(4, 28 / Math.max(1, rows.length)));
  for (const s of spans) {
    if ((s.row + 1) * high > 40) continue;
    const x0 = Math.max(left, X(s.at)),
      w = Math.max(2, Math.min(X(Math.min(s.to, film.end)), X(to)) - x0);
    const shade = html('div', { className: 'shade' + (s.hard ? ' hard' : '') }),
      bar = html('div', { className: 'span' + (s.hard ? ' hard' : '') });
    for (const e of [shade, bar]) {
      e.style.left = x0 + 'px';
      e.style.width = w + 'px';
    }
    bar.style.top = s.row * high + 'px';
    bar.style.height = high - 1 + 'px';
    if (!small && high > 12 && s.label.length * 6 + 10 < w) bar.append(html('span', {}, s.label));
    bar.title = s.label;
    box.append(shade, bar);
  }
}

export function drawHead(t, what) {
  $('head').style.transform = `translateX(${clamp(X(t), left, $('line').clientWidth - right)}px)`;
  const slider = $('scrub');
  attr(slider, 'aria-valuemax', secs(to, 2));
  attr(slider, 'aria-valuemin', secs(from, 2));
  attr(slider, 'aria-valuenow', secs(t, 2));
  attr(slider, 'aria-valuetext', `${secs(t, 2)} s, ${what}`);
}

export function timeAt(clientX) {
  const b = $('line').getBoundingClientRect();
  return from + ((clientX - b.x - left) / (b.width - left - right)) * (to - from);
}
