import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  afterAnswer,
  afterFailure,
  begun,
  decide,
  dueAt,
  isEnded,
  movedTables,
  nextAction,
  placementOf,
  startMove,
  stateOf,
  storedMove,
  viewOf,
  type Move,
  type MoveAction,
  type MoveAnswer,
  type MoveDecision,
} from '../../src/tenants/move.ts'
import { ShardPair } from '../support/shard-pair.ts'

const request = {
  order: { to: 'b', rowsPerSecond: 1000 },
  placement: { shard: 'a', epoch: 1 },
  state: 'active',
  before: undefined,
  now: 0,
} as const

function started(more: Partial<Parameters<typeof startMove>[0]> = {}): Move {
  const move = startMove({ ...request, ...more })
  if ('kind' in move) throw new Error(move.detail)
  return move
}

/** A move that goes on by steps over two shards in memory, each step with the fate that it is given. */
class Story {
  readonly shards = new ShardPair()
  move = started()
  now = 0
  /** Parts of steps that were begun and may still arrive. */
  readonly late: (() => void)[] = []
  /** Placements that the record of the tenant has had, which are those that writers know. */
  readonly #placements = new Set<string>()
  readonly truth = new Map<string, number>()
  #known = placementOf(this.move)
  #value = 0

  step(fate: StepFate): void {
    const at = dueAt(this.move)
    if (at === undefined) return
    this.now = Math.max(this.now + 1, at)
    const move = begun(this.move, this.now)
    const action = nextAction(move)
    if (action === undefined) return
    // What is stored is what a restarted actor finds.
    this.move = storedMove.parse(JSON.parse(JSON.stringify(move)))
    this.late.push(() => void this.shards.act(action, move.step))
    try {
      if (fate === 'cut') throw new Error('cut')
      if (fate === 'half' && action.kind === 'fence') this.#halfFence(action, move.step)
      const answer = this.shards.act(action, move.step)
      if (fate === 'lost') throw new Error('lost')
      this.move = afterAnswer(this.move, answer, this.now, 1)
    } catch (thrown) {
      this.move = afterFailure(this.move, String(thrown), this.now, 0.5)
    }
  }

  /** The shard that is left is fenced; what the other one is sent arrives later, or never. */
  #halfFence(action: Extract<MoveAction, { kind: 'fence' }>, step: number): never {
    const read = this.shards.fence(action, step)
    if (read !== undefined) this.late.push(() => this.shards.switch(action, step, read))
    throw new Error('cut')
  }

  /** An earlier step arrives once more. */
  repeat(nth: number): void {
    const late = this.late[nth % Math.max(1, this.late.length)]
    try {
      late?.()
    } catch {
      // Refused, as it has to be.
    }
  }

  write(row: string): void {
    const value = ++this.#value
    if (this.shards.write(this.#known, row, value)) this.truth.set(row, value)
    else this.#known = placementOf(this.move)
  }

  decide(decision: 'confirm' | 'reverse' | 'pause' | 'resume'): void {
    const decided = decide(this.move, decision, this.now)
    if (!('kind' in decided)) this.move = decided
  }

  /** Shards that take writes of a placement that any writer can know: never two. */
  expectOneWriter(): void {
    const nameOf = ({ shard, epoch }: { readonly shard: string; readonly epoch: number }) => `${shard} ${epoch}`
    this.#placements.add(nameOf(placementOf(this.move)))
    const open = Object.entries(this.shards.shards).filter(
      ([shard, { placed, phase }]) =>
        placed?.state === 'active' &&
        (phase === 'closed' || phase === 'noting') &&
        this.#placements.has(nameOf({ shard, epoch: placed.epoch })),
    )
    expect(open.length).toBeLessThanOrEqual(1)
  }
}

/** `half`: a fence that reached one shard only. */
const fates = ['done', 'cut', 'lost', 'half'] as const
type StepFate = (typeof fates)[number]

const event = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('done', ...fates) },
  { weight: 5, arbitrary: fc.constantFrom('write r1', 'write r2', 'write r3', 'write r4') },
  { weight: 1, arbitrary: fc.nat(50).map((nth) => `late ${nth}`) },
  { weight: 1, arbitrary: fc.constantFrom('confirm', 'reverse', 'pause', 'resume') },
)

