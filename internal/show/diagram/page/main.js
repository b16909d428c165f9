// Keys, pointers and buttons.
// pressed shows which buttons are.
function pressed() {
  $('all').setAttribute('aria-pressed', S.all);
  $('focus').setAttribute('aria-pressed', S.only);
}
$('all').onclick = () => {
  S.all = !S.all;
  pressed();
  draw();
};
$('focus').hidden = !D.view.matters.length;
$('focus').onclick = () => {
  S.only = !S.only;
  pressed();
  draw();
};
$('in').onclick = () => zoom(0.6);
$('out').onclick = () => zoom(1 / 0.6);
$('fit').onclick = () => look(D.whole.from, D.whole.to);
$('turn').onclick = () => {
  S.down = !S.down;
  draw();
};
$('theme').onclick = () => {
  const dark =
    document.documentElement.dataset.theme || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
  document.documentElement.dataset.theme = dark === 'dark' ? 'light' : 'dark';
  draw();
  remember();
};
$('list').ontoggle = buildList;
$('d').onclick = () => {
  if (!moved) {
    S.pin = null;
    show(null);
  }
};

// Dragging the picture moves the window; in the strip it moves or, at its ends, stretches it.
let drag = null,
  moved = false;
$('pane').onpointerdown = e => {
  moved = false;
  if (e.button === 0 && e.pointerType === 'mouse') drag = { x: S.down ? e.clientY : e.clientX, from: S.from, to: S.to };
};
addEventListener('pointermove', e => {
  if (!drag || drag.strip) return;
  const d = (((S.down ? e.clientY : e.clientX) - drag.x) / G.length) * (drag.to - drag.from);
  if (moved || Math.abs((S.down ? e.clientY : e.clientX) - drag.x) > 4) {
    moved = true;
    look(drag.from - d, drag.to - d);
  }
});
addEventListener('pointerup', () => {
  drag = null;
});
$('pane').addEventListener(
  'wheel',
  e => {
    if (e.ctrlKey || e.metaKey) {
      e.preventDefault();
      const box = $('d').getBoundingClientRect(),
        at = S.from + (((S.down ? e.clientY - box.top : e.clientX - box.left) - G.head) / G.length) * (S.to - S.from);
      zoom(Math.exp(e.deltaY / 300), at);
    } else if (Math.abs(e.deltaX) > Math.abs(e.deltaY) || e.shiftKey) {
      e.preventDefault();
      pan((e.deltaX || e.deltaY) / G.length);
    }
  },
  { passive: false },
);
$('strip').onpointerdown = e => {
  const c = $('strip'),
    box = c.getBoundingClientRect(),
    X = t => (t / END) * box.width,
    x = e.clientX - box.left,
    a = X(S.from),
    z = X(S.to);
  if (x < a - 8 || x > z + 8) {
    const half = (S.to - S.from) / 2,
      at = (x / box.width) * END;
    look(at - half, at + half);
  }
  drag = {
    strip: true,
    x,
    from: S.from,
    to: S.to,
    end: Math.abs(x - a) < 7 && z - a > 20 ? 'from' : Math.abs(x - z) < 7 && z - a > 20 ? 'to' : '',
  };
  c.setPointerCapture(e.pointerId);
};
$('strip').onpointermove = e => {
  if (!drag || !drag.strip) return;
  const box = $('strip').getBoundingClientRect(),
    d = ((e.clientX - box.left - drag.x) / box.width) * END;
  if (drag.end === 'from') look(Math.min(drag.from + d, drag.to - LEAST), drag.to);
  else if (drag.end === 'to') look(drag.from, Math.max(drag.to + d, drag.from + LEAST));
  else look(drag.from + d, drag.to + d);
};
// go moves the focus to an event.
function go(e) {
  if (!e) return;
  S.pin = null;
  document.querySelector('.ev[tabindex="0"]')?.setAttribute('tabindex', -1);
  e.el.setAttribute('tabindex', 0);
  e.el.focus();
  e.el.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}
