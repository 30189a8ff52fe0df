// Speaks with the server. Every address is relative: the token is part of the page's own.

export const tab = crypto.getRandomValues(new Uint32Array(2)).join("-");

export class Refused extends Error {
  constructor(status, content) {
    super(content.error || `The server answered ${status}.`);
    this.status = status;
    this.isTaken = Boolean(content.taken);
  }
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(`api/${path}`, { ...options, headers: { ...options.headers, "x-studio-tab": tab } });
  } catch {
    throw new Refused(0, { error: "The connection to sfc studio is lost. What was saved is safe." });
  }
  if (response.ok) return response;
  const text = await response.text();
  let content = { error: text };
  try { content = JSON.parse(text); } catch { /* plain text says it, too */ }
  throw new Refused(response.status, content);
}

const asJson = (method, content) => ({
  method, body: JSON.stringify(content), headers: { "content-type": "application/json" },
});

export const getState = async () => (await ask("state")).json();
export const putObjects = (objects) => ask("objects", asJson("PUT", objects));
export const putMarks = (index, marks) => ask(`marks/${index}`, asJson("PUT", marks));
export const propagate = async (content) => (await ask("propagate", asJson("POST", content))).json();
export const stop = () => ask("stop", { method: "POST" });
export const clear = async () => (await ask("clear", { method: "POST" })).json();
export const takeOver = () => ask("active", { method: "POST" });
export const dropMask = async (index) => (await ask(`masks/${index}`, { method: "DELETE" })).json();

export async function getMask(index, which = "shown") {
  const response = await ask(`masks/${index}?which=${which}`);
  return response.status === 204 ? null : new Uint8Array(await response.arrayBuffer());
}

export async function putMask(index, ids, objects) {
  const body = await packed(ids);
  return (await ask(`masks/${index}?objects=${objects.join(",")}`, { method: "PUT", body })).json();
}

async function packed(ids) {
  if (!("CompressionStream" in window)) return ids;
  return new Response(new Blob([ids]).stream().pipeThrough(new CompressionStream("gzip"))).blob();
}

export async function solve(index, marks) {
  const response = await ask(`solve/${index}`, asJson("POST", marks));
  const [left, top, width, height] = response.headers.get("x-box").split(",").map(Number);
  return { box: { left, top, width, height }, mask: new Uint8Array(await response.arrayBuffer()) };
}

export async function importMask(index, file) {
  const body = await file.arrayBuffer();
  return (await ask(`import/${index}?name=${encodeURIComponent(file.name)}`, { method: "POST", body })).json();
}

export async function getPicture(index, isFull = false) {
  return createImageBitmap(await (await ask(`frames/${index}${isFull ? "?full=1" : ""}`)).blob());
}

// Messages as they happen; `lost` and `found` follow the connection.
export function listen({ message, lost, found }) {
  const source = new EventSource(`api/events?tab=${tab}`);
  source.onmessage = (event) => {
    const content = JSON.parse(event.data);
    if (content.kind === "ended") source.close();
    message(content);
  };
  source.onopen = found;
  source.onerror = lost;
  addEventListener("pagehide", () => navigator.sendBeacon(`api/bye?tab=${tab}`));
}
