// The tools: what pointers do on the frame, with mouse, pen and fingers.

import { setIcon, icon } from "./icons.js";
import { beginGesture, endGesture, frame, setMarks } from "./frame.js";
import { fillShape, floodFill, stampLine, takeFrom } from "./paint.js";
import { emit, on, set, store } from "./store.js";
import { canvas, draft, pan, pixelOf, redraw, zoomAt } from "./view.js";

const tools = [
  ["marks", "Marks", "M"], ["brush", "Brush", "B"], ["eraser", "Eraser", "E"], ["polygon", "Polygon", "P"],
  ["box", "Rectangle", "R"], ["fill", "Fill", "G"], ["hand", "Hand", "H"],
];
export const keysOfTools = Object.fromEntries(tools.map(([name, , key]) => [key.toLowerCase(), name]));
const bar = document.querySelector("#tools"), options = document.querySelector("#options"), hint = document.querySelector("#hint");

for (const [name, title, key] of tools) {
  const button = document.createElement("button");
  button.dataset.tool = name;
  button.title = `${title} (${key})`;
  button.append(icon(name), title);
  button.onclick = () => choose(name);
  bar.append(button);
}

export function choose(name) {
  dropPolygon();
  set({ tool: name });
}

function dropPolygon() { draft.points = draft.kind = null; redraw(); }

on("tool takesAway isObjectStroke marks brush", showOptions);
export function showOptions() {
  for (const button of bar.children) button.setAttribute("aria-pressed", button.dataset.tool === store.tool);
  canvas.style.cursor = store.tool === "hand" ? "grab" : "crosshair";
  const parts = [];
  if (store.tool === "brush" || store.tool === "eraser") {
    const label = document.createElement("label"), range = document.createElement("input"), value = document.createElement("output");
    Object.assign(range, { type: "range", min: 1, max: 120, value: store.brush, id: "brush-size" });
    range.oninput = () => { store.brush = Number(range.value); value.value = `${store.brush} px`; redraw(); };
    value.value = `${store.brush} px`;
    label.append("Size", range, value);
    parts.push(label);
  }
  if (["brush", "polygon", "box"].includes(store.tool)) {
    parts.push(segments([["Add", false], ["Take away", true]], store.takesAway, (takesAway) => set({ takesAway })));
  }
  if (store.tool === "marks" && hasLoop()) {
    parts.push(segments([["On the object", true], ["Not the object", false]], store.isObjectStroke, (isObjectStroke) => set({ isObjectStroke })));
    const again = document.createElement("button");
    again.textContent = "New loop";
    again.onclick = () => setMarks(null, null);
    parts.push(again);
  }
  options.replaceChildren(...parts);
  hint.textContent = hintOf();
}

function hintOf() {
  if (!store.isWriter) return "";
  if (store.tool === "polygon") return "Tap the corners; close it with Enter or at the first one.";
  if (store.tool !== "marks") return "";
  if (!hasLoop()) return "Draw a loose loop around the object.";
  if (!frame.marks.strokes.some((stroke) => stroke.is_object)) return "Now one stroke across the object.";
  return "Correct it with strokes, or accept it.";
}

function segments(choices, chosen, choose) {
  const group = document.createElement("div");
  group.className = "segments";
  for (const [title, value] of choices) {
    const button = document.createElement("button");
    button.textContent = title;
    button.setAttribute("aria-checked", value === chosen);
    button.setAttribute("role", "radio");
    button.onclick = () => choose(value);
    group.append(button);
  }
  return group;
}

const hasLoop = () => (frame.marks?.loop?.length || 0) > 2;

// Pointers: one draws, two zoom and pan, the right button pans.
const pointers = new Map();
let active = null, pinch = null, hasPen = false, takesAwayNow = false;

canvas.addEventListener("contextmenu", (event) => event.preventDefault());
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  canvas.focus({ preventScroll: true });
  pointers.set(event.pointerId, event);
  if (event.pointerType === "pen") hasPen = true;
  if (pointers.size === 2) { cancel(); pinch = spread(); return; }
  if (pointers.size > 2) return;
  const isPan = store.tool === "hand" || event.button === 1 || event.button === 2 || (hasPen && event.pointerType === "touch");
  if (!isPan && !(store.isWriter && frame.index === store.index)) return;
  active = { id: event.pointerId, isPan, last: event };
  if (!isPan) { emit("scrub"); begin(pixelOf(event), event); }
});
canvas.addEventListener("pointermove", (event) => {
  if (pointers.has(event.pointerId)) pointers.set(event.pointerId, event);
  if (pinch && pointers.size === 2) { move2(); return; }
  draft.cursor = event.pointerType === "touch" ? null : pixelOf(event);
  if (active?.id === event.pointerId) {
    if (active.isPan) pan(event.clientX - active.last.clientX, event.clientY - active.last.clientY);
    else for (const one of event.getCoalescedEvents?.().length ? event.getCoalescedEvents() : [event]) go(pixelOf(one));
    active.last = event;
  } else redraw();
});
for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => {
  pointers.delete(event.pointerId);
  if (pointers.size < 2) pinch = null;
  if (active?.id !== event.pointerId) return;
  const { isPan } = active;
  if (!isPan) { if (name === "pointerup") end(pixelOf(event)); else cancel(); }
  active = null;
});
canvas.addEventListener("pointerleave", () => { draft.cursor = null; redraw(); });

