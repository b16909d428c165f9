// The page: watches a run, keeps the moment that is shown, and draws it. The
// modules beside it draw a part each; internal/show/dashboard serves them.
import { $, html, set, attr, clamp, secs, toast, MS, S } from './dom.js';
import { readColours } from './colour.js';
import { Film } from './film.js';
import { Watch } from './watch.js';
import { drawHeadline } from './headline.js';
import { listKeys } from './keys.js';
import { buildNet, onNet, drawNet, drawFrames, short } from './net.js';
import { drawRibbon, drawList, stableSay } from './ribbon.js';
import { buildMatrix, drawMatrix } from './matrix.js';
import { buildLog, drawLog } from './log.js';
import { buildLine, drawLine, drawHead, timeAt } from './timeline.js';
import { buildDeeds, redraw as drawDeeds, clickLink, healAll, chooseMember, chosenNow, forgetChoice } from './deeds.js';

const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4, 8],
  STILL = matchMedia('(prefers-reduced-motion: reduce)');
// Live is shown a little late, so that frames have arrived before they are drawn.
const LATE = 180 * MS,
  WINDOW = 60 * S;
let film = null,
  watch,
  t = 0,
  playing = true,
  follow = false,
  speed = 1,
  eye = 0,
  lost = false,
  dirty = true,
  slowing = 1,
  place = 0;
let wanted = new URLSearchParams(location.hash.slice(1));

// A member that is served goes on like a run, as far as it sees.
const goesOn = run => run.mode === 'live' || run.mode === 'served';
const served = () => film && film.run.mode === 'served';
const live = () => film && goesOn(film.run) && !film.over;
const ended = () => film && goesOn(film.run) && film.over;
const mayAct = () => film && film.run.act && (live() || film.run.mode === 'simulated');

// ---- what comes --------------------------------------------------------------
function begin(run, anew) {
  if (film && !anew) {
    film.run = run;
    return;
  }
  const same = film && film.run.mode === run.mode && film.names.join() === run.members.join();
  film = new Film(run);
  if (!same) {
    t = 0;
    eye = 0;
    follow = goesOn(run);
    speed = follow ? 1 : 0.5;
    if (served()) eye = Math.max(0, film.names.indexOf(run.title));
    playing = !(STILL.matches && !follow);
  }
  document.body.classList.remove('loading');
  document.body.dataset.mode = run.mode;
  set($('title'), run.title);
  set(
    $('about'),
    served()
      ? `one of ${run.members.length} members, as it sees them; this page only looks`
      : `${run.protocol ? run.protocol + ', ' : ''}seed ${run.seed}, ${run.members.length} members`,
  );
  set(
    $('matrixsay'),
    served() ? `age of the row’s news, as far as ${run.title} knows, in seconds` : 'age of the row’s news, in seconds',
  );
  set($('t0'), served() ? 'settled here' : 'settled everywhere');
  set($('t1'), served() ? 'tentative here' : 'tentative');
  document.title = run.title ? `${run.title} · chatterbox` : 'chatterbox';
  buildEyes();
  rebuild();
  setSpeed(speed);
  mode();
  obey();
}

// obey goes to the position that the address names.
function obey() {
  if (wanted.has('eye')) eye = Math.max(0, film.names.indexOf(wanted.get('eye')));
  if (wanted.has('speed')) setSpeed(+wanted.get('speed') || 1);
  if (wanted.has('t')) {
    play(false);
    place = t = +wanted.get('t') * S;
    follow = false;
  }
  wanted = new URLSearchParams();
}

function rebuild() {
  lined = -1;
  readColours();
  buildNet(film, !!film.run.act);
  buildMatrix(film);
  buildLog(film, at => {
    pause();
    seek(at);
  });
  buildLine(film);
  buildDeeds(
    film,
    () => film.look(t),
    () => (live() ? film.end : t),
    () => {
      if (lost || !mayAct()) toast(lost ? 'Not live: nothing can be done.' : 'The run is over.');
      return !lost && mayAct();
    },
  );
  set($('netsay'), film.run.act ? 'click a link: cut, heal' : served() ? `as ${film.run.title} hears them` : '');
  play(playing);
  dirty = true;
}

