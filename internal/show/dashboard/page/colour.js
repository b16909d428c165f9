// Colours are declared once, in page.css for both themes; canvases read them
// from there.
const names = [
  'bg',
  'card',
  'raise',
  'ink',
  'mute',
  'line',
  'link',
  'wait',
  'bad',
  'good',
  'm0',
  'm1',
  'm2',
  'm3',
  'm4',
  'heat0',
  'heat1',
  'heat2',
];

export const colour = {};

export function readColours() {
  const probe = document.body.appendChild(document.createElement('i'));
  for (const name of names) {
    probe.style.color = `var(--${name})`;
    colour[name] = getComputedStyle(probe).color;
  }
  probe.remove();
}

const rgb = c =>
  c
    .match(/[\d.]+/g)
    .slice(0, 3)
    .map(Number);

// Relative luminance, WCAG 2.
export function lum(c) {
  const [r, g, b] = (Array.isArray(c) ? c : rgb(c)).map(v =>
    (v /= 255) <= 0.04 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export const onTop = c => (lum(c) > 0.21 ? '#101214' : '#fff');
export const ofMember = m => colour['m' + (m % 5)];
export const varOfMember = m => `var(--m${m % 5})`;

// The heat of an age in microseconds: lightness rises or falls without a turn,
// so that it reads in grey too.
export function heat(age) {
  const k = Math.min(1, Math.sqrt(Math.max(0, age - 120e3) / 1.9e6)) * 2;
  const [p, q] = k < 1 ? ['heat0', 'heat1'] : ['heat1', 'heat2'],
    f = k < 1 ? k : k - 1;
  const from = rgb(colour[p]),
    to = rgb(colour[q]);
  return from.map((v, i) => Math.round(v + (to[i] - v) * f));
}
