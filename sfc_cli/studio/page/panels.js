// The panels at the side: objects, propagation, view, export.

import * as api from "./api.js";
import { before, masks } from "./cache.js";
import { clearFrame, flush, frame, learn, load } from "./frame.js";
import { icon } from "./icons.js";
import { emit, noteStale, on, set, store } from "./store.js";

const find = (selector) => document.querySelector(selector);
let fail = () => {};
export const onFailure = (listener) => { fail = listener; };
const attempt = (work) => async (...given) => { try { await work(...given); } catch (error) { fail(error); } };

// Objects

on("objects current", showObjects);
export function showObjects() {
  const ids = Object.keys(store.objects).map(Number).sort((one, two) => one - two);
  find("#objects").replaceChildren(...ids.map((id, number) => objectRow(id, number)));
}

function objectRow(id, number) {
  const row = document.createElement("li"), colour = document.createElement("input"), name = document.createElement("input");
  row.setAttribute("aria-current", id === store.current);
  row.onclick = () => set({ current: id });
  Object.assign(colour, { type: "color", value: store.objects[id].colour, title: "Colour on this page" });
  Object.assign(name, { type: "text", value: store.objects[id].name, maxLength: 100 });
  name.setAttribute("aria-label", `Name of object ${id}`);
  colour.onchange = () => change(id, { colour: colour.value });
  name.onchange = () => change(id, { name: name.value || `Object ${id}` });
  row.append(colour, name);
  if (number < 9) { const key = document.createElement("kbd"); key.textContent = number + 1; row.append(key); }
  const isUsed = Object.values(store.anchors).some((objects) => objects.includes(id));
  if (!isUsed && Object.keys(store.objects).length > 1) {
    const remove = document.createElement("button");
    remove.title = "Remove";
    remove.setAttribute("aria-label", `Remove object ${id}`);
    remove.append(icon("remove"));
    remove.onclick = (event) => { event.stopPropagation(); dropObject(id); };
    row.append(remove);
  }
  return row;
}

const keepObjects = attempt(() => api.putObjects(store.objects));

function change(id, changes) {
  set({ objects: { ...store.objects, [id]: { ...store.objects[id], ...changes } } });
  keepObjects();
}

function dropObject(id) {
  const { [id]: _, ...objects } = store.objects;
  set({ objects, current: Number(Object.keys(objects)[0]) });
  keepObjects();
}

export function addObject() {
  let id = 1;
  while (store.objects[id]) id++;
  if (id > 254) { fail(new Error("There are 254 objects at most.")); return; }
  set({ objects: { ...store.objects, [id]: { name: `Object ${id}`, colour: store.colours[id - 1] } }, current: id });
  keepObjects();
}

export function chooseObject(number) {
  const id = Object.keys(store.objects).map(Number).sort((one, two) => one - two)[number];
  if (id !== undefined) set({ current: id });
}

find("#add-object").onclick = addObject;
find("#clear-frame").onclick = attempt(clearFrame);
find("#import").onchange = attempt(async (event) => {
  const [file] = event.target.files, index = store.index;
  event.target.value = "";
  if (!file) return;
  await flush();
  const found = await api.importMask(index, file);
  masks.drop(index);
  learn(found);
  frame.index = -1;
  await load(index);
  noteStale(index);
  emit("ids", "marks");
  if (found.remarks.length) fail(Object.assign(new Error(found.remarks.join(" ")), { isRemark: true }));
});

// Propagation

for (const [group, key] of [["#direction", "direction"], ["#view", "view"]]) {
  find(group).onclick = (event) => { const { value } = event.target.dataset; if (value) set({ [key]: value }); };
  const show = () => { for (const button of find(group).children) button.setAttribute("aria-checked", button.dataset.value === store[key]); };
  on(key, show);
}

export const propagate = attempt(async (extras = {}) => {
  await flush();
  learn(await api.propagate({ direction: store.direction, ...extras }));
  before.clear();
  find("#written").replaceChildren();
  set({ isBusy: true, isFollowing: store.follows, progress: { began: performance.now() } });
});
find("#propagate").onclick = () => propagate();
find("#stop").onclick = attempt(api.stop);
find("#follow").onchange = (event) => set({ follows: event.target.checked, isFollowing: event.target.checked });

on("isBusy progress isWriter anchors", showProgress);
export function showProgress() {
  const { total, done = 0, began } = store.progress;
  find("#propagate").hidden = store.isBusy;
  find("#propagate").disabled = find("#export").disabled = store.isBusy || !store.isWriter || !Object.keys(store.anchors).length;
  find("#stop").hidden = find("#progress").hidden = !store.isBusy;
  const bar = find("#progress progress");
  if (total) bar.value = done / total; else bar.removeAttribute("value");
  const rate = done > 1 && began ? (done - 1) / ((performance.now() - began) / 1000) : 0;
  const left = rate && total ? Math.ceil((total - done) / rate) : null;
  find("#progress span").textContent = !total ? "Loading the network…"
    : `${done} of ${total} frames${left === null ? "" : `, ${left > 90 ? `${Math.round(left / 60)} min` : `${left} s`} left`}`;
}

// View

find("#opacity").oninput = (event) => set({ opacity: Number(event.target.value) });
find("#compare").onchange = (event) => { before.clear(); set({ compares: event.target.checked }); };

// Export

find("#export").onclick = () => propagate({
  overlay: find("#export-film").checked ? "video" : null,
  cutout: find("#export-cutout").checked, coco: find("#export-coco").checked,
});
on("command direction", () => { find("#command code").textContent = store.command || "Paint an object first."; });
find("#copy").onclick = attempt(async () => {
  await navigator.clipboard.writeText(store.command);
  find("#copy").textContent = "Copied";
  setTimeout(() => { find("#copy").textContent = "Copy"; }, 1500);
});

export function showWritten(paths) {
  find("#written").replaceChildren(...paths.map((path) => { const item = document.createElement("li"); item.textContent = path; return item; }));
}
