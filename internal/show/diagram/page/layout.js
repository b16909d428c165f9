// The state of the page, and where times and members are in the picture.
const $ = id => document.getElementById(id);
// svg and html make an element with attributes, properties and children; text is always text.
function svg(tag, at, ...kids) {
  const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const k in at) if (at[k] !== undefined) e.setAttribute(k, at[k]);
  e.append(...kids);
  return e;
}
function html(tag, at, ...kids) {
  const e = document.createElement(tag);
  Object.assign(e, at);
  e.append(...kids);
  return e;
}

const NARROW = 760,
  PER_BATCH = 22,
  FRAMES_MAX = 1500;
// S is what the reader chose: the window, whether only what matters is shown, all frames, time downwards, the event that
// is held.
const S = {
  from: D.view.from,
  to: D.view.to,
  only: D.view.matters.length > 0,
  all: false,
  down: innerWidth < NARROW,
  pin: null,
  width: 0,
};
// What is drawn: G is the geometry, E the events, shown the batches that are followed, flown the frames of the window.
let G, E, shown, flown;

// place makes the geometry: P says where a time of a member is.
function place() {
  const pane = $('pane').clientWidth,
    widest = Math.min(150, Math.max(46, 22 + 7.5 * Math.max(...D.members.map(n => Math.min(n.length, 16)))));
  const head = S.down ? 58 : widest + 8,
    tracks = S.down
      ? Math.max(N > 8 ? 40 : 66, (pane - 96) / Math.max(N - 1, 1))
      : Math.max(
          24,
          Math.min(
            132,
            Math.max(560, 76 * (N > 8 ? 0 : N - 1)) / Math.max(N - 1, 1),
            Math.max(76, (innerHeight - 340) / Math.max(N - 1, 1)),
          ),
        );
  const length = S.down ? 1180 : Math.max(320, pane - head - 40);
  const T = t => ((t - S.from) / (S.to - S.from)) * length,
    faults = S.down ? 0 : faultRows(T, length) * 17;
  const top = 60 + faults,
    bottom = N > 12 ? 30 : 66;
  return {
    head,
    gap: tracks,
    length,
    T,
    roomy: tracks >= 56,
    faults,
    top,
    W: S.down ? Math.max(pane, 96 + tracks * (N - 1)) : length + head + 40,
    H: S.down ? length + head + 40 : top + tracks * (N - 1) + bottom,
    P: (m, t) => (S.down ? [48 + m * tracks, head + T(t)] : [head + T(t), top + m * tracks]),
  };
}
// within keeps a time in the window.
const within = t => Math.max(S.from, Math.min(S.to, t));

// Labels of the failure map, in as few rows as they need.
let faultsPlaced = [];
function faultRows(T, length) {
  const ends = [];
  faultsPlaced = [];
  for (const f of D.faults) {
    if (f.at < S.from || f.at > S.to) continue;
    const text = clock(f.at) + '  ' + (f.text.length > 56 ? f.text.slice(0, 55) + '…' : f.text),
      w = text.length * 7 + 12,
      left = T(f.at) + w > length + 30;
    const a = left ? T(f.at) - w : T(f.at),
      z = left ? T(f.at) : a + w;
    let row = ends.findIndex(end => end <= a);
    if (row < 0 && ends.length < 3) {
      row = ends.length;
      ends.push(0);
    }
    if (row >= 0) ends[row] = z;
    faultsPlaced.push({ f, text, row, left });
  }
  return ends.length;
}
