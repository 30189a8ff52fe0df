// Line icons, 24 × 24.

const paths = {
  marks: "M12 4c5 0 8 3 8 7s-3 8-8 8-8-3-8-7 3-8 8-8zM8.5 12.5c2-2 5-2 7-.5",
  brush: "M15 4l5 5-8.5 8.5-5-5zM6.5 12.5c-2.5 1-1.5 4-3.500 6 3 1.500 7 .5 8.500-1.500",
  eraser: "M8 19h12M5 14l8.500-8.500 5.500 5.500L11 19H8z",
  polygon: "M12 4l8 6-3 9H7l-3-9z",
  box: "M5 6h14v12H5z",
  fill: "M11 3l8 8-7 7-8-8zM4.500 10.500h13.500M20 15c1 1.600 1.500 2.500 1.500 3.300a1.500 1.500 0 0 1-3 0c0-.8.500-1.700 1.500-3.300z",
  hand: "M8 12V6a1.500 1.500 0 0 1 3 0v5V4.500a1.500 1.500 0 0 1 3 0V11V6a1.500 1.500 0 0 1 3 0v8c0 4-2 6.500-5.500 6.500-3 0-4-1.500-6.500-6-1-1.800 1-2.500 2-1.200z",
  undo: "M9 7L4 12l5 5M4 12h10a6 6 0 0 1 6 6",
  redo: "M15 7l5 5-5 5M20 12H10a6 6 0 0 0-6 6",
  help: "M9 9.500a3 3 0 1 1 4.500 2.600c-1 .6-1.500 1.200-1.500 2.400M12 18v.2",
  play: "M8 5l11 7-11 7z", pause: "M8 5v14M16 5v14",
  first: "M6 5v14M19 5l-10 7 10 7z", last: "M18 5v14M5 5l10 7-10 7z",
  back: "M15 5l-8 7 8 7", on: "M9 5l8 7-8 7",
  remove: "M6 6l12 12M18 6L6 18",
};

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg"), path = document.createElementNS(space, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", paths[name]);
  svg.append(path);
  return svg;
}

export const setIcon = (button, name) => button.replaceChildren(icon(name));
