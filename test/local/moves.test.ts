import { expect, test } from 'vitest'
import { drainShard, progressOf, type MovingOperator } from '../../local/moves.ts'
import type { MoveView } from '../../src/protocol/moves-api.ts'

const view: MoveView = {
  from: 'eu1',
  to: 'eu2',
  serving: 'eu1',
  state: 'starting',
  isReversing: false,
  isPaused: false,
  table: null,
  rows: { estimated: 1_000_000, copied: 0, perSecond: 0, caughtUp: 0, compared: 0, differing: 0, deleted: 0 },
  differingIn: [],
  pauseMs: 0,
  fences: 0,
  startedAt: 0,
  switchedAt: null,
  endedAt: null,
  failures: 0,
  nextAt: 0,
  error: null,
}

test('a line says how far a move is, and why it does not go on', () => {
  const copying = {
    ...view,
    state: 'copying',
    table: 'messages',
    rows: { ...view.rows, copied: 25_000, perSecond: 18_400 },
  } as const
  expect(progressOf('acme', copying)).toBe(
    'acme: eu1 → eu2, copying, messages, 25,000 of 1,000,000 rows, 18,400 a second',
  )
  const failing = { ...view, state: 'fenced', pauseMs: 31, isPaused: true, error: 'eu2: is read-only' } as const
  expect(progressOf('acme', failing)).toBe(
    'acme: eu1 → eu2, fenced (paused), writes waited 31 ms, FAILED, tried again: eu2: is read-only',
  )
})

/** Moves go one state further each time they are looked at. */
class FakeOperator implements MovingOperator {
  readonly moves = new Map<string, MoveView>()
  readonly confirmed: string[] = []
  underWay = 0
  most = 0
  readonly tenants: readonly string[]

  constructor(tenants: readonly string[]) {
    this.tenants = tenants
  }

  async *tenantsOn(): AsyncGenerator<string> {
    yield* this.tenants
  }

  async startMove(tenant: string): Promise<MoveView> {
    if (tenant === 'suspended') throw new Error('id: the tenant is suspended')
    this.underWay++
    this.most = Math.max(this.most, this.underWay)
    this.moves.set(tenant, view)
    return view
  }

  async lastMove(tenant: string): Promise<MoveView | undefined> {
    const move = this.moves.get(tenant)
    if (move === undefined) return undefined
    const next =
      move.state === 'starting'
        ? ({ ...move, state: 'awaiting-confirmation', serving: 'eu2' } as const)
        : move.state === 'clearing'
          ? ({ ...move, state: 'confirmed', endedAt: 1 } as const)
          : move
    if (next.endedAt !== null && move.endedAt === null) this.underWay--
    this.moves.set(tenant, next)
    return next
  }

  async decideMove(tenant: string): Promise<MoveView> {
    this.confirmed.push(tenant)
    const move = { ...view, state: 'clearing', serving: 'eu2' } as const
    this.moves.set(tenant, move)
    return move
  }
}

const options = { order: {}, parallel: 2, isConfirmed: true, wait: async () => undefined }

test('a shard is drained a few tenants at one time, and a tenant that cannot be moved stops no other', async () => {
  const operator = new FakeOperator(['a', 'b', 'suspended', 'c', 'd'])
  const lines: string[] = []
  const result = await drainShard(operator, 'eu1', { ...options, report: (line) => lines.push(line) })
  expect(result).toEqual({ moved: 4, failed: 1 })
  expect(operator.most).toBe(2)
  expect(operator.confirmed.toSorted()).toEqual(['a', 'b', 'c', 'd'])
  expect(lines).toContainEqual(expect.stringMatching(/^\[\d\/5\] suspended: FAILED: .*is suspended/))
  expect(lines.at(-1)).toBe('eu1: 4 of 5 tenants moved, 1 failed')
})

test('a shard that is drained without a confirmation keeps the rows, and a repeated run follows moves under way', async () => {
  const operator = new FakeOperator(['a'])
  const drain = () => drainShard(operator, 'eu1', { ...options, isConfirmed: false, report: () => undefined })
  expect(await drain()).toEqual({ moved: 1, failed: 0 })
  expect(await drain()).toEqual({ moved: 1, failed: 0 })
  expect([operator.confirmed, operator.most]).toEqual([[], 1])
})