function spread() {
  const [one, two] = [...pointers.values()];
  return { x: (one.clientX + two.clientX) / 2, y: (one.clientY + two.clientY) / 2, far: Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY) };
}

function move2() {
  const next = spread(), box = canvas.getBoundingClientRect();
  pan(next.x - pinch.x, next.y - pinch.y);
  zoomAt(next.far / Math.max(1, pinch.far), next.x - box.left, next.y - box.top);
  pinch = next;
}

const idOfStroke = () => (store.tool === "eraser" || takesAwayNow ? 0 : store.current);

function begin(point, event) {
  const { tool } = store;
  takesAwayNow = store.takesAway !== event.altKey;
  takeFrom(tool === "eraser" ? 0 : store.current);
  if (tool === "brush" || tool === "eraser") {
    beginGesture();
    draft.from = point;
    stampLine(point, point, store.brush, idOfStroke());
  } else if (tool === "fill") floodFill(point, event.altKey ? 0 : store.current);
  else if (tool === "box") { draft.kind = "box"; draft.corner = point; draft.points = [point]; }
  else if (tool === "polygon") corner(point);
  else if (tool === "marks") {
    draft.kind = !hasLoop() ? "loop" : store.isObjectStroke ? "object" : "background";
    draft.points = [point];
  }
  redraw();
}

function go(point) {
  const { tool } = store;
  if ((tool === "brush" || tool === "eraser") && draft.from) {
    stampLine(draft.from, point, store.brush, idOfStroke());
    draft.from = point;
  } else if (tool === "box" && draft.corner) {
    const [[x0, y0], [x1, y1]] = [draft.corner, point];
    draft.points = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
  } else if (tool === "marks" && draft.points) {
    const [x, y] = draft.points.at(-1);
    if (Math.hypot(point[0] - x, point[1] - y) >= 1.5) draft.points.push(point);
  }
  redraw();
}

function end(point) {
  const { tool } = store;
  go(point);
  if (tool === "brush" || tool === "eraser") { endGesture(); draft.from = null; }
  else if (tool === "box") {
    if (draft.points?.length === 4) fillShape(draft.points, idOfStroke());
    dropPolygon();
    draft.corner = null;
  } else if (tool === "marks" && draft.points) {
    const { points, kind } = draft;
    dropPolygon();
    mark(points, kind);
  }
}

function cancel() {
  if (store.tool === "brush" || store.tool === "eraser") { if (draft.from) endGesture(); draft.from = null; }
  else if (store.tool !== "polygon") dropPolygon();
  active = null;
}

function corner(point) {
  if (draft.kind !== "polygon") { draft.kind = "polygon"; draft.points = []; }
  const [x, y] = draft.points[0] || [1e9, 1e9];
  if (draft.points.length > 2 && Math.hypot(x - point[0], y - point[1]) * (canvas.clientWidth / store.clip.width) < 14) closePolygon();
  else draft.points.push(point);
}

export function closePolygon() {
  const points = draft.kind === "polygon" ? draft.points : null;
  if (!points) return false;
  if (points.length > 2) { takeFrom(store.current); fillShape(points, store.takesAway ? 0 : store.current); }
  dropPolygon();
  return true;
}

export function abandonPolygon() {
  const was = draft.kind === "polygon";
  if (was) dropPolygon();
  return was;
}

function mark(points, kind) {
  const rounded = points.map(([x, y]) => [Math.round(x * 10) / 10, Math.round(y * 10) / 10]);
  if (kind === "loop") {
    if (rounded.length < 6) { hint.textContent = "That was short: draw the loop all around the object."; return; }
    setMarks({ object: store.current, loop: rounded, strokes: [] }, null);
    set({ isObjectStroke: true });
  } else {
    const strokes = [...frame.marks.strokes, { points: rounded, is_object: kind === "object" }];
    setMarks({ ...frame.marks, strokes }, frame.proposal);
    if (strokes.some((stroke) => stroke.is_object)) emit("solve");
  }
}
export { setIcon };
