/** Items that are worked on without a pause. */
export const sliceItems = 500

/** Works on many items, a slice at a time. `pause` lets other requests and actors of the isolate go on between slices. */
export async function inSlices<T>(
  items: readonly T[],
  work: (item: T, index: number) => void,
  pause: () => Promise<void>,
): Promise<void> {
  for (const [index, item] of items.entries()) {
    if (index > 0 && index % sliceItems === 0) await pause()
    work(item, index)
  }
}
