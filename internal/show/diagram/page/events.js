// Events: what happened at points of the members' lines, and the labels of batches.
function eventsOf(frames) {
  const at = new Map(),
    event = (m, t) => {
      const key = m + ':' + t;
      let e = at.get(key);
      if (!e) at.set(key, (e = { m, t, writes: [], in: [], out: [] }));
      return e;
    };
  for (const b of shown) {
    const m = B.stream[b],
      t = HELD[b * N + m];
    if (t >= S.from && t <= S.to) event(m, t).writes.push(b);
  }
  for (const f of frames) {
    if (F.at[f] >= S.from) event(F.from[f], F.at[f]).out.push(f);
    if (F.got[f] >= 0 && F.got[f] <= S.to) event(F.to[f], F.got[f]).in.push(f);
  }
  return [...at.values()].sort((a, b) => a.t - b.t || a.m - b.m);
}
const labelEnds = new Map();
function drawEvent({ dots, lines }, e) {
  if (e === E[0]) labelEnds.clear();
  const [x, y] = G.P(e.m, e.t),
    el = svg('g', {
      class: 'ev',
      role: 'button',
      tabindex: -1,
      transform: `translate(${x} ${y})`,
      'aria-label': words(e).join('. '),
    });
  if (e.writes.length) drawLabel(el, e, S.down ? y : x);
  else {
    const c = e.in.find(f => carried(f).length),
      send = !e.in.length;
    el.append(
      svg('circle', { class: 'ring', r: 10 }),
      svg(
        'circle',
        c !== undefined
          ? { r: 4.6, class: 'hollow s' + colour(B.stream[carried(c)[0]]) }
          : { r: send ? 3 : 3.4, class: send ? 'inkfill' : 'linkfill' },
      ),
    );
  }
  el.onpointerenter = () => {
    if (!S.pin) show(e);
  };
  el.onpointerleave = () => {
    if (!S.pin) show(null);
  };
  el.onclick = ev => {
    if (moved) return;
    S.pin = S.pin === e ? null : e;
    show(e);
    ev.stopPropagation();
  };
  el.onfocus = () => {
    if (S.left === el) return; // only the window has the focus again
    S.left = null;
    if (!S.pin) show(e);
  };
  e.el = el;
  dots.append(el);
}
// drawLabel draws the label of a batch in the first row that is free there.
function drawLabel(el, e, at) {
  const b = e.writes[0],
    text =
      e.writes.length > 1 && e.writes.every(w => B.stream[w] === B.stream[b])
        ? short(b) + '+' + (e.writes.length - 1)
        : short(b),
    w = text.length * 7 + 12,
    size = S.down ? 22 : w,
    rows = labelEnds.get(e.m) || [],
    middle = S.down ? at : Math.max(at, G.head + w / 2 - 4); // clear of the name
  let row = rows.findIndex(end => end <= middle - size / 2);
  if (row < 0) row = rows.length;
  if (
    row === 0 &&
    !S.down &&
    D.marks.some(
      mark =>
        mark.m === e.m &&
        G.T(mark.at) + G.head < middle + w / 2 &&
        G.T(mark.at) + G.head + mark.text.length * 7 + 14 > middle - w / 2,
    )
  )
    row = 1;
  const room = G.roomy && row < 2;
  if (room) {
    rows[row] = middle + size / 2 + 1;
    labelEnds.set(e.m, rows);
  }
  const ox = S.down ? -w / 2 - 9 - row * (w + 2) : middle - at,
    oy = S.down ? 0 : -19 - row * 23,
    c = colour(B.stream[b]);
  el.append(svg('circle', { class: 'ring', r: 9 }), svg('circle', { r: 5, class: `edge f${c}` }));
  if (room)
    el.append(
      svg('rect', { class: 'ring', x: ox - w / 2 - 3, y: oy - 14, width: w + 6, height: 28, rx: 8 }),
      svg('rect', { x: ox - w / 2, y: oy - 11, width: w, height: 22, rx: 5, class: `edge f${c}` }),
      svg('text', { class: 'blab o' + c, x: ox, y: oy + 0.5 }, text),
    );
}

// drawSpot marks where to look.
function drawSpot({ under, top }) {
  const v = D.view;
  if (!v.spotted || v.at < S.from || v.at > S.to) return;
  const [x, y] = G.P(v.m, v.at),
    [, y0] = G.P(0, v.at),
    [x1, y1] = G.P(N - 1, v.at),
    [x0] = G.P(0, v.at);
  top.append(svg('circle', { cx: x, cy: y, r: 12, class: 'spot' + (v.bad ? ' broken' : '') }));
  if (v.bad) {
    under.append(
      svg('line', {
        class: 'badline',
        'stroke-dasharray': '3 3',
        ...(S.down ? { x1: x0 - 20, x2: x1 + 20, y1: y, y2: y } : { x1: x, x2: x, y1: y0 - 30, y2: y1 + 40 }),
      }),
    );
    top.append(svg('text', { class: 'cutlab', x: x - 15, y: y + (S.down ? -6 : 24), 'text-anchor': 'end' }, 'here'));
  }
}