addEventListener('keydown', e => {
  if (e.altKey || e.ctrlKey || e.metaKey) return;
  const at = E.findIndex(x => x.el === document.activeElement),
    onStrip = document.activeElement === $('strip');
  const simple = {
    Escape: () => {
      S.pin = null;
      S.left = document.activeElement;
      show(null);
    },
    '+': () => zoom(0.6),
    '=': () => zoom(0.6),
    '-': () => zoom(1 / 0.6),
    0: () => $('fit').click(),
    t: () => $('theme').click(),
    f: () => $('all').click(),
    r: () => $('turn').click(),
    PageUp: () => pan(-0.7),
    PageDown: () => pan(0.7),
  };
  if (onStrip)
    Object.assign(simple, {
      ArrowLeft: () => pan(-0.2),
      ArrowRight: () => pan(0.2),
      Home: () => look(0, S.to - S.from),
      End: () => look(END - (S.to - S.from), END),
    });
  if (simple[e.key]) {
    simple[e.key]();
    e.preventDefault();
    return;
  }
  if (at >= 0) step(e, at);
  else if (e.key.startsWith('Arrow') && document.activeElement === document.body && E.length) {
    go(E[0]);
    e.preventDefault();
  }
});
// step goes along and across the lines.
function step(e, at) {
  const me = E[at],
    along = S.down ? ['ArrowUp', 'ArrowDown'] : ['ArrowLeft', 'ArrowRight'],
    across = S.down ? ['ArrowLeft', 'ArrowRight'] : ['ArrowUp', 'ArrowDown'],
    k = along.indexOf(e.key),
    c = across.indexOf(e.key);
  if (k >= 0) {
    const line = E.filter(x => x.m === me.m);
    go(line[line.indexOf(me) + (k ? 1 : -1)]);
    e.preventDefault();
  } else if (c >= 0) {
    for (let m = me.m + (c ? 1 : -1); m >= 0 && m < N; m += c ? 1 : -1) {
      const line = E.filter(x => x.m === m).sort((a, b) => Math.abs(a.t - me.t) - Math.abs(b.t - me.t));
      if (line[0]) {
        go(line[0]);
        break;
      }
    }
    e.preventDefault();
  } else if (e.key === 'Enter' || e.key === ' ') {
    S.pin = S.pin === me ? null : me;
    show(me);
    e.preventDefault();
  }
}
function buildLegend() {
  const sign = (...kids) => svg('svg', { viewBox: '0 0 30 14' }, ...kids),
    item = (text, ...kids) => $('legend').append(html('span', {}, sign(...kids), text));
  item('a batch is written', svg('rect', { x: 2, width: 26, height: 14, rx: 4, class: 'mutefill' }));
  item(
    'frame with entries',
    svg('path', { d: 'M0 7h24', class: 'solid' }),
    svg('path', { d: 'M22 3l8 4-8 4z', class: 'mutefill' }),
  );
  item('marks only', svg('path', { d: 'M0 7h30', class: 'frame row' }));
  item(
    'lost',
    svg('path', { d: 'M0 7h14', class: 'frame row gone' }),
    svg('path', { class: 'x', d: 'M14 3l8 8m0-8l-8 8' }),
  );
  item(
    'held, then settled',
    svg('path', { d: 'M2 7h20', class: 'wait' }),
    svg('rect', { x: 20, y: 2.5, width: 9, height: 9, rx: 1.5, class: 'mutefill' }),
  );
  item('cut', svg('rect', { width: 28, height: 14, rx: 3, fill: 'url(#hx)' }));
  item('down', svg('path', { d: 'M0 7h28', class: 'lane dead' }));
  item('paused', svg('path', { d: 'M0 7h28', class: 'lane still' }));
  if (!D.marks.some(mark => mark.view)) return;
  item('evicted', svg('path', { d: 'M0 7h28', class: 'lane out' }));
  item('another view', svg('path', { d: 'M8 7l6-6l6 6l-6 6z', class: 'lane view' }));
}
$('title').textContent = D.title;
$('what').textContent = D.what;
$('note').textContent = D.note;
$('note').hidden = !D.note;
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
new ResizeObserver(() => {
  const w = $('pane').clientWidth;
  if (w && w !== S.width) {
    if (w < NARROW - 40 !== S.width < NARROW - 40 || !S.width) S.down = innerWidth < NARROW;
    S.width = w;
    draw();
  }
}).observe($('pane'));
const want = new URLSearchParams(location.hash.slice(1));
if (want.get('theme')) document.documentElement.dataset.theme = want.get('theme') === 'dark' ? 'dark' : 'light';
if (want.has('from') && +want.get('to') > +want.get('from')) {
  S.from = +want.get('from');
  S.to = +want.get('to');
}
S.width = $('pane').clientWidth;
buildLegend();
pressed();
draw();
if (want.has('at')) {
  const m = D.members.indexOf(want.get('at').replace(/[\d.]+$/, '')),
    t = 1e6 * +want.get('at').match(/[\d.]*$/)[0],
    near = E.filter(e => e.m === m).sort((a, b) => Math.abs(a.t - t) - Math.abs(b.t - t))[0];
  if (near) {
    S.pin = near;
    show(near);
  }
}
document.documentElement.dataset.ready = 'yes';
