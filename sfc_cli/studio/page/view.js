// Draws the frame, its masks and the marks on the canvas; zoom and pan.

import { before, fullPictures, masks, pictures } from "./cache.js";
import { frame } from "./frame.js";
import { colourOf, emit, on, set, store } from "./store.js";

const canvas = document.querySelector("#canvas"), context = canvas.getContext("2d");
export const view = { scale: 1, x: 0, y: 0, isFitted: true };
export const draft = { points: null, kind: null, cursor: null };

let isAsked = false;
export function redraw() {
  if (isAsked) return;
  isAsked = true;
  requestAnimationFrame(() => { isAsked = false; draw(); });
}

const ratio = () => window.devicePixelRatio || 1;
const halves = () => (store.compares ? 2 : 1);

export function fit() {
  const width = canvas.clientWidth / halves(), height = canvas.clientHeight;
  view.scale = Math.max(1e-3, Math.min((width - 16) / store.clip.width, (height - 16) / store.clip.height));
  view.x = (width - store.clip.width * view.scale) / 2;
  view.y = (height - store.clip.height * view.scale) / 2;
  view.isFitted = true;
  emit("zoom");
}

export function zoomAt(factor, x, y) {
  const scale = Math.min(40, Math.max(0.02, view.scale * factor));
  view.x = x - (x - view.x) * (scale / view.scale);
  view.y = y - (y - view.y) * (scale / view.scale);
  view.scale = scale;
  view.isFitted = false;
  emit("zoom");
}

export function pan(x, y) { view.x += x; view.y += y; view.isFitted = false; redraw(); }

// From a pointer event to a pixel of the frame.
export function pixelOf(event) {
  const box = canvas.getBoundingClientRect(), width = box.width / halves();
  const x = (event.clientX - box.left) % width;
  return [(x - view.x) / view.scale, (event.clientY - box.top - view.y) / view.scale];
}

class Layer {
  constructor() { this.canvas = document.createElement("canvas"); this.key = null; }

  // Colours of ids as a picture; recomputed only if something changed.
  of(ids, key) {
    if (this.key === key && this.ids === ids) return this.canvas;
    this.key = key;
    this.ids = ids;
    const { width, height } = store.clip;
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const target = this.canvas.getContext("2d"), image = target.createImageData(width, height);
    const words = new Uint32Array(image.data.buffer), table = new Uint32Array(256);
    for (let id = 1; id < 256; id++) {
      const [red, green, blue] = store.view === "cutout" ? [0, 0, 0] : colourOf(id);
      table[id] = (255 << 24) | (blue << 16) | (green << 8) | red;
    }
    if (store.view === "outline") outline(ids, words, table, width, height);
    else for (let at = 0; at < ids.length; at++) words[at] = table[ids[at]];
    target.putImageData(image, 0, 0);
    return this.canvas;
  }
}

function outline(ids, words, table, width, height) {
  const reach = Math.max(2, Math.round(Math.max(width, height) / 400));
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      const id = ids[at];
      if (!id) continue;
      const isEdge = x < reach || y < reach || x >= width - reach || y >= height - reach
        || ids[at - reach] !== id || ids[at + reach] !== id || ids[at - reach * width] !== id || ids[at + reach * width] !== id;
      if (isEdge) words[at] = table[id];
    }
  }
}

const now = new Layer(), old = new Layer(), mixed = document.createElement("canvas"), proposed = document.createElement("canvas");
let version = 0;
on("ids objects view", () => { version += 1; redraw(); });
on("marks index opacity compares zoom brush tool frames", redraw);

function draw() {
  const width = Math.round(canvas.clientWidth * ratio()), height = Math.round(canvas.clientHeight * ratio());
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, width, height);
  const pane = width / halves();
  for (let half = 0; half < halves(); half++) {
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.beginPath();
    context.rect(half * pane, 0, pane, height);
    context.clip();
    context.setTransform(view.scale * ratio(), 0, 0, view.scale * ratio(), half * pane + view.x * ratio(), view.y * ratio());
    drawPane(store.compares && half === 0);
    context.restore();
  }
  if (store.compares) { context.fillStyle = "#fff"; context.fillRect(pane - ratio(), 0, 2 * ratio(), height); }
}

function drawPane(isBefore) {
  const { width, height } = store.clip, index = store.index;
  const picture = (view.scale * ratio() > 1.2 && fullPictures.peek(index)) || pictures.peek(index);
  if (!picture) { pictures.get(index).then(redraw, () => {}); return; }
  if (view.scale * ratio() > 1.2 && picture.width < width) fullPictures.get(index).then(redraw, () => {});
  context.imageSmoothingEnabled = view.scale * ratio() * (width / picture.width) < 3;
  const ids = isBefore ? before.peek(index) : frame.index === index ? frame.ids : masks.peek(index);
  if (isBefore && ids === undefined) before.get(index).then(redraw, () => {});
  const layer = ids && store.view !== "none" ? (isBefore ? old : now).of(ids, `${index} ${store.view} ${version}`) : null;
  if (store.view === "cutout") {
    checkerboard(width, height);
    if (layer) context.drawImage(cutOut(picture, layer, width, height), 0, 0);
  } else {
    context.drawImage(picture, 0, 0, width, height);
    if (layer) {
      context.globalAlpha = store.view === "outline" ? 1 : store.opacity * (!isBefore && frame.proposal ? 0.4 : 1);
      context.drawImage(layer, 0, 0);
      context.globalAlpha = 1;
    }
  }
  if (!isBefore && frame.index === index) drawMarks();
}

