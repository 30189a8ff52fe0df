// Puts the page together: opens the clip, follows what happens, and takes keys.

import * as api from "./api.js";
import { ahead, before, masks, pictures } from "./cache.js";
import * as painting from "./frame.js";
import { frame } from "./frame.js";
import { setIcon } from "./icons.js";
import * as panels from "./panels.js";
import * as player from "./player.js";
import { emit, lastFrame, on, set, store } from "./store.js";
import { unsureFrames } from "./timeline.js";
import * as tools from "./tools.js";
import { fit, redraw, zoomAt, canvas } from "./view.js";

const find = (selector) => document.querySelector(selector);
for (const [id, name] of Object.entries({ undo: "undo", redo: "redo", help: "help", "to-first": "first", "step-back": "back", play: "play", "step-on": "on", "to-last": "last" })) setIcon(find(`#${id}`), name);

// What went wrong, in one line, with something to do about it.
function say(text, { isBad = false, action = "Close", run = () => {} } = {}) {
  const banner = find("#banner");
  banner.hidden = false;
  banner.className = isBad ? "bad" : "";
  banner.firstElementChild.textContent = text;
  banner.lastElementChild.textContent = action;
  banner.lastElementChild.onclick = () => { banner.hidden = true; run(); };
}

function fail(error) {
  if (error.isTaken) { set({ isWriter: false }); return; }
  if (error.isRemark) { say(error.message); return; }
  const isUnsaved = !painting.isSaved();
  say(error.message, { isBad: true, ...(isUnsaved ? { action: "Save again", run: painting.retry } : {}) });
}
painting.onFailure(fail);
panels.onFailure(fail);

// Frames

on("index", show);
async function show() {
  const { index } = store;
  pictures.get(index).then(redraw, fail);
  try {
    if (await painting.load(index)) { emit("ids", "marks", "history"); if (!player.isPlaying()) ahead(index, 3); }
  } catch (error) { fail(error); }
}

on("index clip frames anchors stale", () => {
  const { clip, index } = store, seconds = index / clip.frames_per_second;
  const clock = `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(2).padStart(5, "0")}`;
  find("#moment").value = `${index} / ${lastFrame()}   ${clock}`;
  const sure = store.frames[index];
  find("#frame-note").textContent = index in store.anchors ? "painted" : sure == null ? "" : store.stale.has(index) ? "will change" : `sure to ${Math.round(sure * 100)} %`;
  find("#unsure").disabled = !unsureFrames().length;
});
on("clip", () => {
  const { clip } = store;
  find("#clip-name").textContent = clip.name;
  document.title = `${clip.name} – sfc studio`;
  find("#clip-facts").textContent = `${clip.width}×${clip.height}, ${clip.is_read ? `${clip.read} frames` : `reading, ${clip.read} of ${clip.count || "?"}`}`;
});
on("playing", () => setIcon(find("#play"), player.isPlaying() ? "pause" : "play"));
// Whoever moves or paints while frames are made stays where they are.
on("scrub", () => { if (player.isPlaying()) player.stop(); store.isFollowing = false; });

const step = (by) => { emit("scrub"); set({ index: Math.min(lastFrame(), Math.max(0, store.index + by)) }); };
find("#to-first").onclick = () => step(-1e9);
find("#to-last").onclick = () => step(1e9);
find("#step-back").onclick = () => step(-1);
find("#step-on").onclick = () => step(1);
find("#play").onclick = player.toggle;
const nextUnsure = () => {
  const found = unsureFrames();
  const next = found.find((index) => index > store.index) ?? found[0];
  if (next !== undefined) { emit("scrub"); set({ index: next }); }
};
find("#unsure").onclick = nextUnsure;

// Painting

on("history saved isWriter", () => {
  find("#undo").disabled = !painting.canUndo();
  find("#redo").disabled = !painting.canRedo();
  find("#saved").textContent = !store.isWriter ? "Watching" : painting.isSaved() ? "Saved" : "Saving…";
});
on("marks index", () => { find("#proposal").hidden = !frame.proposal; });
find("#undo").onclick = painting.undo;
find("#redo").onclick = painting.redo;
find("#accept").onclick = () => painting.accept(frame.marks?.object ?? store.current);
find("#discard").onclick = () => painting.setMarks(null, null);
find("#solve").onclick = () => solve();
on("solve", () => solve());

let solving = 0;
async function solve() {
  const number = ++solving, { index, marks } = frame;
  if (!marks) return;
  find("#hint").textContent = "Solving…";
  try {
    const proposal = await api.solve(index, marks);
    if (number === solving && frame.index === index && frame.marks === marks) painting.setMarks(marks, proposal, { isStep: false });
  } catch (error) { fail(error); }
  tools.showOptions();
}

// Messages of the server

