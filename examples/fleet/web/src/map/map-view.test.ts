import fc from "fast-check";
import { expect, test } from "vitest";
import { MapView } from "./map-view.ts";
import { toMap, toPlace } from "./projection.ts";

const place = fc.record({
  lat: fc.double({ min: -85, max: 85, noNaN: true }),
  lon: fc.double({ min: -180, max: 180, noNaN: true }),
});
const NOTHING = { top: 0, right: 0, bottom: 0, left: 0 };

test("a place that goes to the map comes back", () => {
  fc.assert(
    fc.property(place, ({ lat, lon }) => {
      const back = toPlace(toMap(lat, lon));
      expect(back.lat).toBeCloseTo(lat, 8);
      expect(back.lon).toBeCloseTo(lon, 8);
    }),
  );
});

test("zooming leaves what is below the pointer where it is", () => {
  const view = new MapView();
  view.resize(800, 600);
  view.fit([toMap(53.4, -3), toMap(53.5, -2.8)], NOTHING);
  const pointer = { x: 123, y: 456 };
  const before = view.placeAt(pointer);
  view.zoomBy(1.5, pointer);
  const after = view.placeAt(pointer);
  expect(after.lat).toBeCloseTo(before.lat, 9);
  expect(after.lon).toBeCloseTo(before.lon, 9);
});

test("fitting shows every place within what the padding leaves", () => {
  const padding = { top: 10, right: 20, bottom: 30, left: 300 };
  fc.assert(
    fc.property(fc.array(place, { minLength: 1, maxLength: 20 }), (places) => {
      const view = new MapView();
      view.resize(1_000, 700);
      const points = places.map(({ lat, lon }) => toMap(lat, lon));
      view.fit(points, padding);
      if (view.zoom <= 2) return; // the whole world is wider than the screen
      for (const point of points) {
        const { x, y } = view.toScreen(point);
        expect(x).toBeGreaterThanOrEqual(299);
        expect(x).toBeLessThanOrEqual(981);
        expect(y).toBeGreaterThanOrEqual(9);
        expect(y).toBeLessThanOrEqual(671);
      }
    }),
  );
});
