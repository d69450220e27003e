import type { PageSettings } from "weir-fleet/contract";
import type { MapView } from "./map-view.ts";

const TILE = 256;
const MAX_KEPT = 300;
const MAX_TILE_ZOOM = 19;

/** Pictures from a tile server, where one is configured. What cannot be fetched is left out: the map works without. */
export class MapTiles {
  readonly #url: string;
  readonly #loaded: () => void;
  readonly #images = new Map<string, HTMLImageElement>();

  constructor({ url }: NonNullable<PageSettings["tiles"]>, loaded: () => void) {
    this.#url = url;
    this.#loaded = loaded;
  }

  paint(context: CanvasRenderingContext2D, view: MapView): void {
    const zoom = Math.min(Math.round(view.zoom), MAX_TILE_ZOOM);
    const count = 2 ** zoom;
    const size = view.scale / count;
    const first = view.fromScreen({ x: 0, y: 0 });
    const last = view.fromScreen({ x: view.width, y: view.height });
    for (let y = Math.max(Math.floor(first.y * count), 0); y <= Math.min(last.y * count, count - 1); y++)
      for (let x = Math.floor(first.x * count); x <= last.x * count; x++) {
        const image = this.#image(zoom, ((x % count) + count) % count, y);
        const isThere = image.complete && image.naturalWidth > 0;
        if (isThere)
          context.drawImage(image, view.screenX(x / count), view.screenY(y / count), size + 0.5, size + 0.5);
      }
  }

  #image(zoom: number, x: number, y: number): HTMLImageElement {
    const key = `${zoom}/${x}/${y}`;
    let image = this.#images.get(key);
    if (image) return image;
    image = new Image(TILE, TILE);
    image.addEventListener("load", this.#loaded);
    image.src = this.#url.replace("{z}", String(zoom)).replace("{x}", String(x)).replace("{y}", String(y));
    this.#images.set(key, image);
    const oldest = this.#images.keys().next().value;
    if (this.#images.size > MAX_KEPT && oldest !== undefined) this.#images.delete(oldest);
    return image;
  }
}
