/** The map's colours and font, as the page's style sheet has them now. */
export interface MapPalette {
  readonly land: string;
  readonly road: string;
  readonly roadEdge: string;
  readonly text: string;
  readonly textHalo: string;
  readonly own: string;
  readonly shared: string;
  readonly stale: string;
  readonly outline: string;
  readonly track: string;
  readonly area: string;
  readonly areaFill: string;
  readonly font: string;
}

export function readPalette(element: HTMLElement): MapPalette {
  const style = getComputedStyle(element);
  const value = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    land: value("map-land"),
    road: value("map-road"),
    roadEdge: value("map-road-edge"),
    text: value("map-text"),
    textHalo: value("map-text-halo"),
    own: value("vehicle-own"),
    shared: value("vehicle-shared"),
    stale: value("vehicle-stale"),
    outline: value("vehicle-outline"),
    track: value("track"),
    area: value("area"),
    areaFill: value("area-fill"),
    font: style.fontFamily,
  };
}
