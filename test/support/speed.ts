/** Whether `work` is done within `ms`, in the fifth run at the latest: on a loaded machine any one may have to wait for its core. */
export function isDoneWithin(ms: number, work: () => void): boolean {
  for (let run = 0; run < 5; run++) {
    const began = performance.now()
    work()
    if (performance.now() - began < ms) return true
  }
  return false
}
