let resolveOfPromise: (value: never) => void;
let rejectOfPromise: (error: Error) => void;

/** One function for all promises: a closure for each would cost more than the promise. */
function capture(resolve: (value: never) => void, reject: (error: Error) => void): void {
  resolveOfPromise = resolve;
  rejectOfPromise = reject;
}

/** A promise with the two functions that settle it. */
export class Settlement<T> {
  readonly promise: Promise<T> = new Promise<T>(capture);
  readonly resolve: (value: T) => void = resolveOfPromise as (value: T) => void;
  readonly reject: (error: Error) => void = rejectOfPromise;
}
