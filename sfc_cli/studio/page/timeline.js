// The timeline: how sure each frame is, which are painted, which will change, and where one is.

import { emit, lastFrame, on, set, store } from "./store.js";

const canvas = document.querySelector("#timeline"), context = canvas.getContext("2d");
let isAsked = false;

on("frames anchors index clip stale direction", ask);
new ResizeObserver(ask).observe(canvas);

function ask() {
  if (isAsked) return;
  isAsked = true;
  requestAnimationFrame(() => { isAsked = false; draw(); });
}

// The least sure frames: low points of their surroundings, well below the rest.
export function unsureFrames() {
  const known = Object.entries(store.frames).filter(([, sure]) => sure !== null).map(([index, sure]) => [Number(index), sure]);
  if (known.length < 3) return [];
  const order = [...known].sort((one, two) => one[1] - two[1]), found = [];
  const apart = Math.max(2, Math.round(lastFrame() / 30));
  const middle = order[Math.floor(order.length / 2)][1];
  for (const [index, sure] of order) {
    if (found.length === 5 || (sure >= middle - 0.005 && found.length)) break;
    if (found.every((other) => Math.abs(other - index) >= apart)) found.push(index);
  }
  return found.sort((one, two) => one - two);
}

function draw() {
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const styles = getComputedStyle(document.documentElement), quiet = styles.getPropertyValue("--quiet"), ink = styles.getPropertyValue("--ink");
  const count = lastFrame() + 1, step = (width - 12) / count, left = (index) => 6 + index * step;
  const top = 16, low = height - 6;
  context.fillStyle = quiet;
  context.globalAlpha = 0.25;
  context.fillRect(6, low - 1, width - 12, 1);
  if (!store.clip.is_read) context.fillRect(6, low + 1, (width - 12) * (store.clip.read / count), 3);
  context.globalAlpha = 1;
  const values = Object.values(store.frames).filter((sure) => sure !== null);
  const least = Math.min(0.9, ...values), wide = Math.max(1, step - (step > 4 ? 1 : 0));
  for (const [text, sure] of Object.entries(store.frames)) {
    const index = Number(text), share = sure === null ? 1 : 0.25 + 0.75 * ((sure - least) / Math.max(0.02, 1 - least));
    const high = (low - top) * share;
    context.fillStyle = sure === null ? "#2a6fd0" : mix(share);
    context.globalAlpha = store.stale.has(index) ? 0.25 : 0.9;
    context.fillRect(left(index), low - high, wide, high);
    if (store.stale.has(index)) { context.globalAlpha = 0.5; context.fillStyle = quiet; for (let y = low - high + (index % 2) * 2; y < low; y += 4) context.fillRect(left(index), y, wide, 1.5); }
  }
  context.globalAlpha = 1;
  context.fillStyle = "#e0483e";
  for (const index of unsureFrames()) triangle(left(index) + step / 2, 3);
  context.fillStyle = "#2a6fd0";
  for (const index of Object.keys(store.anchors)) diamond(left(Number(index)) + step / 2, 9);
  const x = left(store.index) + step / 2;
  context.fillStyle = ink;
  context.fillRect(x - 1, 2, 2, height - 4);
  context.beginPath(); context.arc(x, height - 5, 4.5, 0, 7); context.fill();
  canvas.setAttribute("aria-valuemax", count - 1);
  canvas.setAttribute("aria-valuenow", store.index);
}

function mix(share) {
  const [from, to] = [[224, 120, 44], [47, 158, 91]];
  return `rgb(${from.map((one, at) => Math.round(one + (to[at] - one) * Math.min(1, Math.max(0, (share - 0.25) / 0.6)))).join(",")})`;
}

function triangle(x, y) { context.beginPath(); context.moveTo(x - 4, y); context.lineTo(x + 4, y); context.lineTo(x, y + 7); context.fill(); }
function diamond(x, y) { context.beginPath(); context.moveTo(x, y - 6); context.lineTo(x + 6, y); context.lineTo(x, y + 6); context.lineTo(x - 6, y); context.fill(); }

function goTo(event) {
  const box = canvas.getBoundingClientRect();
  const share = (event.clientX - box.left - 6) / (box.width - 12);
  emit("scrub");
  set({ index: Math.min(lastFrame(), Math.max(0, Math.floor(share * (lastFrame() + 1)))) });
}

canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); goTo(event); });
canvas.addEventListener("pointermove", (event) => { if (canvas.hasPointerCapture(event.pointerId)) goTo(event); });
