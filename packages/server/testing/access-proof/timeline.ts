/** Numbers the moments of a run. */
export class Moments {
  #now = 0;

  get now(): number {
    return this.#now;
  }

  next(): number {
    return ++this.#now;
  }
}

interface Version<Value> {
  readonly value: Value;
  readonly from: number;
  to: number;
}

/**
 * What was so when. A change is asked for at one moment and surely in force at a later one: between them the value
 * before it may count as well.
 */
export class Timeline<Value> {
  readonly #moments: Moments;
  readonly #versions: Version<Value>[];

  constructor(moments: Moments, value: Value) {
    this.#moments = moments;
    this.#versions = [{ value, from: moments.now, to: Infinity }];
  }

  get now(): Value {
    return (this.#versions.at(-1) as Version<Value>).value;
  }

  /** Since when the present value may have been in force. */
  get since(): number {
    return (this.#versions.at(-1) as Version<Value>).from;
  }

  begin(value: Value): void {
    this.#versions.push({ value, from: this.#moments.next(), to: Infinity });
  }

  /** What was begun last has not come about. */
  retract(): void {
    this.#versions.pop();
  }

  /** What was begun is in force: nothing before it counts any more. */
  settle(): void {
    for (const version of this.#versions.slice(0, -1)) version.to = Math.min(version.to, this.#moments.now);
  }

  /** All that may have been in force at some moment of this span. */
  during(from: number, to: number): Value[] {
    return this.#versions
      .filter((version) => version.from <= to && version.to >= from)
      .map(({ value }) => value);
  }
}
