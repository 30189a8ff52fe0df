// The mask of the frame that is shown: edits, undo without limit, and saving as it happens.

import * as api from "./api.js";
import { masks } from "./cache.js";
import { emit, noteStale, set, store } from "./store.js";

export const frame = { index: -1, ids: null, touched: new Set(), marks: null, proposal: null };

const done = [], undone = [];
const waiting = new Map();
let isSaving = false;

export const canUndo = () => done.length > 0;
export const canRedo = () => undone.length > 0;
export const isSaved = () => waiting.size === 0 && !isSaving;

export async function load(index) {
  const ids = await masks.get(index);
  if (index !== store.index) return false;
  const isOther = frame.index !== index;
  frame.index = index;
  frame.ids = ids || new Uint8Array(store.clip.width * store.clip.height);
  frame.touched = new Set(store.anchors[index] || []);
  if (isOther) {
    frame.marks = store.savedMarks[index] || null;
    frame.proposal = null;
  }
  return true;
}

// Let `change` edit the ids within a box; whatever objects gain or lose pixels were touched.
export function edit(box, change) {
  const { width, height } = store.clip;
  const left = Math.max(0, Math.floor(box.left)), top = Math.max(0, Math.floor(box.top));
  const right = Math.min(width, Math.ceil(box.right)), bottom = Math.min(height, Math.ceil(box.bottom));
  if (left >= right || top >= bottom || !frame.ids) return;
  const area = { left, top, right, bottom };
  const old = cut(frame.ids, area);
  change(frame.ids, area);
  push(area, old);
}

// Several edits in one gesture are one step of undo.
let gesture = null;
export function beginGesture() { gesture = { ids: frame.ids.slice(), area: null, touched: new Set(frame.touched) }; }
export function endGesture() {
  const { ids, area, touched } = gesture || {};
  gesture = null;
  if (!area) return;
  record({ kind: "ids", index: frame.index, area, before: cut(ids, area), after: cut(frame.ids, area), touched, marks: [frame.marks, frame.proposal] });
}

function push(area, old) {
  let isChanged = false;
  const touched = new Set(frame.touched);
  each(area, (at, number) => {
    const from = old[number], to = frame.ids[at];
    if (from === to) return;
    isChanged = true;
    for (const id of [from, to]) if (id > 0 && id < 255) frame.touched.add(id);
  });
  if (!isChanged) return;
  emit("ids");
  if (gesture) {
    const other = gesture.area;
    gesture.area = other ? {
      left: Math.min(area.left, other.left), top: Math.min(area.top, other.top),
      right: Math.max(area.right, other.right), bottom: Math.max(area.bottom, other.bottom),
    } : area;
    return;
  }
  record({ kind: "ids", index: frame.index, area, before: old, after: cut(frame.ids, area), touched, marks: [frame.marks, frame.proposal] });
}

function record(step) {
  step.touchedAfter = new Set(frame.touched);
  step.marksAfter = [frame.marks, frame.proposal];
  done.push(step);
  undone.length = 0;
  save();
}

// Marks and the proposal that came of them are steps, too.
export function setMarks(marks, proposal, { isStep = true } = {}) {
  const from = [frame.marks, frame.proposal];
  [frame.marks, frame.proposal] = [marks, proposal];
  if (isStep) {
    done.push({ kind: "marks", index: frame.index, marks: from, marksAfter: [marks, proposal] });
    undone.length = 0;
  } else if (done.at(-1)?.kind === "marks") done.at(-1).marksAfter = [marks, proposal];
  keepMarks();
}

function keepMarks() {
  const index = frame.index;
  if (frame.marks) store.savedMarks[index] = frame.marks; else delete store.savedMarks[index];
  api.putMarks(index, frame.marks).catch(fail);
  emit("marks", "history");
}

