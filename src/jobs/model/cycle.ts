/** A job and the jobs it waits for, among those enqueued together. */
export interface Dependency {
  readonly id: string
  readonly after: readonly string[]
}

/** A cycle as the ids along it, or undefined: depth first, without recursion, each job visited once. */
export function findCycle(nodes: readonly Dependency[]): string[] | undefined {
  const after = new Map(nodes.map((node) => [node.id, node.after]))
  const settled = new Set<string>()
  for (const { id } of nodes) {
    const cycle = walk(id, after, settled)
    if (cycle !== undefined) return cycle
  }
  return undefined
}

function walk(from: string, after: ReadonlyMap<string, readonly string[]>, settled: Set<string>): string[] | undefined {
  const path = [{ id: from, next: 0 }]
  const onPath = new Set([from])
  while (path.length > 0) {
    const here = path.at(-1) ?? { id: from, next: 0 }
    const child = (after.get(here.id) ?? [])[here.next++]
    if (child === undefined || settled.has(here.id)) {
      settled.add(here.id)
      onPath.delete(here.id)
      path.pop()
    } else if (onPath.has(child)) {
      return [...path.slice(path.findIndex(({ id }) => id === child)).map(({ id }) => id), child]
    } else if (!settled.has(child)) {
      path.push({ id: child, next: 0 })
      onPath.add(child)
    }
  }
  return undefined
}
