/** Which events of its topic a consumer is done with: all up to `settled`, and those in `ranges` above it, in order. */
export interface Position {
  /** Raised by each seek: what was handed out before counts no longer. */
  readonly generation: number
  readonly settled: number
  readonly ranges: readonly (readonly [from: number, to: number])[]
  /** Events that were deleted by the topic before the consumer got them. */
  readonly skipped: number
}

export const startAfter = (offset: number, generation = 1): Position => ({
  generation,
  settled: offset,
  ranges: [],
  skipped: 0,
})

/** Whether the consumer is done with the event at this offset. */
export const isSettled = ({ settled, ranges }: Position, offset: number): boolean =>
  offset <= settled || ranges.some(([from, to]) => from <= offset && offset <= to)

/** The position with one more event settled. */
export function withSettled(position: Position, offset: number): Position {
  if (isSettled(position, offset)) return position
  const ranges = merged([...position.ranges, [offset, offset] as const])
  const [first] = ranges
  if (first === undefined || first[0] > position.settled + 1) return { ...position, ranges }
  return { ...position, settled: first[1], ranges: ranges.slice(1) }
}

/** The position without the events below `first`, which the topic no longer has. */
export function withFirst(position: Position, first: number): Position {
  if (first <= position.settled + 1) return position
  const known = position.ranges.reduce((sum, [from, to]) => sum + Math.max(0, Math.min(to, first - 1) - from + 1), 0)
  const skipped = position.skipped + (first - 1 - position.settled) - known
  const left = position.ranges
    .filter(([, to]) => to >= first)
    .map(([from, to]): readonly [number, number] => [Math.max(from, first), to])
  const [next] = left
  if (next !== undefined && next[0] === first) return { ...position, settled: next[1], ranges: left.slice(1), skipped }
  return { ...position, settled: first - 1, ranges: left, skipped }
}

function merged(ranges: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const result: (readonly [number, number])[] = []
  for (const [from, to] of ranges.toSorted(([one], [other]) => one - other)) {
    const last = result.at(-1)
    if (last !== undefined && from <= last[1] + 1) result[result.length - 1] = [last[0], Math.max(last[1], to)]
    else result.push([from, to])
  }
  return result
}