/** Where the story begins: few would come as far as the fence by chance. */
const from = fc.constantFrom('open', 'fence', 'warm')

function happen(story: Story, what: string): void {
  const [verb = '', object = ''] = what.split(' ')
  if (verb === 'write') story.write(object)
  else if (verb === 'late') story.repeat(Number(object))
  else if (verb === 'done' || verb === 'cut' || verb === 'lost' || verb === 'half') story.step(verb)
  else if (verb === 'confirm' || verb === 'reverse' || verb === 'pause' || verb === 'resume') story.decide(verb)
}

describe('a move', () => {
  test('leaves one shard with every row that was confirmed, whatever is cut off, comes late or is decided', () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 120 }),
        fc.constantFrom('confirm', 'reverse'),
        from,
        (events, end, stage) => {
          const story = new Story()
          for (const row of ['r1', 'r2', 'r3']) story.write(row)
          while (story.move.stage !== stage) story.step('done')
          for (const what of events) {
            happen(story, what)
            story.expectOneWriter()
          }
          for (let nth = 0; nth < 300 && !isEnded(story.move); nth++) {
            story.decide('resume')
            if (stateOf(story.move) === 'awaiting-confirmation' || end === 'reverse') story.decide(end)
            story.step('done')
            story.expectOneWriter()
          }
          expect(isEnded(story.move)).toBe(true)
          // The oldest of them come last.
          for (const nth of [...story.late.keys()].toReversed()) story.repeat(nth)
          const { shard, epoch } = placementOf(story.move)
          const { rows, placed, notes } = story.shards.at(shard)
          expect(rows).toEqual(story.truth)
          expect(placed).toEqual({ epoch, state: 'active' })
          expect(notes.size).toBe(0)
          const other = story.shards.at(shard === 'a' ? 'b' : 'a')
          expect([other.rows.size, other.notes.size, other.phase]).toEqual([0, 0, 'closed'])
          expect(other.placed?.state).not.toBe('active')
          expect(shard).toBe(stateOf(story.move) === 'confirmed' ? 'b' : 'a')
        },
      ),
      { numRuns: 500 },
    )
  })

  test('goes through its states in order', () => {
    const story = new Story()
    for (const row of ['r1', 'r2']) story.write(row)
    const seen: string[] = []
    for (let nth = 0; nth < 60 && !isEnded(story.move); nth++) {
      if (seen.at(-1) !== stateOf(story.move)) seen.push(stateOf(story.move))
      if (stateOf(story.move) === 'awaiting-confirmation') story.decide('confirm')
      story.step('done')
    }
    expect([...seen, stateOf(story.move)]).toEqual([
      'starting',
      'copying',
      'catching-up',
      'verifying',
      'catching-up',
      'fenced',
      'switched',
      'awaiting-confirmation',
      'clearing',
      'confirmed',
    ])
  })

  test.each([
    [{ state: 'suspended' }, 'the tenant is suspended'],
    [{ order: { to: 'a', rowsPerSecond: 1 } }, 'the tenant is on "a" already'],
    [{ before: started() }, 'a move to "b" is under way (starting)'],
  ])('is refused with the reason: %j', (more, reason) => {
    expect(startMove({ ...request, ...more })).toMatchObject({
      kind: 'refused',
      error: 'conflict',
      detail: expect.stringContaining(reason),
    })
  })

  test('numbers its steps beyond those of the move before', () => {
    const before = { ...started(), stage: 'done', step: 77, outcome: 'reversed' } as const
    expect(started({ before }).step).toBe(77)
  })
})

