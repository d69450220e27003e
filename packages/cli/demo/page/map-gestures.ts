import type { RouteMap } from "./route-map.ts";

/** Dragging with one pointer, pinching with two, the wheel. */
export function addMapGestures(root: SVGSVGElement, map: RouteMap): void {
  const pointers = new Map<number, PointerEvent>();
  let pinch = 0;

  root.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, event);
    pinch = spread([...pointers.values()]);
  });
  root.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const isClick =
      Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY) < 4 &&
      !root.hasPointerCapture(event.pointerId);
    if (isClick) return;
    root.setPointerCapture(event.pointerId);
    root.classList.add("dragging");
    pointers.set(event.pointerId, event);
    if (pointers.size === 1) map.pan(event.clientX - before.clientX, event.clientY - before.clientY);
    const wider = spread([...pointers.values()]);
    if (pointers.size === 2 && pinch > 0 && wider > 0)
      map.zoom(wider / pinch, middle(root, [...pointers.values()]));
    pinch = wider;
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"] as const) {
    root.addEventListener(end, (event) => {
      pointers.delete(event.pointerId);
      root.classList.remove("dragging");
    });
  }
  root.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const { left, top } = root.getBoundingClientRect();
      map.zoom(Math.exp(-event.deltaY * 0.0016), { x: event.clientX - left, y: event.clientY - top });
    },
    { passive: false },
  );
}

function spread([a, b]: readonly PointerEvent[]): number {
  return a && b ? Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) : 0;
}

function middle(root: SVGSVGElement, [a, b]: readonly PointerEvent[]): { x: number; y: number } {
  const { left, top } = root.getBoundingClientRect();
  return {
    x: ((a?.clientX ?? 0) + (b?.clientX ?? 0)) / 2 - left,
    y: ((a?.clientY ?? 0) + (b?.clientY ?? 0)) / 2 - top,
  };
}
