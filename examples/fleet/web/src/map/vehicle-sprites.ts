const SIZE = 36;
const STEP_DEGREES = 5;
const HALF = SIZE / 2;

/** Pictures of vehicles, drawn once for each colour and heading: thousands are then copied in a few milliseconds. */
export class VehicleSprites {
  readonly #sprites = new Map<string, HTMLCanvasElement>();
  readonly #outline: string;
  readonly #pixelRatio: number;

  constructor(outline: string, pixelRatio: number) {
    this.#outline = outline;
    this.#pixelRatio = pixelRatio;
  }

  /** @param bearing degrees from north; null: not known, and shown as a dot */
  draw(
    context: CanvasRenderingContext2D,
    at: { readonly x: number; readonly y: number },
    colour: string,
    bearing: number | null,
  ): void {
    const step = bearing === null ? -1 : Math.round(bearing / STEP_DEGREES) % (360 / STEP_DEGREES);
    const key = `${colour}${step}`;
    let sprite = this.#sprites.get(key);
    if (!sprite) this.#sprites.set(key, (sprite = this.#paint(colour, step)));
    context.drawImage(sprite, Math.round(at.x - HALF), Math.round(at.y - HALF), SIZE, SIZE);
  }

  #paint(colour: string, step: number): HTMLCanvasElement {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIZE * this.#pixelRatio;
    const context = canvas.getContext("2d") as CanvasRenderingContext2D;
    context.scale(this.#pixelRatio, this.#pixelRatio);
    context.translate(HALF, HALF);
    context.fillStyle = colour;
    context.strokeStyle = this.#outline;
    context.lineWidth = 2;
    context.lineJoin = "round";
    context.beginPath();
    if (step === -1) context.arc(0, 0, 8, 0, 2 * Math.PI);
    else arrow(context, (step * STEP_DEGREES * Math.PI) / 180);
    context.fill();
    context.stroke();
    return canvas;
  }
}

function arrow(context: CanvasRenderingContext2D, angle: number): void {
  context.rotate(angle);
  context.moveTo(0, -14);
  context.lineTo(10, 11);
  context.lineTo(0, 6);
  context.lineTo(-10, 11);
  context.closePath();
}