/** A move in a stage, with what else it takes. */
const inStage = (stage: Move['stage'], more: Partial<Move> = {}): Move => ({
  ...started(),
  stage,
  isOpened: true,
  ...more,
})
function decided(move: Move, decision: MoveDecision, now: number): Move {
  const after = decide(move, decision, now)
  if ('kind' in after) throw new Error(after.detail)
  return after
}
const carried = { kind: 'carried', read: 0, rows: 0, unequal: 0, isMore: false } as const
const after = (move: Move, answer: MoveAnswer, now = 0, tookMs = 0) => afterAnswer(move, answer, now, tookMs)

describe('copying', () => {
  test('waits between its steps so that it stays below its rows a second, and says how fast it is', () => {
    const move = after(inStage('copy'), { kind: 'copied', rows: 500, cursor: '["c"]' }, 10_000, 100)
    expect(dueAt(move)).toBe(10_400)
    expect(viewOf(move, 10_000)).toMatchObject({ table: movedTables[0]?.name, rows: { copied: 500, perSecond: 1000 } })
  })

  test('rests as long as it works, for a moment at most, and makes statements smaller that take long', () => {
    const move = after(inStage('copy'), { kind: 'copied', rows: 1, cursor: '["c"]' }, 10_000, 1200)
    expect([dueAt(move), move.together]).toEqual([10_100, 1000])
    expect(dueAt(after(inStage('copy'), { kind: 'copied', rows: 1, cursor: '["c"]' }, 10_000, 30))).toBe(10_030)
    const quick = after(move, { kind: 'copied', rows: 1, cursor: '["d"]' }, 20_000, 5)
    expect(quick.together).toBe(2000)
    const fenced = after(inStage('drain', { fencedAt: 0 }), { ...carried, read: 1, rows: 1, isMore: true }, 1000, 900)
    expect(dueAt(fenced)).toBe(1000)
  })

  test('goes through all tables before it catches up', () => {
    let move = inStage('copy')
    for (const [index] of movedTables.entries()) {
      expect(nextAction(move)).toMatchObject({ kind: 'copy', table: index, cursor: null })
      move = after(move, { kind: 'copied', rows: 0, cursor: null })
    }
    expect(move.stage).toBe('carry')
  })
})

describe('after a failure', () => {
  test('pauses grow up to a minute, statements become smaller, and both recover', () => {
    let move = inStage('copy')
    const waits: number[] = []
    for (let nth = 0; nth < 12; nth++) {
      move = afterFailure(move, 'shard b is away', 1000, 0.99)
      waits.push((dueAt(move) ?? 0) - 1000)
    }
    expect(waits.slice(0, 3)).toEqual([498, 995, 1990])
    expect(waits.at(-1)).toBeGreaterThan(59_000)
    expect(move.together).toBe(1)
    expect(viewOf(move, 0)).toMatchObject({ failures: 12, error: 'shard b is away' })
    move = after(move, { kind: 'copied', rows: 1, cursor: '["c"]' })
    expect(move).toMatchObject({ failures: 0, error: null, together: 2 })
  })

  test('under a fence it is repeated within a second, and the fence is taken down after five', () => {
    const fenced = inStage('drain', { fencedAt: 1000 })
    const soon = afterFailure(fenced, 'away', 2000, 0.99)
    expect([soon.stage, (dueAt(soon) ?? 0) <= 3000]).toEqual(['drain', true])
    const late = afterFailure(fenced, 'away', 6001, 0.99)
    expect(nextAction(late)).toEqual({
      kind: 'place',
      shard: 'a',
      placed: { epoch: 3, state: 'active' },
      phase: 'noting',
    })
    const open = after(late, { kind: 'done' }, 6100)
    expect(open).toMatchObject({ stage: 'carry', epoch: 3, fencedAt: null, pausedMs: 5100 })
    expect(dueAt(open)).toBeGreaterThan(6100 + 4000)
  })

  test('once the placement has changed it goes on forward only', () => {
    const move = afterFailure(inStage('activate', { fencedAt: 0, home: 'b', other: 'a' }), 'away', 60_000, 0)
    expect(move.stage).toBe('activate')
  })

  test('rows that stay unequal stop the move with the reason, and no fence stays up', () => {
    let move = inStage('drain', { fencedAt: 0 })
    for (let nth = 0; nth < 5; nth++) move = after(move, { ...carried, read: 2, rows: 2, unequal: 2 }, 1)
    expect(move).toMatchObject({ stage: 'reopen', error: expect.stringContaining('differ on "b"') })
    move = inStage('carry')
    for (let nth = 0; nth < 5; nth++) move = after(move, { ...carried, read: 2, rows: 2, unequal: 2 }, 1)
    expect(dueAt(move)).toBe(60_001)
  })
})