function buildEyes() {
  const box = $('eyes');
  box.textContent = '';
  box.append(html('span', { className: 'mute opt' }, 'seen by '));
  if (film.n <= 8)
    for (const m of film.all) {
      const b = html('button', { ariaLabel: 'Seen by ' + film.names[m] }, short(film.names[m], 4));
      b.dataset.m = m;
      b.addEventListener('click', () => {
        eye = m;
        dirty = true;
      });
      box.append(b);
    }
  else {
    const pick = html(
      'select',
      { ariaLabel: 'Seen by' },
      ...film.all.map(m => html('option', { value: m }, film.names[m])),
    );
    pick.addEventListener('change', () => {
      eye = +pick.value;
      dirty = true;
    });
    box.append(pick);
  }
}

function note(text) {
  $('note').hidden = !text;
  set($('note'), text);
  $('note').title = text;
}

function state(w) {
  const was = lost;
  lost = w.state === 'lost' || (w.state === 'connecting' && lost);
  document.body.classList.toggle('lost', lost && (!film || live()));
  if (lost && (!film || live())) {
    const since = Math.max(1, Math.round((performance.now() - w.heard) / 1000)),
      next = Math.max(0, Math.ceil((w.retryAt - performance.now()) / 1000));
    const seen = film ? ` What you see is from ${secs(t, 1)} s.` : '';
    set(
      $('lostsay'),
      `Nothing has come for ${since} s: ${w.reason}.${seen} ` +
        (w.state === 'connecting' ? 'Trying.' : `Next try in ${next} s.`),
    );
  }
  if (was !== lost) dirty = true;
  // The last picture is whole before it is said that nothing moves any more.
  if (lost && !was && film) draw(performance.now());
  mode();
}

function mode() {
  if (!film) return;
  const m = $('mode');
  const [text, name] = lost
    ? [live() ? '○ not live' : `${film.run.mode}, disconnected`, live() ? 'gone' : '']
    : live()
      ? follow
        ? ['● live', 'live']
        : ['looking back', '']
      : ended()
        ? ['run over', '']
        : [film.run.mode, ''];
  set(m, text);
  m.className = 'chip ' + name;
  $('golive').hidden = !live() || follow;
  $('speed').hidden = live() && follow;
}

// ---- time --------------------------------------------------------------------
const range = () => {
  if (live() && follow) return [Math.max(film.begin, film.end - WINDOW), Math.max(film.end, film.begin + 10 * S)];
  return [film.begin, Math.max(film.end, film.begin + S)];
};

function seek(to) {
  if (!film || (lost && live())) return;
  t = place = clamp(to, film.begin, film.end);
  if (live() && t < film.end - LATE) follow = false;
  dirty = true;
  mode();
}
function play(on) {
  playing = on;
  if (on && film && !live() && film.over && t >= film.end) t = film.begin;
  const p = $('play');
  p.textContent = '';
  p.append(on ? '‖' : '▶', html('span', { className: 'opt' }, on ? ' Pause' : ' Play'));
  attr(p, 'aria-label', on ? 'Pause' : 'Play');
  dirty = true;
}
// Whoever stops a run that goes on looks back from then on.
function pause() {
  play(false);
  follow = false;
  mode();
  share();
}
function goLive() {
  follow = true;
  play(true);
  t = Math.max(film.begin, film.end - LATE);
  setSpeed(1);
  mode();
}
function setSpeed(v) {
  speed = SPEEDS.includes(v) ? v : 1;
  $('speed').value = speed;
}
function hop(d) {
  const k = d > 0 ? film.words.find(e => e.at > t + MS) : [...film.words].reverse().find(e => e.at < t - MS);
  pause();
  seek(k ? k.at : d > 0 ? film.end : film.begin);
}

function address() {
  return `#t=${secs(t, 2)}&eye=${encodeURIComponent(film.names[eye])}`;
}
// share lets the address name the position that is shown.
let sharing = 0;
function share() {
  clearTimeout(sharing);
  sharing = setTimeout(() => {
    if (film && !playing) history.replaceState(null, '', address());
  }, 300);
}

// Around a burst, such as after a heal, a replay slows down by itself.
function burst() {
  if (!film || live()) return 1;
  const count = at => film.moments[Math.max(0, film.index(at))].members[eye].held,
    ahead = count(t + 250 * MS) - count(t),
    usual = (count(film.end) / Math.max(1, film.end)) * 250 * MS;
  const fair = Math.max(12, 3 * usual);
  return ahead > fair ? Math.max(0.25, fair / ahead) : 1;
}

