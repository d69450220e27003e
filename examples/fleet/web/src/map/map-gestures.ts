import type { MapView, ScreenPoint } from "./map-view.ts";

export interface GestureEvents {
  /** The view has changed. */
  readonly moved: () => void;
  /** A click or tap that was no drag. */
  readonly tapped: (at: ScreenPoint) => void;
  readonly doubleTapped: (at: ScreenPoint) => boolean;
}

const DRAG_FROM_PX = 5;
const KEY_STEP_PX = 80;
const WHEEL_STEPS_PER_PX = 1 / 300;

/** Moves a map view by mouse, touch, wheel and keys. Returns what takes the listeners off again. */
export function addMapGestures(element: HTMLElement, view: MapView, events: GestureEvents): () => void {
  const pointers = new Map<number, ScreenPoint>();
  let travelled = 0;

  const pointOf = (event: MouseEvent): ScreenPoint => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  const down = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    if (pointers.size === 0) travelled = 0;
    pointers.set(event.pointerId, pointOf(event));
  };

  const move = (event: PointerEvent): void => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = pointOf(event);
    travelled += Math.hypot(now.x - before.x, now.y - before.y);
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    pointers.set(event.pointerId, now);
    const other = others[0];
    if (other) pinch(view, before, now, other);
    else if (travelled > DRAG_FROM_PX) view.moveBy(now.x - before.x, now.y - before.y);
    else return;
    events.moved();
  };

  const up = (event: PointerEvent): void => {
    const last = pointers.get(event.pointerId);
    pointers.delete(event.pointerId);
    if (last && event.type === "pointerup" && pointers.size === 0 && travelled <= DRAG_FROM_PX)
      events.tapped(last);
  };

  const wheel = (event: WheelEvent): void => {
    event.preventDefault();
    view.zoomBy(-event.deltaY * WHEEL_STEPS_PER_PX, pointOf(event));
    events.moved();
  };

  const doubleClick = (event: MouseEvent): void => {
    if (events.doubleTapped(pointOf(event))) return;
    view.zoomBy(1, pointOf(event));
    events.moved();
  };

  const key = (event: KeyboardEvent): void => {
    const act = KEYS[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(view);
    events.moved();
  };

  const stopping = new AbortController();
  const { signal } = stopping;
  element.addEventListener("pointerdown", down, { signal });
  element.addEventListener("pointermove", move, { signal });
  element.addEventListener("pointerup", up, { signal });
  element.addEventListener("pointercancel", up, { signal });
  element.addEventListener("wheel", wheel, { signal, passive: false });
  element.addEventListener("dblclick", doubleClick, { signal });
  element.addEventListener("keydown", key, { signal });
  return () => stopping.abort();
}

const KEYS: Readonly<Record<string, (view: MapView) => void>> = {
  ArrowLeft: (view) => view.moveBy(KEY_STEP_PX, 0),
  ArrowRight: (view) => view.moveBy(-KEY_STEP_PX, 0),
  ArrowUp: (view) => view.moveBy(0, KEY_STEP_PX),
  ArrowDown: (view) => view.moveBy(0, -KEY_STEP_PX),
  "+": (view) => view.zoomBy(0.5),
  "=": (view) => view.zoomBy(0.5),
  "-": (view) => view.zoomBy(-0.5),
};

/** Two fingers: the distance between them zooms, their middle moves. */
function pinch(view: MapView, before: ScreenPoint, now: ScreenPoint, other: ScreenPoint): void {
  const distance = (point: ScreenPoint): number => Math.hypot(point.x - other.x, point.y - other.y);
  const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
  view.moveBy((now.x - before.x) / 2, (now.y - before.y) / 2);
  if (distance(before) > 0) view.zoomBy(Math.log2(Math.max(distance(now), 1) / distance(before)), middle);
}
