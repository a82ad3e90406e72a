/** A value that parts of the page watch. */
import { useEffect, useState } from "preact/hooks";

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
  const [, draw] = useState(0);
  useEffect(() => store.watch(() => draw((count) => count + 1)), [store]);
  return store.value;
}
