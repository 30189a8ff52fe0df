// Pixels of the tools: a brush along a line, shapes, and filling.

import { edit } from "./frame.js";
import { store } from "./store.js";

// Put `id` on all pixels within `size / 2` of the line; `onlyFrom` limits it to pixels of one id.
export function stampLine([x0, y0], [x1, y1], size, id) {
  const radius = size / 2, square = radius * radius, { width } = store.clip;
  const box = {
    left: Math.min(x0, x1) - radius, right: Math.max(x0, x1) + radius + 1,
    top: Math.min(y0, y1) - radius, bottom: Math.max(y0, y1) + radius + 1,
  };
  const dx = x1 - x0, dy = y1 - y0, length = dx * dx + dy * dy;
  edit(box, (ids, { left, top, right, bottom }) => {
    for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) {
      const px = x + 0.5 - x0, py = y + 0.5 - y0;
      const along = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
      const qx = px - along * dx, qy = py - along * dy;
      if (qx * qx + qy * qy <= square) put(ids, y * width + x, id);
    }
  });
}

// What takes away (id 0) takes from the current object alone, unless it is the eraser.
let takesFrom = 0;
export function takeFrom(id) { takesFrom = id; }
function put(ids, at, id) { if (id || !takesFrom || ids[at] === takesFrom) ids[at] = id; }

export function fillShape(points, id) {
  const xs = points.map(([x]) => x), ys = points.map(([, y]) => y);
  const box = { left: Math.min(...xs), top: Math.min(...ys), right: Math.max(...xs) + 1, bottom: Math.max(...ys) + 1 };
  const { width } = store.clip;
  edit(box, (ids, { left, top, right, bottom }) => {
    const canvas = new OffscreenCanvas(right - left, bottom - top), context = canvas.getContext("2d");
    context.translate(-left, -top);
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x, y);
    context.fill();
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    for (let y = top, from = 3; y < bottom; y++) for (let x = left; x < right; x++, from += 4) {
      if (data[from] >= 128) put(ids, y * width + x, id);
    }
  });
}

// Give the connected pixels of one id another.
export function floodFill([x, y], id) {
  const { width, height } = store.clip;
  const begin = Math.floor(y) * width + Math.floor(x);
  if (x < 0 || y < 0 || x >= width || y >= height) return;
  edit({ left: 0, top: 0, right: width, bottom: height }, (ids) => {
    const from = ids[begin];
    if (from === id) return;
    const stack = [begin];
    while (stack.length) {
      let at = stack.pop();
      if (ids[at] !== from) continue;
      const row = at - (at % width);
      let left = at, right = at;
      while (left > row && ids[left - 1] === from) left--;
      while (right < row + width - 1 && ids[right + 1] === from) right++;
      for (at = left; at <= right; at++) {
        ids[at] = id;
        if (at >= width && ids[at - width] === from) stack.push(at - width);
        if (at + width < ids.length && ids[at + width] === from) stack.push(at + width);
      }
    }
  });
}
