/** A value that is here already, or will be. */
export type Ready<T> = T | Promise<T>

/** Uses a value at once when it is here, so that nothing overtakes it; else when it arrives. */
export function whenReady<T, U>(value: Ready<T>, use: (value: T) => Ready<U>): Ready<U> {
  return value instanceof Promise ? value.then(use) : use(value)
}
