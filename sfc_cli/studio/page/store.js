// What the page knows, and who wants to hear of changes.

export const store = {
  clip: { name: "", width: 1, height: 1, count: 1, read: 0, is_read: false, frames_per_second: 24 },
  objects: {}, colours: [], anchors: {}, savedMarks: {}, frames: {}, stale: new Set(),
  index: 0, current: 1, tool: "marks", brush: 14, takesAway: false, isObjectStroke: true,
  view: "overlay", opacity: 0.55, compares: false, direction: "forwards", command: "",
  isBusy: false, follows: true, isFollowing: true, isWriter: true, progress: {},
};

const listeners = new Map();

export function on(names, listener) {
  for (const name of names.split(" ")) listeners.set(name, [...(listeners.get(name) || []), listener]);
}

export function emit(...names) {
  const wanted = new Set(names.flatMap((name) => listeners.get(name) || []));
  for (const listener of wanted) listener();
}

export function set(changes) {
  Object.assign(store, changes);
  emit(...Object.keys(changes));
}

export const lastFrame = () => Math.max(0, (store.clip.is_read ? store.clip.read : store.clip.count) - 1);

export function colourOf(id) {
  const text = store.objects[id]?.colour;
  if (!text) return id === 255 ? [224, 224, 192] : [255, 255, 255];
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
}

// Frames that a new mask changes, by a rule of thumb: up to the next painted frame.
export function noteStale(index) {
  const painted = Object.keys(store.anchors).map(Number).filter((one) => one !== index);
  const next = Math.min(...painted.filter((one) => one > index), lastFrame() + 1);
  const last = Math.max(...painted.filter((one) => one < index), -1);
  const [begin, end] = {
    forwards: [index + 1, next], backwards: [last + 1, index], both: [last + 1, next],
  }[store.direction];
  for (let one = begin; one < end; one++) if (String(one) in store.frames) store.stale.add(one);
  emit("frames");
}
