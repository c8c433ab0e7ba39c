import type { MoveAction, MoveAnswer, Phase, Placed } from '../../src/tenants/move.ts'

type Fence = Extract<MoveAction, { kind: 'fence' }>
/** Rows as they were read under a fence; undefined where they were deleted. */
type Read = ReadonlyMap<string, number | undefined>

interface Shard {
  phase: Phase
  step: number
  placed: Placed | undefined
  readonly rows: Map<string, number>
  readonly notes: Set<string>
}

const empty = (): Shard => ({ phase: 'closed', step: 0, placed: undefined, rows: new Map(), notes: new Set() })

/** Two shards as a move sees them: what migrations/shard/0005_moves.sql promises, in memory. */
export class ShardPair {
  readonly shards: Readonly<Record<string, Shard>> = { a: empty(), b: empty() }

  constructor() {
    this.at('a').placed = { epoch: 1, state: 'active' }
  }

  at(shard: string): Shard {
    const found = this.shards[shard]
    if (found === undefined) throw new Error(`no shard ${shard}`)
    return found
  }

  /** A writer with that placement writes a row. False when the shard refuses. */
  write({ shard, epoch }: { readonly shard: string; readonly epoch: number }, row: string, value: number): boolean {
    const { placed, phase, rows, notes } = this.at(shard)
    if (placed?.state !== 'active' || placed.epoch !== epoch || phase === 'fenced' || phase === 'arriving') return false
    rows.set(row, value)
    if (phase === 'noting') notes.add(row)
    return true
  }

  /** Does an action whole, as its transactions do. Throws what a shard refuses. */
  act(action: MoveAction, step: number): MoveAnswer {
    switch (action.kind) {
      case 'open':
        if (this.at(action.other).rows.size > 0) throw new Error('it holds rows')
        this.#begin(action.other, step, 'arriving')
        this.#place(action.other, { epoch: action.epoch, state: 'moving' })
        this.#begin(action.home, step, 'noting')
        return { kind: 'opened', horizon: '1', estimated: this.at(action.home).rows.size }
      case 'settle':
        return { kind: 'settled', isSettled: true }
      case 'copy':
        return this.#copy(action, step)
      case 'carry':
        return this.#carry(action, step)
      case 'compare':
        return { kind: 'compared', rows: 1, cursor: null, differing: 0, differingIn: [] }
      case 'fence': {
        const read = this.fence(action, step)
        if (read === undefined) return { kind: 'fenced', rows: 0, isSwitched: false }
        this.switch(action, step, read)
        return { kind: 'fenced', rows: read.size, isSwitched: true }
      }
      case 'place':
        this.#begin(action.shard, step, action.phase)
        if (action.placed !== undefined) this.#place(action.shard, action.placed)
        if (action.phase === 'closed' || action.phase === 'arriving') this.at(action.shard).notes.clear()
        return { kind: 'done' }
      case 'clear': {
        this.#begin(action.other, step)
        const { rows } = this.at(action.other)
        const before = rows.size
        rows.clear()
        return { kind: 'cleared', rows: before, cursor: null }
      }
    }
  }

  /** The part of a fence at the shard that is left; undefined with more notes than one. */
  fence({ home, epoch }: Fence, step: number): Read | undefined {
    this.#begin(home, step, 'fenced')
    this.#place(home, { epoch, state: 'moving' })
    const { notes, rows } = this.at(home)
    return notes.size > 1 ? undefined : new Map([...notes].map((row) => [row, rows.get(row)]))
  }

  /** Its part at the other shard. */
  switch({ other, epoch, phase }: Fence, step: number, read: Read): void {
    this.#begin(other, step, 'arriving')
    for (const [row, value] of read) this.#copyRow(other, row, value)
    this.#begin(other, step, phase, true)
    this.#place(other, { epoch, state: 'active' })
  }

  #copyRow(shard: string, row: string, value: number | undefined): void {
    if (value === undefined) this.at(shard).rows.delete(row)
    else this.at(shard).rows.set(row, value)
  }

  #begin(shard: string, step: number, phase?: Phase, isBegun = false): void {
    const found = this.at(shard)
    if (step < found.step || (step === found.step && !isBegun)) throw new Error('a later step has begun')
    Object.assign(found, { step, phase: phase ?? found.phase })
  }

  #place(shard: string, placed: Placed): void {
    const found = this.at(shard)
    if ((found.placed?.epoch ?? 0) <= placed.epoch) found.placed = placed
  }

  /** All rows are in the first table; one is copied at a time. */
  #copy({ home, other, table, cursor }: Extract<MoveAction, { kind: 'copy' }>, step: number): MoveAnswer {
    const next = [...this.at(home).rows]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .find(([row]) => cursor === null || row > cursor)
    if (table > 0 || next === undefined) return { kind: 'copied', rows: 0, cursor: null }
    this.#begin(other, step)
    const [row, value] = next
    if (!this.at(other).rows.has(row)) this.at(other).rows.set(row, value)
    return { kind: 'copied', rows: 1, cursor: row }
  }

  #carry({ home, other }: Extract<MoveAction, { kind: 'carry' }>, step: number): MoveAnswer {
    const { notes, rows } = this.at(home)
    const [row] = notes
    if (row === undefined) return { kind: 'carried', read: 0, rows: 0, unequal: 0, isMore: false }
    this.#begin(other, step)
    this.#copyRow(other, row, rows.get(row))
    this.#begin(home, step)
    notes.delete(row)
    return { kind: 'carried', read: 1, rows: 1, unequal: 0, isMore: notes.size > 0 }
  }
}
