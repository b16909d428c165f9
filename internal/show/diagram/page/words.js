// Words: of events and batches, of what is shown and what is left out.
function words(e) {
  const out = [],
    who = name(e.m);
  for (const b of e.writes.slice(0, 4)) out.push(`${who} writes ${label(b)} at time ${B.time[b]}`);
  if (e.writes.length > 4) out.push(`and ${many(e.writes.length - 4, 'batch')} more`);
  for (const f of e.in) {
    const bs = carried(f),
      ms = ((F.got[f] - F.at[f]) / 1000).toFixed(1);
    out.push(
      bs.length
        ? `${who} gets ${labels(bs)} from ${name(F.from[f])}, ${ms} ms on the way`
        : `${who} gets marks of ${name(F.from[f])}`,
    );
  }
  if (e.out.length) {
    const bs = [...new Set(e.out.flatMap(carried))],
      lost = e.out.filter(f => F.got[f] === LOST);
    out.push(
      `${who} sends ${bs.length ? labels(bs) : 'its marks'} to ${list([...new Set(e.out.map(f => name(F.to[f])))])}` +
        (lost.length ? `; lost: that to ${list(lost.map(f => name(F.to[f])))}` : ''),
    );
  }
  const settles = shown.filter(b => SETTLED[b * N + e.m] >= 0 && Math.abs(SETTLED[b * N + e.m] - e.t) < 1);
  if (settles.length) out.push('settles ' + labels(settles));
  return out;
}
const labels = bs =>
  bs.length > 5
    ? bs.slice(0, 5).map(label).join(', ') + ` and ${many(bs.length - 5, 'batch')} more`
    : bs.map(label).join(', ');

