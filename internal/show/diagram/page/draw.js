// The picture of the window that is shown, layer by layer.
function draw() {
  const focused = E && E.find(e => e.el === document.activeElement); // keeps its focus, if it is still there
  G = place();
  const follows = follow(
    S.from,
    S.to,
    Math.max(8, Math.floor(G.length / PER_BATCH)),
    S.only && D.view.matters.length > 0,
  );
  shown = follows.batches;
  flown = flights(S.from, S.to);
  if (!S.down && G.roomy) G.H += Math.max(0, barRows(N - 1) * 6 - 30);
  const root = $('d');
  root.textContent = '';
  texts = [];
  root.setAttribute('width', G.W);
  root.setAttribute('height', G.H);
  root.setAttribute('viewBox', `0 0 ${G.W} ${G.H}`);
  const layers = Object.fromEntries(
    ['wash', 'cones', 'under', 'lines', 'spans', 'dots', 'top'].map(k => [k, svg('g', { id: k })]),
  );
  root.append(defs(), ...Object.values(layers));
  drawCuts(layers);
  drawAxis(layers);
  drawFaults(layers);
  for (const m of EVERYBODY) {
    drawLane(layers, m);
    drawBars(layers, m);
  }
  const frames = chooseFrames(),
    drawn = S.all ? drawRest(layers, frames) : 0;
  E = eventsOf(frames);
  for (const f of frames) drawFrame(layers, f);
  for (const e of E) drawEvent(layers, e);
  drawSpot(layers);
  tell(follows, frames.length, drawn);
  buildOrder();
  buildList();
  drawStrip();
  if (S.pin) S.pin = E.find(e => e.m === S.pin.m && e.t === S.pin.t) || null;
  const first = (focused && E.find(e => e.m === focused.m && e.t === focused.t)) || E[0];
  if (first) first.el.setAttribute('tabindex', 0);
  show(S.pin);
  if (focused && first) first.el.focus();
}

// Where texts stand that are not in rows of their own, so that none lies on another one.
let texts = [];
const TEXT_HEIGHT = 15,
  TEXT_WIDTH = 7; // of a letter, on average
// roomFor returns the first of some places for a text that is free, and takes it; undefined if there is none.
function roomFor(text, places) {
  const width = text.length * TEXT_WIDTH + 6,
    box = ({ x, y, left }) => ({ y, from: left ? x - width : x, to: left ? x : x + width });
  const place = places.find(p => {
    const own = box(p);
    return !texts.some(t => Math.abs(t.y - own.y) < TEXT_HEIGHT && t.from < own.to && own.from < t.to);
  });
  if (place) texts.push(box(place));
  return place;
}

