// The list of keys, for whoever presses "?".
import { $, html } from './dom.js';

const KEYS = [
  ['Space', 'play, pause'],
  ['← →', 'back, on by 0.1 s; with Shift 1 s'],
  [', .', 'one step of 10 ms'],
  ['p n', 'previous, next event'],
  ['Home End', 'start, end (live: now)'],
  ['− +', 'slower, faster'],
  ['1 … 9', 'see the order as that member does'],
  ['Tab', 'to links and members; arrows go from link to link'],
  ['Enter', 'on a link: cut or heal it, with Shift one way; on a member: choose it'],
  ['l', 'live again'],
  ['t', 'theme'],
  ['?', 'this list'],
];
export function listKeys() {
  $('keylist').append(
    ...KEYS.flatMap(([k, v]) => [
      html('dt', {}, ...k.split(' ').flatMap(x => [html('kbd', {}, x), ' '])),
      html('dd', {}, v),
    ]),
  );
}
