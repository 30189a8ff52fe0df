// Pictures and masks of frames that were shown lately, and those that come next.

import * as api from "./api.js";
import { store } from "./store.js";

const MOST_BYTES = 160e6;

class Cache {
  constructor(load, bytes) { this.load = load; this.bytes = bytes; this.held = new Map(); this.asked = new Map(); }

  peek(key) {
    const value = this.held.get(key);
    if (value !== undefined) { this.held.delete(key); this.held.set(key, value); }
    return value;
  }

  get(key) {
    if (this.held.has(key)) return Promise.resolve(this.peek(key));
    if (this.asked.has(key)) return this.asked.get(key);
    const promise = this.load(key).then((value) => {
      if (this.asked.get(key) === promise) { this.asked.delete(key); this.put(key, value); }
      return value;
    }, (error) => { if (this.asked.get(key) === promise) this.asked.delete(key); throw error; });
    this.asked.set(key, promise);
    return promise;
  }

  put(key, value) {
    this.held.delete(key);
    this.held.set(key, value);
    const most = Math.max(8, Math.floor(MOST_BYTES / this.bytes()));
    while (this.held.size > most) {
      const [oldest, old] = this.held.entries().next().value;
      this.held.delete(oldest);
      if (old?.close) old.close();
    }
  }

  drop(key) { this.held.delete(key); this.asked.delete(key); }
  clear() { this.held.clear(); this.asked.clear(); }
}

const pixels = () => store.clip.width * store.clip.height;
const shownPixels = () => pixels() * Math.min(1, 1280 / Math.max(store.clip.width, store.clip.height)) ** 2;

export const pictures = new Cache((index) => api.getPicture(index), () => 4 * shownPixels());
export const fullPictures = new Cache((index) => api.getPicture(index, true), () => 16 * pixels());
export const masks = new Cache((index) => api.getMask(index), pixels);
export const before = new Cache((index) => api.getMask(index, "before"), pixels);

export function ahead(index, count) {
  for (let next = index + 1; next <= Math.min(index + count, store.clip.read - 1); next++) {
    pictures.get(next).catch(() => {});
    masks.get(next).catch(() => {});
  }
}