let last = 0,
  hopped = 0;
function advance(now) {
  const dt = Math.min(100, now - last) * MS;
  last = now;
  if (!playing || (lost && live())) return;
  if (live() && follow) {
    const goal = film.end - LATE,
      ahead = goal - t;
    // A step comes every 40 ms: run smoothly towards what is known.
    t = ahead > 2 * S || t > film.end ? goal : clamp(t + dt * (1 + clamp(ahead / (300 * MS), -0.5, 1)), t, film.end);
    t = Math.max(t, film.begin);
  } else {
    const want = burst();
    slowing += (want - slowing) * 0.15;
    if (STILL.matches) {
      if (now - hopped > 500) {
        hopped = now;
        t += speed * 500 * MS;
      }
    } else t += dt * speed * slowing;
    if (t >= film.end) {
      t = film.end;
      if (live()) follow = true;
      else if (film.over) play(false);
    }
  }
  dirty = true;
}

// ---- pictures ----------------------------------------------------------------
let slow = 0,
  lined = -1;
function draw(now) {
  const x = film.look(t);
  if (!x) return;
  drawFrames(x, t, live() ? 1 : speed, STILL.matches);
  drawRibbon(film, x, eye, t, STILL.matches);
  if (now - slow > 90 || !playing || lost) {
    slow = now;
    drawNet(x, eye, chosenNow());
    drawMatrix(x);
    drawHeadline(x, now);
    drawWords(x);
    drawLog(t, live() && follow);
    drawList(film, x, eye, t);
    $('healall').hidden = !mayAct();
    if (mayAct()) drawDeeds(x);
    else $('deeds').hidden = true;
  }
  drawHead(t, x.headline.say);
}

function drawWords(x) {
  set($('eyename'), film.names[eye]);
  set($('ordersay'), stableSay(film, x));
  for (const b of document.querySelectorAll('.eyes button')) attr(b, 'aria-pressed', +b.dataset.m === eye);
  const s = $('now'),
    text = secs(t, 2) + ' s',
    more = live()
      ? lost
        ? 'last heard'
        : follow
          ? 'live'
          : 'looking back'
      : slowing < 0.9 && playing
        ? 'slower: much happens'
        : `of ${secs(film.end)} s`;
  if (s.said !== text + more) {
    s.said = text + more;
    s.textContent = '';
    s.append(text + ' ', html('small', { className: 'mute' }, more));
  }
}

function frame(now) {
  requestAnimationFrame(frame);
  if (!film || !film.moments.length) {
    last = now;
    return;
  }
  advance(now);
  if (film.version !== lined || (live() && follow)) {
    if (drawLine(...range(), now, false)) lined = film.version;
    dirty = true;
  }
  if (!dirty) return;
  dirty = false;
  draw(now);
}

// ---- controls ----------------------------------------------------------------
listKeys();

function setTheme(v) {
  v === 'system' ? delete document.documentElement.dataset.theme : (document.documentElement.dataset.theme = v);
  $('theme').querySelector('.opt').textContent = v;
  attr($('theme'), 'aria-label', 'Theme: ' + v);
  try {
    localStorage.setItem('theme', v);
  } catch {
    /* private pages keep nothing */
  }
  if (film) rebuild();
}
const nextTheme = () =>
  setTheme({ system: 'light', light: 'dark', dark: 'system' }[document.documentElement.dataset.theme || 'system']);

