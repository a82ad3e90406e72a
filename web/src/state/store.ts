/** A value that parts of the page watch. */
import { useLayoutEffect, useState } from "preact/hooks";

export class Store<T> {
  private readonly watchers = new Set<() => void>();

  constructor(private held: T) {}

  get value(): T {
    return this.held;
  }

  set(value: T): void {
    if (value === this.held) return;
    this.held = value;
    for (const watch of [...this.watchers]) watch();
  }

  watch(act: () => void): () => void {
    this.watchers.add(act);
    return () => this.watchers.delete(act);
  }
}

export function useStore<T>(store: Store<T>): T {
  const [, draw] = useState<T>(store.value);
  useLayoutEffect(() => {
    const look = (): void => draw(() => store.value);
    const stop = store.watch(look);
    // It may have changed since it was drawn, before it was watched.
    look();
    return stop;
  }, [store]);
  return store.value;
}
