// Small helpers for elements. Text is always set as text, never as markup.
const NS = 'http://www.w3.org/2000/svg';

export const $ = id => document.getElementById(id);

export function svg(tag, attributes, ...children) {
  const e = document.createElementNS(NS, tag);
  for (const k in attributes) e.setAttribute(k, attributes[k]);
  e.append(...children);
  return e;
}

export function html(tag, properties, ...children) {
  const e = document.createElement(tag);
  for (const k in properties) k in e ? (e[k] = properties[k]) : e.setAttribute(k, properties[k]);
  e.append(...children);
  return e;
}

// Both write only what changed, for layout and readers notice each write.
export const set = (e, text) => {
  if (e.textContent !== text) e.textContent = text;
};
export const attr = (e, k, v) => {
  if (e.getAttribute(k) !== String(v)) e.setAttribute(k, v);
};

export const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
export const ease = x => (x <= 0 ? 0 : x >= 1 ? 1 : 1 - (1 - x) ** 3);

// Times are microseconds of the run.
export const MS = 1000,
  S = 1e6;
export const secs = (t, digits = 1) => (t / S).toFixed(digits);

// Numbers with narrow spaces between thousands; large ones short.
export function many(n) {
  if (n >= 1e7) return (n / 1e6).toFixed(1) + ' M';
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

// The same in a few characters, for small places.
export function brief(n) {
  if (n >= 1e9) return (n / 1e9).toFixed(2) + 'G';
  if (n >= 1e8) return Math.round(n / 1e6) + 'M';
  if (n >= 1e6) return (n / 1e6).toFixed(1) + 'M';
  if (n >= 1e5) return Math.round(n / 1e3) + 'k';
  return n >= 1e4 ? (n / 1e3).toFixed(1) + 'k' : String(n);
}

// The first place in a sorted array whose item is beyond; before(item) says
// that it is not.
export function search(array, before) {
  let low = 0,
    high = array.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    before(array[mid]) ? (low = mid + 1) : (high = mid);
  }
  return low;
}

// A canvas at the resolution of the screen, cleared.
export function fit(canvas) {
  const d = Math.min(2, devicePixelRatio || 1),
    w = canvas.clientWidth,
    h = canvas.clientHeight;
  if (canvas.width !== Math.round(w * d) || canvas.height !== Math.round(h * d)) {
    canvas.width = Math.round(w * d);
    canvas.height = Math.round(h * d);
  }
  const g = canvas.getContext('2d');
  g.setTransform(d, 0, 0, d, 0, 0);
  g.clearRect(0, 0, w, h);
  return [g, w, h];
}

// A tip for pointer and focus alike.
export function hint(element, text) {
  const tip = $('tip');
  const show = e => {
    tip.textContent = text();
    tip.style.display = 'block';
    const b = element.getBoundingClientRect(),
      x = e.clientX || b.x + b.width / 2,
      y = e.clientY || b.bottom;
    tip.style.left = clamp(x + 14, 4, innerWidth - tip.offsetWidth - 6) + 'px';
    tip.style.top = clamp(y + 16, 4, innerHeight - tip.offsetHeight - 6) + 'px';
  };
  const hide = () => {
    tip.style.display = 'none';
  };
  element.addEventListener('pointermove', e => {
    if (e.pointerType === 'mouse') show(e);
  });
  element.addEventListener('focus', e => {
    if (element.matches(':focus-visible')) show(e);
  });
  element.addEventListener('pointerleave', hide);
  element.addEventListener('blur', hide);
}

let toastUntil = 0;
export function toast(text) {
  const t = $('toast');
  t.textContent = text;
  t.classList.add('on');
  clearTimeout(toastUntil);
  toastUntil = setTimeout(() => t.classList.remove('on'), 4000);
}