const hear = {
  read(message) { set({ clip: { ...store.clip, read: message.read, count: message.count, is_read: message.is_read } }); if (message.problem) say(message.problem, { isBad: true }); if (message.is_read) refresh(); },
  plan({ total, done }) { set({ isBusy: true, progress: { total, done, began: performance.now() } }); },
  advance({ total, done }) { set({ progress: { ...store.progress, total, done } }); },
  frame({ frame: index, confidence }) {
    store.frames[index] = confidence;
    store.stale.delete(index);
    masks.drop(index);
    emit("frames");
    if (store.isFollowing && !player.isPlaying()) set({ index });
    else if (index === store.index && painting.isSaved()) show();
  },
  say({ text }) { find("#advice").textContent = text; },
  async done({ stopped, written }) {
    set({ isBusy: false, progress: {} });
    if (!stopped) { store.stale.clear(); panels.showWritten(written); }
    before.clear();
    await refresh();
  },
  error(message) {
    set({ isBusy: false, progress: {} });
    if (message.is_other_run) say(message.text, { isBad: true, action: "Replace them", run: () => panels.propagate({ replace: true }) });
    else say(message.text, { isBad: true });
    refresh();
  },
  busy() { set({ isBusy: true }); },
  active({ tab }) {
    const isWriter = tab === api.tab;
    if (isWriter !== store.isWriter) set({ isWriter });
    if (!isWriter) say("Another tab has taken over; this one only watches.", { action: "Paint here", run: () => api.takeOver().then(refresh, fail) });
    else find("#banner").hidden = true;
  },
  reload() { location.reload(); },
  ended() { say("sfc studio has ended. Everything is saved; start it again to go on.", { isBad: true }); },
};

async function refresh() {
  try {
    const state = await api.getState();
    set({ clip: state.clip, anchors: state.anchors, frames: state.frames, command: state.command, isBusy: state.is_busy });
    if (Object.keys(state.objects).length) set({ objects: state.objects });
    masks.clear();
    if (painting.isSaved()) await show();
  } catch (error) { fail(error); }
}

let isLost = false;
function connect() {
  api.listen({
    message(content) { hear[content.kind]?.(content); },
    lost() { if (!isLost) { isLost = true; say("The connection to sfc studio is lost. What was saved is safe; trying again…", { isBad: true }); } },
    found() { if (isLost) { isLost = false; find("#banner").hidden = true; refresh(); painting.retry(); } },
  });
}

// Keys

const keys = {
  " ": player.toggle, ArrowLeft: (event) => step(event.shiftKey ? -10 : -1), ArrowRight: (event) => step(event.shiftKey ? 10 : 1),
  Home: () => step(-1e9), End: () => step(1e9), n: nextUnsure, "?": () => find("#keys").showModal(),
  "[": () => set({ brush: Math.max(1, Math.round(store.brush / 1.25)) }), "]": () => set({ brush: Math.min(120, Math.ceil(store.brush * 1.25)) }),
  "+": () => zoomAt(1.25, canvas.clientWidth / 2, canvas.clientHeight / 2), "-": () => zoomAt(0.8, canvas.clientWidth / 2, canvas.clientHeight / 2), 0: fit,
  Enter: () => { if (!tools.closePolygon() && frame.proposal) find("#accept").click(); },
  Escape: () => { if (!tools.abandonPolygon() && frame.marks) find("#discard").click(); },
};
addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input[type=text]") || document.querySelector("dialog[open]");
  if (isTyping) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) {
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    if (key === "y" || event.shiftKey) painting.redo(); else painting.undo();
    return;
  }
  const run = keys[key] || (tools.keysOfTools[key] && (() => tools.choose(tools.keysOfTools[key]))) || (/^[1-9]$/.test(key) && (() => panels.chooseObject(key - 1)));
  if (!run || (key === " " && event.target.matches("button, summary")) || (key === "Enter" && event.target.matches("button, summary"))) return;
  if (event.target.matches("input[type=range]") && key.startsWith("Arrow")) return;
  event.preventDefault();
  run(event);
});
addEventListener("beforeunload", (event) => { if (!painting.isSaved()) event.preventDefault(); });
find("#help").onclick = () => find("#keys").showModal();

// Begin

async function begin() {
  const state = await api.getState();
  set({
    clip: state.clip, objects: state.objects, colours: state.colours, anchors: state.anchors, frames: state.frames, savedMarks: state.marks,
    direction: state.direction, command: state.command, isBusy: state.is_busy, progress: state.progress, view: store.view, tool: store.tool,
  });
  if (!Object.keys(store.objects).length) panels.addObject();
  else set({ current: Number(Object.keys(store.objects)[0]) });
  fit();
  emit("history");
  connect();
  await show();
  if (state.clip.problem) say(state.clip.problem, { isBad: true });
  if (state.was_restored && !sessionStorage.getItem(location.pathname)) {
    const painted = Object.keys(state.anchors).length;
    find("#found").textContent = `${painted} painted ${painted === 1 ? "frame" : "frames"}, ${Object.keys(state.frames).length} frames with masks.`;
    find("#welcome").showModal();
  }
  sessionStorage.setItem(location.pathname, "opened");
  document.body.dataset.ready = "true";
}
find("#start-over").onclick = async () => {
  try { painting.learn(await api.clear()); location.reload(); } catch (error) { fail(error); }
};
begin().catch(fail);
