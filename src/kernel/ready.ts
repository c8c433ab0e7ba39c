/** Something that is there already, or will be. */
export type Ready<T> = T | Promise<T>

/** Uses a value at once when it is there, so that nothing overtakes it; else when it comes. */
export function whenReady<T, U>(value: Ready<T>, use: (value: T) => Ready<U>): Ready<U> {
  return value instanceof Promise ? value.then(use) : use(value)
}