function checkerboard(width, height) {
  const side = Math.max(4, Math.round(12 / view.scale));
  context.fillStyle = "#e9e9ec"; context.fillRect(0, 0, width, height);
  context.fillStyle = "#c3c3ca";
  for (let y = 0; y < height; y += side) for (let x = (y / side) % 2 ? side : 0; x < width; x += 2 * side) {
    context.fillRect(x, y, Math.min(side, width - x), Math.min(side, height - y));
  }
}

function cutOut(picture, layer, width, height) {
  if (mixed.width !== width || mixed.height !== height) Object.assign(mixed, { width, height });
  const target = mixed.getContext("2d");
  target.globalCompositeOperation = "copy";
  target.drawImage(picture, 0, 0, width, height);
  target.globalCompositeOperation = "destination-in";
  target.drawImage(layer, 0, 0);
  return mixed;
}

function drawMarks() {
  const thin = 1 / view.scale, [red, green, blue] = colourOf(store.current);
  if (frame.proposal) drawProposal(frame.proposal, [red, green, blue]);
  const path = (points, isClosed) => {
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x, y);
    if (isClosed) context.closePath();
  };
  const line = (colour, wide, isDashed) => {
    context.lineJoin = context.lineCap = "round";
    context.setLineDash([]);
    context.strokeStyle = "#000a"; context.lineWidth = (wide + 2) * thin; context.stroke();
    if (isDashed) context.setLineDash([7 * thin, 5 * thin]);
    context.strokeStyle = colour; context.lineWidth = wide * thin; context.stroke();
    context.setLineDash([]);
  };
  if (frame.marks?.loop?.length) { path(frame.marks.loop, true); line("#fff", 2, true); }
  for (const stroke of frame.marks?.strokes || []) { path(stroke.points); line(stroke.is_object ? "#4ade80" : "#f87171", 4); }
  if (draft.points?.length) {
    path(draft.points, draft.kind === "box");
    line(draft.kind === "background" ? "#f87171" : draft.kind === "object" ? "#4ade80" : "#fff", draft.kind === "loop" || draft.kind === "polygon" || draft.kind === "box" ? 2 : 4, draft.kind === "loop");
    if (draft.kind === "polygon") for (const [x, y] of draft.points) { context.fillStyle = "#fff"; context.fillRect(x - 3 * thin, y - 3 * thin, 6 * thin, 6 * thin); }
  }
  if (draft.cursor && (store.tool === "brush" || store.tool === "eraser")) {
    context.beginPath();
    context.arc(...draft.cursor, store.brush / 2, 0, 7);
    line(store.tool === "eraser" || store.takesAway ? "#f87171" : `rgb(${red},${green},${blue})`, 1.5);
  }
}

function drawProposal({ box, mask }, [red, green, blue]) {
  if (proposed.mask !== mask) {
    proposed.mask = mask;
    Object.assign(proposed, { width: box.width, height: box.height });
    const target = proposed.getContext("2d"), image = target.createImageData(box.width, box.height);
    for (let y = 0, at = 0; y < box.height; y++) for (let x = 0; x < box.width; x++, at++) {
      if (!mask[at]) continue;
      const isEdge = !mask[at - 1] || !mask[at + 1] || !mask[at - box.width] || !mask[at + box.width];
      const isStripe = (x + y) % 8 < 4;
      image.data.set(isEdge ? [255, 255, 255, 255] : [red, green, blue, isStripe ? 175 : 110], 4 * at);
    }
    target.putImageData(image, 0, 0);
  }
  context.drawImage(proposed, box.left, box.top);
}

new ResizeObserver(() => { if (view.isFitted) fit(); redraw(); }).observe(canvas);
on("compares", () => { document.querySelector("#halves").hidden = !store.compares; fit(); });
on("zoom", () => { document.querySelector("#zoom-level").value = `${Math.round(view.scale * 100)} %`; });
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = canvas.getBoundingClientRect();
  const x = (event.clientX - box.left) % (box.width / halves());
  zoomAt(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), x, event.clientY - box.top);
}, { passive: false });
document.querySelector("#zoom").addEventListener("click", (event) => {
  const kind = event.target.closest("[data-zoom]")?.dataset.zoom;
  if (kind === "fit") fit();
  else if (kind) zoomAt(kind === "in" ? 1.4 : 1 / 1.4, canvas.clientWidth / halves() / 2, canvas.clientHeight / 2);
});
export { canvas, set };