onNet({
  link: (a, b, oneWay) => {
    if (mayAct()) clickLink(a, b, oneWay);
    dirty = true;
  },
  member: m => {
    eye = m;
    if (mayAct()) chooseMember(m);
    dirty = true;
  },
});
$('play').addEventListener('click', () => {
  if (playing) pause();
  else if (live() && t >= film.end - LATE) goLive();
  else play(true);
});
$('back').addEventListener('click', () => {
  pause();
  seek(t - 10 * MS);
});
$('step').addEventListener('click', () => {
  pause();
  seek(t + 10 * MS);
});
$('prev').addEventListener('click', () => hop(-1));
$('next').addEventListener('click', () => hop(1));
$('golive').addEventListener('click', goLive);
$('healall').addEventListener('click', healAll);
$('theme').addEventListener('click', nextTheme);
$('help').addEventListener('click', () => $('keys').showModal());
$('retry').addEventListener('click', () => watch.retry());
$('aslist').addEventListener('click', () => {
  const L = $('orderlist');
  L.hidden = !L.hidden;
  attr($('aslist'), 'aria-expanded', !L.hidden);
  dirty = true;
});
$('copymap').addEventListener('click', () => copy($('map').textContent + '\n', $('copymap')));
$('copylink').addEventListener('click', () => {
  history.replaceState(null, '', address());
  copy(location.href, $('copylink'));
});
function copy(text, button) {
  const was = button.textContent;
  (navigator.clipboard ? navigator.clipboard.writeText(text) : Promise.reject())
    .then(
      () => {
        button.textContent = 'Copied';
      },
      () => {
        button.textContent = 'In the address bar';
      },
    )
    .finally(() =>
      setTimeout(() => {
        button.textContent = was;
      }, 1200),
    );
}
$('speed').append(...SPEEDS.map(s => html('option', { value: s }, s + ' ×')));
$('speed').addEventListener('change', e => setSpeed(+e.target.value));

const scrub = $('scrub');
scrub.addEventListener('pointerdown', e => {
  if (!film) return;
  scrub.setPointerCapture(e.pointerId);
  scrub.drag = true;
  if (live()) pause();
  seek(timeAt(e.clientX));
});
scrub.addEventListener('pointermove', e => {
  if (scrub.drag) seek(timeAt(e.clientX));
});
for (const end of ['pointerup', 'pointercancel'])
  scrub.addEventListener(end, () => {
    scrub.drag = false;
    share();
  });

addEventListener('keydown', e => {
  if (!film || e.ctrlKey || e.metaKey || e.altKey || $('keys').open || /SELECT|INPUT|TEXTAREA/.test(e.target.tagName))
    return;
  const k = e.key,
    onButton = e.target.tagName === 'BUTTON' || e.target.tagName === 'SUMMARY';
  const by = d => {
    if (live() && follow) pause();
    seek(t + d);
    share();
  };
  const does = {
    ' ': () => $('play').click(),
    ArrowLeft: () => by(-(e.shiftKey ? S : 100 * MS)),
    ArrowRight: () => by(e.shiftKey ? S : 100 * MS),
    ',': () => $('back').click(),
    '.': () => $('step').click(),
    p: () => hop(-1),
    n: () => hop(1),
    Home: () => {
      pause();
      seek(film.begin);
    },
    End: () => (live() ? goLive() : seek(film.end)),
    l: () => {
      if (live()) goLive();
    },
    '-': () => setSpeed(SPEEDS[Math.max(0, SPEEDS.indexOf(speed) - 1)]),
    '+': () => setSpeed(SPEEDS[Math.min(SPEEDS.length - 1, SPEEDS.indexOf(speed) + 1)]),
    '=': () => does['+'](),
    t: nextTheme,
    '?': () => $('keys').showModal(),
    Escape: () => {
      forgetChoice();
      dirty = true;
    },
  };
  if (/^[1-9]$/.test(k) && +k <= film.n) {
    eye = k - 1;
    dirty = true;
  } else if (does[k] && !(k === ' ' && onButton)) {
    e.preventDefault();
    does[k]();
    dirty = true;
  }
});
new ResizeObserver(() => {
  if (film) {
    drawLine(...range(), performance.now(), true);
    dirty = true;
  }
}).observe($('ribbon'));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  if (film) rebuild();
});
addEventListener('hashchange', () => {
  wanted = new URLSearchParams(location.hash.slice(1));
  if (film) obey();
  dirty = true;
});

let theme = wanted.get('theme');
try {
  theme ??= localStorage.getItem('theme');
} catch {
  /* private pages keep nothing */
}
if (theme === 'light' || theme === 'dark') setTheme(theme);
else attr($('theme'), 'aria-label', 'Theme: system');
watch = new Watch({
  run: begin,
  note,
  state,
  steps: steps => {
    for (const step of steps) film.add(step);
    if (place > 0 && !playing) t = clamp(place, film.begin, film.end); // a position that was not known yet
    dirty = true;
  },
});
requestAnimationFrame(frame);