describe('a fence', () => {
  test('is one step when few changes are left, and says how long writes waited', () => {
    const begunAt = begun(inStage('fence'), 1000)
    expect(nextAction(begunAt)).toEqual({
      kind: 'fence',
      home: 'a',
      other: 'b',
      epoch: 2,
      phase: 'noting',
      together: 1000,
    })
    const switched = after(begunAt, { kind: 'fenced', rows: 3, isSwitched: true }, 1012)
    expect(switched).toMatchObject({
      stage: 'release',
      home: 'b',
      other: 'a',
      epoch: 2,
      fencedAt: null,
      switchedAt: 1012,
    })
    expect(viewOf(switched, 1012)).toMatchObject({ pauseMs: 12, state: 'switched', rows: { caughtUp: 3 } })
  })

  test('stays up while many changes are copied', () => {
    const move = after(begun(inStage('fence'), 1000), { kind: 'fenced', rows: 0, isSwitched: false }, 1005)
    expect(move).toMatchObject({ stage: 'drain', home: 'a', fencedAt: 1000 })
  })

  test('that was begun again counts from its first time', () => {
    expect(begun(afterFailure(begun(inStage('fence'), 1000), 'away', 1100, 0), 1600).fencedAt).toBe(1000)
  })
})

describe('the operator', () => {
  test('confirms only what is awaiting confirmation, and can reverse nothing afterwards', () => {
    expect(decide(inStage('copy'), 'confirm', 0)).toMatchObject({
      detail: expect.stringContaining('the move is copying'),
    })
    const confirmed = decide(inStage('warm'), 'confirm', 0)
    if ('kind' in confirmed) throw new Error(confirmed.detail)
    expect(decide(confirmed, 'reverse', 0)).toMatchObject({ detail: expect.stringContaining('is confirmed') })
    expect(decide({ ...confirmed, stage: 'done' }, 'pause', 0)).toMatchObject({ kind: 'refused' })
  })

  test('pauses a move, but not one that holds up writes', () => {
    const paused = (move: Move) => decided(move, 'pause', 0)
    expect(dueAt(paused(inStage('copy')))).toBeUndefined()
    expect(dueAt(paused(inStage('drain', { fencedAt: 0 })))).toBe(0)
    expect(dueAt(decided(paused(inStage('copy')), 'resume', 5))).toBe(5)
  })

  test('sees how long writes have waited so far', () => {
    expect(viewOf(inStage('drain', { fencedAt: 1000, pausedMs: 50 }), 1200).pauseMs).toBe(250)
  })
})

test('a confirmed move leaves the former shard as it is until no reader of before the switch can be under way', () => {
  const move = inStage('end', { home: 'b', other: 'a', switchedAt: 1000, outcome: 'confirmed' })
  expect(dueAt(after(move, { kind: 'done' }, 1500))).toBe(11_000)
})

test('while it waits for its confirmation a move copies changes back, less often while there are none', () => {
  let move = inStage('warm', { home: 'b', other: 'a' })
  expect(nextAction(move)).toMatchObject({ kind: 'carry', home: 'b', other: 'a' })
  const waits: number[] = []
  for (let nth = 0; nth < 8; nth++) {
    move = after(move, carried)
    waits.push(dueAt(move) ?? 0)
  }
  expect(waits).toEqual([4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000])
  expect(dueAt(after(move, { ...carried, read: 3, rows: 3 }))).toBe(2000)
})