// defs makes the heads of arrows and the pattern of walls.
function defs() {
  const head = (id, c, s) =>
    svg(
      'marker',
      {
        id,
        viewBox: '0 0 10 10',
        refX: 9,
        refY: 5,
        markerWidth: s,
        markerHeight: s,
        markerUnits: 'userSpaceOnUse',
        orient: 'auto',
      },
      svg('path', { d: 'M0 1L10 5L0 9z', class: c }),
    );
  return svg(
    'defs',
    {},
    svg(
      'pattern',
      { id: 'hx', width: 7, height: 7, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
      svg('rect', { width: 7, height: 7, class: 'wall' }),
      svg('rect', { width: 1.6, height: 7, class: 'wallline' }),
    ),
    svg(
      'pattern',
      { id: 'half', width: 11, height: 11, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
      svg('rect', { width: 1.2, height: 11, class: 'wallline' }),
    ),
    ...[0, 1, 2, 3, 4].map(c => head('h' + c, 'f' + c, 9)),
    head('hr', 'linkfill', 8),
  );
}
// chooseFrames returns the frames that tell the stories of the batches, in the order in which they were sent.
function chooseFrames() {
  const chosen = new Set(shown.flatMap(story));
  if (S.only) for (const f of D.view.frames) chosen.add(f);
  return [...chosen]
    .filter(f => F.at[f] <= S.to && (F.got[f] >= 0 ? F.got[f] : F.at[f]) >= S.from)
    .sort((a, b) => F.at[a] - F.at[b]);
}
function drawCuts({ wash, under }) {
  const washed = [];
  for (const c of D.cuts) {
    if (c.to <= S.from || c.from >= S.to) continue;
    const [ax, ay] = G.P(c.gap, within(c.from)),
      [bx, by] = G.P(c.gap + 1, within(c.to)),
      near = S.down ? 12 : G.roomy ? 34 : G.gap * 0.2,
      far = S.down ? 12 : G.roomy ? 26 : G.gap * 0.2;
    under.append(
      svg('rect', {
        ...(S.down
          ? { x: ax + near, y: ay, width: Math.max(1, bx - ax - near - far), height: Math.max(1, by - ay) }
          : { x: ax, y: ay + near, width: Math.max(1, bx - ax), height: Math.max(1, by - ay - near - far) }),
        fill: c.both ? 'url(#hx)' : 'url(#half)',
        rx: 4,
      }),
    );
    washed.push([within(c.from), within(c.to)]);
  }
  washed.sort((a, b) => a[0] - b[0]);
  for (let i = 0, end = -1; i < washed.length; i++) {
    const from = Math.max(washed[i][0], end),
      to = washed[i][1];
    end = Math.max(end, to);
    if (to <= from) continue;
    const [x, y] = G.P(0, from),
      [x2, y2] = G.P(N - 1, to);
    wash.append(
      svg('rect', {
        class: 'wash',
        ...(S.down
          ? { x: x - 30, y, width: x2 - x + 60, height: y2 - y }
          : { x, y: y - 34, width: x2 - x, height: y2 - y + (N > 12 ? 44 : 78) }),
      }),
    );
  }
}
// tick returns the time between two ticks of the axis.
function tick() {
  const least = ((S.to - S.from) * 90) / G.length,
    power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map(k => k * power).find(k => k >= least);
}
function drawAxis({ under }) {
  const step = Math.max(tick(), 1),
    digits = Math.max(0, Math.ceil(6 - Math.log10(step) - 1e-9));
  for (let t = Math.ceil(S.from / step) * step; t <= S.to; t += step) {
    const [x, y] = G.P(0, t),
      [, y2] = G.P(N - 1, t),
      text = (t / 1e6).toFixed(digits);
    under.append(
      svg(
        'line',
        S.down
          ? { x1: 34, x2: G.W - 12, y1: y, y2: y, class: 'grid' }
          : { x1: x, x2: x, y1: y - 30, y2: G.H - 24, class: 'grid' },
      ),
      svg(
        'text',
        S.down ? { x: 4, y: y + 4 } : { x, y: G.H - 8, 'text-anchor': 'middle' },
        text + (S.down ? '' : ' s'),
      ),
    );
  }
}
// standing returns the attributes of a text at a place.
const standing = ({ x, y, left }) => ({ x, y, 'text-anchor': left ? 'end' : 'start' });
function drawFaults({ under, top }) {
  for (const { f, text, row, left } of faultsPlaced.length || !S.down ? faultsPlaced : []) {
    const [x] = G.P(0, f.at),
      y = 14 + Math.max(row, 0) * 17;
    under.append(svg('line', { x1: x, x2: x, y1: row < 0 ? G.top - 30 : y - 10, y2: G.H - 24, class: 'badline' }));
    if (row >= 0)
      top.append(
        svg(
          'text',
          { x: x + (left ? -6 : 6), y, class: 'cutlab', 'text-anchor': left ? 'end' : 'start' },
          svg('title', {}, f.text),
          text,
        ),
      );
  }
  if (!S.down) return;
  for (const f of D.faults) {
    if (f.at < S.from || f.at > S.to) continue;
    const y = G.P(0, f.at)[1],
      text = f.text.length > 44 ? f.text.slice(0, 43) + '…' : f.text,
      place = roomFor(
        text,
        [-5, 14].map(dy => ({ x: G.W - 8, y: y + dy, left: true })),
      );
    under.append(svg('line', { x1: 18, x2: G.W - 8, y1: y, y2: y, class: 'badline' }, svg('title', {}, f.text)));
    if (place) top.append(svg('text', { ...standing(place), class: 'cutlab' }, svg('title', {}, f.text), text));
  }
}
function drawLane({ under, dots, top }, m) {
  for (const [from, to, how] of D.lives[m]) {
    if (to < S.from || from > S.to) continue;
    const [x, y] = G.P(m, within(from)),
      [x2, y2] = G.P(m, within(to));
    under.append(svg('line', { x1: x, y1: y, x2, y2, class: 'lane ' + how }));
  }
  for (const mark of D.marks) {
    if (mark.m !== m || mark.at < S.from || mark.at > S.to) continue;
    const [x, y] = G.P(m, mark.at),
      sign = mark.bad
        ? svg('path', { class: 'x', d: `M${x - 5} ${y - 5}l10 10m0-10l-10 10` })
        : mark.view
          ? svg('path', { class: 'lane view', d: `M${x - 6} ${y}l6-6l6 6l-6 6z` })
          : svg('line', {
              class: 'badline',
              'stroke-width': 2.4,
              ...(S.down ? { x1: x - 7, x2: x + 7, y1: y, y2: y } : { x1: x, x2: x, y1: y - 7, y2: y + 7 }),
            });
    sign.append(svg('title', {}, mark.text));
    top.append(sign);
    if (!G.roomy) continue;
    const left = x + mark.text.length * TEXT_WIDTH > G.W - 10,
      place = roomFor(
        mark.text,
        (S.down ? [-9, 18, -25, 34] : [-9]).map(dy => ({ x: x + (left ? -9 : 9), y: y + dy, left })),
      );
    if (place) top.append(svg('text', { ...standing(place), class: mark.view ? 'said' : 'cutlab' }, mark.text));
  }
  const [x, y] = G.P(m, S.from),
    text = name(m).length > 16 ? name(m).slice(0, 15) + '…' : name(m),
    w = S.down ? Math.min(Math.max(30, text.length * 7.6 + 12), G.gap - 4) : Math.max(30, text.length * 7.6 + 12),
    h = Math.min(30, S.down ? 30 : G.gap - 3),
    [cx, cy] = S.down ? [x, y - 30] : [x - w / 2 - 10, y];
  const fit = S.down && text.length * 7.6 + 12 > w ? text.slice(0, Math.max(1, Math.floor((w - 12) / 7.6))) : text;
  dots.append(
    svg(
      'g',
      {},
      svg('title', {}, name(m)),
      svg('rect', { x: cx - w / 2, y: cy - h / 2, width: w, height: h, rx: h / 2, class: 'f' + colour(m) }),
      svg('text', { x: cx, y: cy + 0.5, class: 'who o' + colour(m) }, fit),
    ),
  );
}
// Bars from held to settled, in as few rows as they need, and no more than fit.
let unbarred = 0;
function placeBars(m) {
  const ends = [],
    bars = [],
    most = S.down ? Math.max(1, Math.floor((G.gap - 30) / 6)) : Math.max(1, Math.floor((G.gap - 39) / 6));
  for (const b of shown) {
    const h = HELD[b * N + m],
      s = SETTLED[b * N + m],
      end = s < 0 ? D.end : s;
    if (h < 0 || h > S.to || end < S.from) continue;
    let row = ends.findIndex(x => x < G.T(within(h)) - 1);
    if (row < 0 && ends.length < most) row = ends.length;
    if (row >= 0) ends[row] = G.T(within(end)) + 6;
    bars.push({ b, h, s, end, row });
  }
  return bars;
}
const barRows = m => Math.max(0, ...placeBars(m).map(bar => bar.row + 1));
function drawBars({ spans }, m) {
  if (m === 0) unbarred = 0;
  if (!G.roomy && !S.down) return;
  for (const { b, h, s, end, row } of placeBars(m)) {
    if (row < 0) {
      unbarred++;
      continue;
    }
    const o = 11 + row * 6,
      [x, y] = G.P(m, within(h)),
      [x2, y2] = G.P(m, within(end)),
      dx = S.down ? o : 0,
      dy = S.down ? 0 : o;
    spans.append(
      svg('line', {
        x1: x + dx,
        y1: y + dy,
        x2: x2 + dx,
        y2: y2 + dy,
        class: 'wait s' + colour(B.stream[b]),
        'data-b': b,
        'data-m': m,
      }),
    );
    if (s >= 0 && s <= S.to)
      spans.append(
        svg('rect', {
          x: x2 + dx - 4.5,
          y: y2 + dy - 4.5,
          width: 9,
          height: 9,
          rx: 1.5,
          class: 'setl f' + colour(B.stream[b]),
          'data-b': b,
          'data-m': m,
          'data-set': 1,
        }),
      );
  }
}
// A lost frame ends where it was lost: at the first wall in its way, however late, else between two lines half way.
function lostEnd(f) {
  const step = F.to[f] > F.from[f] ? 1 : -1,
    gaps = Math.abs(F.to[f] - F.from[f]),
    arrives = F.at[f] + D.usual,
    point = (k, until) => {
      const [x, y] = G.P(F.from[f], F.at[f]),
        [x2, y2] = G.P(F.to[f], arrives),
        end = [x + (x2 - x) * k, y + (y2 - y) * k];
      if (until !== undefined) {
        const [wx, wy] = G.P(0, until);
        if (S.down) end[1] = Math.max(y, Math.min(end[1], wy - 4));
        else end[0] = Math.max(x, Math.min(end[0], wx - 4));
      }
      return end;
    };
  for (let k = 0; k < gaps; k++) {
    const gap = F.from[f] + step * k - (step < 0 ? 1 : 0),
      cut = D.cuts.find(c => c.gap === gap && F.at[f] >= c.from && F.at[f] < c.to);
    if (cut) return point((k + (S.down || !G.roomy ? 0.2 : step > 0 ? 0.22 : 0.16)) / gaps, cut.to);
  }
  return point((Math.floor((gaps - 1) / 2) + 0.5) / gaps);
}
// drawRest draws all other frames, thin, and returns how many.
function drawRest({ lines }, chosen) {
  const have = new Set(chosen);
  let drawn = 0,
    skip = Math.max(1, Math.ceil(flown.length / FRAMES_MAX));
  for (let i = 0; i < flown.length; i += skip) {
    const f = flown[i];
    if (have.has(f)) continue;
    const [x, y] = G.P(F.from[f], F.at[f]),
      [x2, y2] = F.got[f] >= 0 ? G.P(F.to[f], F.got[f]) : lostEnd(f);
    lines.append(svg('line', { x1: x, y1: y, x2, y2, class: 'rest' }));
    drawn++;
  }
  return drawn;
}
function drawFrame({ lines }, f) {
  const b = carried(f)[0],
    lost = F.got[f] < 0,
    [x, y] = G.P(F.from[f], F.at[f]),
    [x2, y2] = lost ? lostEnd(f) : G.P(F.to[f], F.got[f]),
    d = Math.hypot(x2 - x, y2 - y) || 1;
  const ex = lost ? x2 : x2 - ((x2 - x) / d) * 5,
    ey = lost ? y2 : y2 - ((y2 - y) / d) * 5,
    c = b === undefined ? 'row' : 's' + colour(B.stream[b]);
  const el = svg(
    'g',
    { 'data-f': f },
    svg('line', {
      x1: x,
      y1: y,
      x2: ex,
      y2: ey,
      class: `frame ${c}${lost ? ' gone' : ''}`,
      'marker-end': lost ? undefined : `url(#h${b === undefined ? 'r' : colour(B.stream[b])})`,
    }),
  );
  if (F.got[f] === LOST) el.append(svg('path', { class: 'x', d: `M${ex - 4} ${ey - 4}l8 8m0-8l-8 8` }));
  lines.append(el);
}