export function accept(object) {
  const { proposal } = frame;
  if (!proposal) return;
  const { width } = store.clip, { box, mask } = proposal;
  const marks = [frame.marks, proposal];
  [frame.marks, frame.proposal] = [null, null];
  delete store.savedMarks[frame.index];
  edit({ left: 0, top: 0, right: width, bottom: store.clip.height }, (ids) => {
    for (let at = 0; at < ids.length; at++) if (ids[at] === object) ids[at] = 0;
    for (let y = 0; y < box.height; y++) {
      let at = (box.top + y) * width + box.left, from = y * box.width;
      for (let x = 0; x < box.width; x++, at++, from++) if (mask[from]) ids[at] = object;
    }
  });
  const step = done.at(-1);
  if (step?.kind === "ids" && step.index === frame.index) step.marks = marks;
  emit("marks", "history");
}

export const undo = () => turn(done, undone, "before", "touched", "marks");
export const redo = () => turn(undone, done, "after", "touchedAfter", "marksAfter");

async function turn(from, to, which, touched, marks) {
  const step = from.pop();
  if (!step) return;
  to.push(step);
  if (step.index !== frame.index) {
    set({ index: step.index });
    while (!(await load(step.index))) await new Promise((go) => setTimeout(go, 10));
  }
  if (step.kind === "ids") {
    paste(frame.ids, step.area, step[which]);
    frame.touched = new Set(step[touched]);
  }
  [frame.marks, frame.proposal] = step[marks];
  if (step.kind === "ids") save(); else keepMarks();
  emit("ids", "marks", "history");
}

// Take back what was painted on the frame; its propagated mask shows again. Undo paints it again.
export async function clearFrame() {
  const { width, height } = store.clip, index = frame.index;
  const area = { left: 0, top: 0, right: width, bottom: height };
  const before = frame.ids.slice(), touched = new Set(frame.touched), marks = [frame.marks, frame.proposal];
  await flush();
  learn(await api.dropMask(index));
  masks.drop(index);
  frame.index = -1;
  await load(index);
  frame.marks = frame.proposal = null;
  done.push({ kind: "ids", index, area, before, after: frame.ids.slice(), touched, touchedAfter: new Set(), marks, marksAfter: [null, null] });
  undone.length = 0;
  noteStale(index);
  emit("ids", "marks", "history");
}

export function learn(summary) {
  set({ anchors: summary.anchors, command: summary.command });
  if (Object.keys(summary.objects).some((id) => !(id in store.objects))) {
    set({ objects: { ...summary.objects, ...store.objects } });
  }
}

function save() {
  masks.put(frame.index, frame.ids);
  waiting.set(frame.index, { ids: frame.ids, touched: [...frame.touched] });
  noteStale(frame.index);
  emit("history", "saved");
  run();
}

async function run() {
  if (isSaving) return;
  isSaving = true;
  while (waiting.size) {
    const [index, { ids, touched }] = waiting.entries().next().value;
    waiting.delete(index);
    try {
      learn(await api.putMask(index, ids, touched));
    } catch (error) {
      if (!waiting.has(index)) waiting.set(index, { ids, touched });
      isSaving = false;
      fail(error);
      return;
    }
  }
  isSaving = false;
  emit("saved");
}

export async function flush() {
  run();
  while (!isSaved() && isSaving) await new Promise((go) => setTimeout(go, 20));
}

let fail = () => {};
export const onFailure = (listener) => { fail = listener; };
export const retry = run;

function each({ left, top, right, bottom }, visit) {
  const { width } = store.clip;
  for (let y = top, number = 0; y < bottom; y++) {
    for (let at = y * width + left, end = y * width + right; at < end; at++) visit(at, number++);
  }
}

function cut(ids, { left, top, right, bottom }) {
  const { width } = store.clip, part = new Uint8Array((right - left) * (bottom - top));
  for (let y = top; y < bottom; y++) part.set(ids.subarray(y * width + left, y * width + right), (y - top) * (right - left));
  return part;
}

function paste(ids, { left, top, right, bottom }, part) {
  const { width } = store.clip, across = right - left;
  for (let y = top; y < bottom; y++) ids.set(part.subarray((y - top) * across, (y - top + 1) * across), y * width + left);
}