// show dims what has nothing to do with an event, or with a batch; without either it dims nothing.
function show(e, only) {
  const cones = $('cones');
  cones.textContent = '';
  const P = e && past(flown, e.m, e.t),
    Q = e && future(flown, e.m, e.t),
    isPast = x => e && x.t <= P[x.m],
    isNext = x => e && x.t >= Q[x.m];
  for (const x of E)
    x.el.classList.toggle(
      'dim',
      only !== undefined
        ? !(x.writes.includes(only) || x.in.some(f => carried(f).includes(only)))
        : !!e && !isPast(x) && !isNext(x),
    );
  for (const el of document.querySelectorAll('#lines>[data-f]')) {
    const f = +el.dataset.f;
    el.classList.toggle(
      'dim',
      only !== undefined
        ? !carried(f).includes(only)
        : !!e && !(F.got[f] >= 0 && (F.got[f] <= P[F.to[f]] || F.at[f] >= Q[F.from[f]])),
    );
  }
  for (const el of document.querySelectorAll('.wait[data-b],.setl[data-b]')) {
    const b = +el.dataset.b,
      m = +el.dataset.m,
      t = (el.dataset.set ? SETTLED : HELD)[b * N + m];
    el.classList.toggle('dim', only !== undefined ? b !== only : !!e && !(t <= P[m] || t >= Q[m]));
  }
  for (const b of document.querySelectorAll('#order button'))
    b.classList.toggle('dimmed', only !== undefined && +b.dataset.b !== only);
  if (e) sayEvent(e, P, Q, isPast, isNext, cones);
  else if (only !== undefined) sayBatch(only);
  else {
    $('saytitle').textContent = 'Point at anything';
    $('say').textContent =
      'An event shows what led to it (blue) and what can follow (yellow); the rest is concurrent.\nArrow keys go from event to event, Enter holds one, Esc lets go.';
  }
}
// sayEvent shades the past and the future of an event, and says what happened.
function sayEvent(e, P, Q, isPast, isNext, cones) {
  const margin = (S.to - S.from) / 50,
    clamp = t => Math.max(S.from - margin, Math.min(S.to + margin, t)),
    edge = (T, far) =>
      'M' +
      [...EVERYBODY.map(m => G.P(m, clamp(T[m]))), ...[...EVERYBODY].reverse().map(m => G.P(m, far))]
        .map(p => p.join(' '))
        .join('L') +
      'Z';
  cones.append(
    svg('path', { class: 'cone', d: edge(P, S.from) }),
    svg('path', { class: 'cone next', d: edge(Q, S.to) }),
  );
  const [fx, fy] = G.P(0, S.from),
    [zx, zy] = G.P(0, S.to),
    mid = G.gap * 0.55;
  cones.append(
    S.down
      ? svg('text', { class: 'conelab', x: fx + mid, y: fy + 14, 'text-anchor': 'middle' }, 'past')
      : svg('text', { class: 'conelab', x: fx + 6, y: fy + mid }, 'past'),
    S.down
      ? svg('text', { class: 'conelab', x: zx + mid, y: zy - 6, 'text-anchor': 'middle' }, 'future')
      : svg('text', { class: 'conelab', x: zx - 6, y: zy + mid, 'text-anchor': 'end' }, 'future'),
  );
  const p = E.filter(x => x !== e && isPast(x)).length,
    q = E.filter(x => x !== e && isNext(x)).length;
  $('saytitle').textContent = `${name(e.m)}, ${clock(e.t)}` + (S.pin === e ? ' (held; Esc lets go)' : '');
  $('say').textContent =
    words(e).join('\n') + `\nof these events ${p} led here, ${q} follow, ${E.length - 1 - p - q} are concurrent`;
}
function sayBatch(b) {
  const held = EVERYBODY.map(m => HELD[b * N + m]),
    settled = EVERYBODY.map(m => SETTLED[b * N + m]),
    lacks = EVERYBODY.filter(m => held[m] < 0),
    waits = EVERYBODY.filter(m => held[m] >= 0 && settled[m] < 0);
  $('saytitle').textContent =
    `${label(b)} at time ${B.time[b]}` + (B.position[b] ? `, position ${B.position[b].toLocaleString('en')}` : '');
  $('say').textContent =
    `written by ${name(B.stream[b])} at ${clock(B.written[b])}\n` +
    (lacks.length ? `never held by ${list(lacks.map(name))}` : `held by all at ${clock(Math.max(...held))}`) +
    '\n' +
    (lacks.length || waits.length
      ? `not settled at ${list([...lacks, ...waits].map(name))}`
      : `settled everywhere at ${clock(Math.max(...settled))}, ${((Math.max(...settled) - B.written[b]) / 1000).toFixed(1)} ms after it was written`);
}
// tell says what is shown, and what is left out: never silently.
function tell(follows, frames, rest) {
  const left = [];
  if (follows.stride > 1)
    left.push(
      `one in ${follows.stride.toLocaleString('en')} of ${many(follows.all, 'batch')} in view is followed: a closer look shows more`,
    );
  if (unbarred) left.push(`${many(unbarred, 'bar')} found no room`);
  if (S.all && rest + frames < flown.length)
    left.push(`${many(rest + frames, 'frame')} of ${flown.length.toLocaleString('en')} drawn`);
  const quiet = faultsPlaced.filter(f => f.row < 0).length;
  if (quiet) left.push(`${many(quiet, 'line')} of the failure map without room`);
  if (D.thinned) left.push(D.thinned);
  $('thinned').textContent = '';
  if (left.length) $('thinned').append(html('b', { textContent: 'Thinned: ' }), left.join('; ') + '.');
  else
    $('thinned').textContent =
      `${many(shown.length, 'batch')} and ${many(frames + rest, 'frame')} of ${flown.length.toLocaleString('en')} in view` +
      (S.all ? '.' : ': those that brought a batch, let one settle, or lost one.');
  $('window').textContent = `${clock(S.from)} to ${clock(Math.min(S.to, Math.max(D.end, S.from)))}`;
}
const ORDER_MAX = 120;
function buildOrder() {
  $('order').textContent = '';
  const order = [...shown].sort(inOrder);
  for (const b of order.slice(0, ORDER_MAX)) {
    const o = html(
      'button',
      { className: 'b' + colour(B.stream[b]) + (B.position[b] ? '' : ' open') },
      label(b),
      html('small', {
        textContent: B.position[b]
          ? `time ${B.time[b]}, place ${B.position[b].toLocaleString('en')}`
          : `time ${B.time[b]}, not settled`,
      }),
    );
    o.dataset.b = b;
    o.onpointerenter = o.onfocus = () => {
      S.pin = null;
      show(null, b);
    };
    o.onpointerleave = o.onblur = () => show(null);
    $('order').append(o);
  }
  if (order.length > ORDER_MAX)
    $('order').append(html('p', { textContent: `and ${many(order.length - ORDER_MAX, 'batch')} more` }));
}
const LIST_MAX = 200;
function buildList() {
  $('events').textContent = '';
  if (!$('list').open) return;
  for (const e of E.slice(0, LIST_MAX))
    $('events').append(html('li', { textContent: `${clock(e.t)}: ${words(e).join('; ')}` }));
  if (E.length > LIST_MAX)
    $('events').append(
      html('li', { textContent: `and ${many(E.length - LIST_MAX, 'event')} more: a closer look has fewer` }),
    );
}
