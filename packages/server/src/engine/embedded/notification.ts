/** Calls a listener. What it throws is its own mistake: it becomes an uncaught exception and disturbs nothing here. */
export function notify<T>(callback: (value: T) => void, value: T): void {
  try {
    callback(value);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
