// The strip: how many batches wait to be settled, over the whole run, and the window in it.
const END = Math.max(D.end, D.view.to),
  LEAST = 200; // microseconds
let waiting;
function drawStrip() {
  const c = $('strip'),
    w = c.clientWidth,
    h = c.clientHeight,
    dpr = devicePixelRatio || 1,
    css = getComputedStyle(document.documentElement),
    pick = v => {
      const probe = $('thinned');
      probe.style.color = `var(${v})`;
      const out = getComputedStyle(probe).color;
      probe.style.color = '';
      return out;
    };
  if (!w) return;
  if (!waiting || waiting.length !== w + 1) {
    waiting = new Float64Array(w + 1);
    for (let b = 0; b < BATCHES; b++) {
      waiting[Math.floor((B.written[b] / END) * w)]++;
      if (!OPEN[b]) waiting[Math.min(w, Math.floor((ENDED[b] / END) * w) + 1)]--;
    }
    for (let x = 1; x <= w; x++) waiting[x] += waiting[x - 1];
  }
  c.width = w * dpr;
  c.height = h * dpr;
  const g = c.getContext('2d');
  g.scale(dpr, dpr);
  const most = Math.max(1, ...waiting),
    X = t => (t / END) * w,
    ink = pick('--ink'),
    bad = pick('--bad'),
    wait = pick('--wait');
  g.fillStyle = bad;
  for (const f of D.cuts) {
    g.globalAlpha = 0.12;
    g.fillRect(X(f.from), 0, Math.max(1, X(f.to) - X(f.from)), h);
    g.globalAlpha = 0.8;
    g.fillRect(X(f.from), 0, Math.max(1, X(f.to) - X(f.from)), 3);
  }
  g.fillStyle = wait;
  g.globalAlpha = 0.55;
  for (let x = 0; x < w; x++) {
    const y = Math.sqrt(waiting[x] / most) * (h - 8);
    if (y) g.fillRect(x, h - y, 1, y);
  }
  for (const mark of D.marks)
    if (mark.bad) {
      g.globalAlpha = 1;
      g.fillStyle = bad;
      g.fillRect(X(mark.at) - 1, h - 9, 2, 9);
    }
  g.globalAlpha = 1;
  g.strokeStyle = g.fillStyle = ink;
  g.lineWidth = 1.5;
  const a = X(Math.max(0, S.from)),
    z = Math.max(a + 3, Math.min(w, X(S.to)));
  g.globalAlpha = 0.07;
  g.fillRect(a, 0, z - a, h);
  g.globalAlpha = 1;
  g.strokeRect(a + 0.75, 0.75, z - a - 1.5, h - 1.5);
  g.fillRect(a, h / 2 - 8, 3, 16);
  g.fillRect(z - 3, h / 2 - 8, 3, 16);
  c.setAttribute('aria-valuemax', Math.round(END / 1000));
  c.setAttribute('aria-valuenow', Math.round(Math.max(0, S.from) / 1000));
  c.setAttribute('aria-valuetext', `${clock(S.from)} to ${clock(S.to)}`);
}
// look moves the window; a view of what matters is left when one zooms out of it.
let waits = false;
function look(from, to) {
  const length = Math.max(LEAST, Math.min(to - from, END * 1.05));
  from = Math.max(-END * 0.02, Math.min(from, END * 1.03 - length));
  S.from = from;
  S.to = from + length;
  if (!waits) {
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      draw();
      remember();
    });
  }
}
function zoom(k, at = (S.from + S.to) / 2) {
  look(at - (at - S.from) * k, at + (S.to - at) * k);
}
function pan(part) {
  const d = (S.to - S.from) * part;
  look(S.from + d, S.to + d);
}
function remember() {
  history.replaceState(
    null,
    '',
    '#' +
      new URLSearchParams({
        from: Math.round(S.from),
        to: Math.round(S.to),
        ...(document.documentElement.dataset.theme ? { theme: document.documentElement.dataset.theme } : {}),
      }),
  );
}
