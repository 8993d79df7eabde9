/** Things with an end, closed in the reverse order of their making. */
export interface Owned extends AsyncDisposable {
  /** Has `close` called when the owner ends. Returns what is owned. */
  add<T>(thing: T, close: (thing: T) => Promise<void>): T
}

/**
 * Collects what a command has started, for `await using`: the last started is closed first, each is closed even when
 * another fails, and the failures are thrown together.
 */
export function createOwned(): Owned {
  const closers: (() => Promise<void>)[] = []
  return {
    add(thing, close) {
      closers.push(() => close(thing))
      return thing
    },
    async [Symbol.asyncDispose]() {
      const failures: unknown[] = []
      for (const close of closers.toReversed()) await close().catch((error: unknown) => failures.push(error))
      if (failures.length > 0) throw new AggregateError(failures, 'not everything could be closed')
    },
  }
}
