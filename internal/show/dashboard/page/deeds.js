// What can be done to links and members. Everything becomes a line of a failure
// map that is sent to the run; the picture changes when the run has.
import { $, html, toast, S } from './dom.js';

let film,
  chosen = null,
  both = true,
  now = () => null,
  at = () => 0,
  ready = () => true;

export function buildDeeds(f, look, time, mayDo) {
  film = f;
  now = look;
  at = time;
  ready = mayDo;
  chosen = null;
  $('deeds').hidden = true;
  $('deeds').textContent = '';
}

export const chosenNow = () => chosen;
export const forgetChoice = () => {
  chosen = null;
  redraw.key = '';
};

// Names with other letters than maps allow are written as places, from 1.
const named = m => (/^[\p{L}\p{N}_.-]+$/u.test(film.names[m]) ? film.names[m] : String(m + 1));

async function send(...lines) {
  if (!ready()) return;
  for (const line of lines) {
    try {
      const answer = await fetch('act', {
        method: 'POST',
        headers: { 'Chatterbox-Act': '1', 'Content-Type': 'text/plain' },
        body: `${(at() / S).toFixed(3)}s ${line}`,
      });
      if (!answer.ok) toast((await answer.text()).trim());
    } catch {
      toast('The run cannot be reached: nothing was done.');
    }
  }
}

export function clickLink(a, b, oneWay) {
  const x = now();
  if (!x) return;
  chosen = { a, b };
  both = !oneWay;
  const cut = x.links[a * film.n + b].is === 'cut' || (!oneWay && x.links[b * film.n + a].is === 'cut');
  send(`${named(a)} ${oneWay ? '->' : '<->'} ${named(b)} ${cut ? 'heal' : 'cut'}`);
}

export const healAll = () => send('* <-> * heal', '* resume', '* restart');

export function chooseMember(m) {
  chosen = { m };
}

// The bar below the picture: buttons for what is chosen.
export function redraw(x) {
  const box = $('deeds');
  box.hidden = false;
  const key = JSON.stringify([
    chosen,
    both,
    chosen && chosen.m !== undefined ? x.members[chosen.m].is : '',
    film.run.data,
  ]);
  if (redraw.key === key) return;
  redraw.key = key;
  const focused = box.contains(document.activeElement) ? document.activeElement.textContent : '';
  box.textContent = '';
  const button = (text, tip, ...lines) => {
    const b = html('button', { title: tip }, text);
    b.addEventListener('click', () => send(...lines));
    return b;
  };
  if (!chosen) {
    box.append(html('span', { className: 'mute' }, 'Click a link to cut it, or choose a member.'));
  } else if (chosen.m !== undefined) {
    const m = named(chosen.m),
      is = x.members[chosen.m].is;
    box.append(html('b', {}, film.names[chosen.m]));
    if (is === 'running') box.append(button('Pause', 'It stands still and keeps everything', `${m} pause`));
    if (is === 'paused') box.append(button('Resume', 'It goes on', `${m} resume`));
    if (is === 'running' || is === 'paused')
      box.append(
        button(
          'Crash',
          film.run.data
            ? 'It stops at once; what was durable stays'
            : 'It stops at once; without a data folder all it has is lost',
          `${m} crash`,
        ),
      );
    if (film.run.data && (is === 'running' || is === 'paused'))
      box.append(button('Crash, lose data', 'It stops at once and its disk is lost', `${m} crash losing data`));
    if (is === 'down' || is === 'absent') box.append(button('Restart', 'It runs again', `${m} restart`));
    box.append(
      button('Cut off', 'All its links are cut', `${m} <-> * cut`),
      button('Heal its links', 'All its links are well', `${m} <-> * heal`),
    );
  } else {
    const [a, b] = [named(chosen.a), named(chosen.b)],
      link = `${a} ${both ? '<->' : '->'} ${b}`;
    const way = html(
      'button',
      {
        className: 'way',
        title: 'Both ways or one way',
        ariaLabel: both ? 'both ways; press for one way' : 'one way; press for both ways',
      },
      `${film.names[chosen.a]} ${both ? '↔' : '→'} ${film.names[chosen.b]}`,
    );
    way.addEventListener('click', () => {
      both = !both;
      redraw.key = '';
    });
    box.append(
      way,
      button('Cut', 'Nothing passes', `${link} cut`),
      button('Lose 30 %', 'Every third message is lost', `${link} drop 30%`),
      button('+200 ms', 'Messages take longer', `${link} delay 200ms`),
      button('20 KB/s', 'Little passes', `${link} rate 20KB/s`),
      button('Heal', 'All is well', `${link} heal`),
    );
  }
  if (focused) for (const b of box.querySelectorAll('button')) if (b.textContent === focused) b.focus();
}
