// Plays the clip at its own rate, dropping frames that come too late.

import { ahead, masks, pictures } from "./cache.js";
import { emit, lastFrame, set, store } from "./store.js";

let timer = null, begun = 0, from = 0;
export const isPlaying = () => timer !== null;

export function toggle() { if (isPlaying()) stop(); else play(); }

export function play() {
  if (store.index >= Math.min(lastFrame(), store.clip.read - 1)) set({ index: 0 });
  begun = performance.now();
  from = store.index;
  timer = requestAnimationFrame(next);
  emit("playing");
}

export function stop() {
  if (timer !== null) cancelAnimationFrame(timer);
  timer = null;
  emit("playing");
}

function next(time) {
  const due = from + Math.floor(((time - begun) / 1000) * store.clip.frames_per_second);
  const last = Math.min(lastFrame(), store.clip.read - 1);
  ahead(store.index, 10);
  const wanted = Math.min(due, last);
  if (wanted > store.index) {
    // What is not there yet holds the film, not the page.
    let index = wanted;
    while (index > store.index && !(pictures.peek(index) && masks.peek(index) !== undefined)) index--;
    if (index > store.index) set({ index });
    else { from = store.index; begun = time; }
  }
  if (store.index >= last) { stop(); return; }
  timer = requestAnimationFrame(next);
}
