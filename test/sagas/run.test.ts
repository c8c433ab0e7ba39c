import {
  array,
  assert,
  boolean,
  constant,
  constantFrom,
  integer,
  nat,
  property,
  record,
  subarray,
  tuple,
} from 'fast-check'
import { describe, expect, test } from 'vitest'
import { advance, nextDueAt, resume, settle, type Outcome, type RunContext } from '../../src/sagas/advance.ts'
import { badDefinition, planOf, warningsOf, type Definition, type Step } from '../../src/sagas/definition.ts'
import { eventsOf, publishAgainAt, removePublished } from '../../src/sagas/run-events.ts'
import { cancel, retryStep, signal, skipStep } from '../../src/sagas/interventions.ts'
import { documentOf, newRun, stateOf, stepOf, type Effect, type Run } from '../../src/sagas/run.ts'

const step = (name: string, more: Partial<Step> = {}): Step => ({
  name,
  call: { url: `https://shop.example/${name}` },
  compensate: { url: `https://shop.example/${name}/undo` },
  timeoutSeconds: 10,
  retry: { attempts: 3, seconds: 1, maxSeconds: 60 },
  onUnknown: 'attention',
  pivot: false,
  ...more,
})

const define = (steps: readonly Step[], more: Partial<Definition> = {}): Definition => ({
  name: 'order',
  version: 1,
  steps,
  stuckAfterSeconds: 3600,
  ...more,
})

const stuckAfterMs = () => 3_600_000

/** Runs whose calls wait for their turn in the actor. */
const held: string[] = []

const order = define([step('reserve'), step('pay'), step('ship', { pivot: true, compensate: undefined })])

/** A run with a clock of its own; the calls it wants to make wait in `effects`. */
function around(definition: Definition, run: Run, from: number) {
  let now = from
  const effects: Effect[] = []
  const context = (): RunContext => ({
    run,
    definition,
    plan: planOf(definition),
    now,
    random: () => 0.5,
    effects,
    hasCalls: held.includes(run.id),
    stuckAfterMs,
  })
  return {
    run,
    effects,
    context,
    /** The call that was asked for last, of this step. */
    call: (name: string) => effects.findLast((effect) => effect.step === name),
    answer: (name: string, outcome: Outcome): boolean => settle(context(), name, stepOf(run, name).call, outcome),
    pass(ms: number) {
      now += ms
      advance(context())
    },
    passUntilDue() {
      now = Math.max(now, nextDueAt(context()))
      advance(context())
    },
    state: () => stateOf(run),
  }
}

function begin(definition: Definition, input: unknown = {}) {
  const now = 1_000_000
  const run = newRun(definition, { id: 'r1', input, watchers: [], keepMs: 1000 }, now)
  const saga = around(definition, run, now)
  advance(saga.context())
  return saga
}

const done: Outcome = { kind: 'done', result: null }
const refusal = {
  kind: 'not-started',
  reason: 'the endpoint answered 402',
  isFinal: true,
} as const satisfies Outcome
const unknown: Outcome = { kind: 'unknown', reason: 'the endpoint did not answer in time' }
const urls = (effects: readonly Effect[]) => effects.map(({ action }) => ('url' in action ? action.url : 'operation'))

describe('events of a run', () => {
  const types = ['saga.completed', 'saga.compensated', 'saga.attention'] as const
  const published = (only: readonly (typeof types)[number][] = types) =>
    define([step('reserve'), step('pay'), step('ship', { pivot: true, compensate: undefined })], {
      publish: { topic: 'orders', types: only },
    })
  const typesOf = (run: Run) => (run.unpublished ?? []).map(({ type }) => type)

  test('are decided once when it is completed, with an identity that stays the same', () => {
    const saga = begin(published(), { order: 17 })
    for (const name of ['reserve', 'pay']) saga.answer(name, done)
    expect(saga.run.unpublished).toBeUndefined()
    saga.answer('ship', done)
    const [event, ...more] = eventsOf(saga.run)
    expect(more).toEqual([])
    expect(event).toMatchObject({ source: '/sagas/order/r1', type: 'saga.completed', key: 'r1', version: 1 })
    expect(JSON.parse(event?.data ?? '')).toEqual({
      saga: 'order',
      version: 1,
      run: 'r1',
      startedAt: 1_000_000,
      at: 1_000_000,
      input: { order: 17 },
    })
    saga.pass(60_000)
    expect(eventsOf(saga.run)).toEqual([event])
    expect(eventsOf(structuredClone(saga.run))).toEqual([event])
  })

  test('say that it was compensated and why, also when it was cancelled before its first step had an effect', () => {
    const saga = begin(published())
    cancel(saga.context(), 'changed their mind', 'key1')
    saga.answer('reserve', refusal)
    expect(typesOf(saga.run)).toEqual(['saga.compensated'])
    expect(JSON.parse(eventsOf(saga.run)[0]?.data ?? '')).toMatchObject({ reason: 'changed their mind' })
  })

  test('say each time that a step needs a person, each with an identity of its own', () => {
    const saga = begin(published())
    saga.answer('reserve', done)
    saga.answer('pay', done)
    saga.answer('ship', done)
    expect(typesOf(saga.run)).toEqual(['saga.completed'])
    const other = begin(published())
    const failing = (times: number) => {
      for (let n = 0; n < times; n++) {
        other.answer('reserve', unknown)
        other.pass(60_000)
      }
    }
    failing(3)
    expect(JSON.parse(eventsOf(other.run)[0]?.data ?? '')).toMatchObject({
      step: 'reserve',
      reason: expect.any(String),
    })
    retryStep(other.context(), 'reserve', 'key1')
    failing(3)
    expect(typesOf(other.run)).toEqual(['saga.attention', 'saga.attention'])
    expect(new Set(eventsOf(other.run).map(({ id }) => id)).size).toBe(2)
    const [first] = other.run.unpublished ?? []
    removePublished(other.run, first?.n ?? 0)
    expect(typesOf(other.run)).toEqual(['saga.attention'])
  })

  test('are those that the definition names, and none without it', () => {
    const silent = begin(published(['saga.attention']))
    for (const name of ['reserve', 'pay', 'ship']) silent.answer(name, done)
    expect(silent.run.unpublished).toBeUndefined()
    const without = begin(order)
    for (const name of ['reserve', 'pay', 'ship']) without.answer(name, done)
    expect(without.run.unpublished).toBeUndefined()
  })

  test('are looked at again while their topic does not take them, with growing pauses, before the run is deleted', () => {
    const saga = begin(published())
    for (const name of ['reserve', 'pay', 'ship']) saga.answer(name, done)
    const { run } = saga
    const { endedAt } = run
    expect(nextDueAt(saga.context())).toBe(endedAt + 30_000)
    expect(publishAgainAt(run, endedAt + 120_000)).toBe(endedAt + 240_000)
    expect(publishAgainAt(run, endedAt + 86_400_000)).toBe(endedAt + 86_400_000 + 3_600_000)
    removePublished(run, run.entries)
    expect(nextDueAt(saga.context())).toBe(endedAt + run.keepMs)
  })
})

describe('a run', () => {
  test('calls its steps one after the other and is completed when all are done', () => {
    const saga = begin(order)
    for (const name of ['reserve', 'pay', 'ship']) saga.answer(name, done)
    expect(urls(saga.effects)).toEqual(['reserve', 'pay', 'ship'].map((name) => `https://shop.example/${name}`))
    expect(saga.state()).toBe('completed')
  })

  test('is compensated, the latest step first, when a step before the pivot is refused', () => {
    const saga = begin(define([step('a'), step('b'), step('c')]))
    saga.answer('a', done)
    saga.answer('b', done)
    saga.answer('c', refusal)
    saga.answer('b', done)
    saga.answer('a', done)
    expect(urls(saga.effects).slice(3)).toEqual(['https://shop.example/b/undo', 'https://shop.example/a/undo'])
    expect(saga.state()).toBe('compensated')
  })

  test('asks about a step whose outcome is not known before it compensates anything', () => {
    const saga = begin(define([step('a'), step('pay', { status: { url: 'https://shop.example/pay/status' } })]))
    saga.answer('a', done)
    saga.answer('pay', unknown)
    expect(saga.call('pay')?.purpose).toBe('ask')
    saga.answer('pay', { kind: 'done', result: { outcome: 'done', result: { id: 7 } } })
    expect(saga.state()).toBe('completed')
    expect(stepOf(saga.run, 'pay').result).toEqual({ id: 7 })
  })

  test('repeats a step whose outcome is not known under the same key, after a pause', () => {
    const saga = begin(order)
    saga.answer('reserve', unknown)
    expect(nextDueAt(saga.context())).toBe(1_000_000 + 750)
    saga.passUntilDue()
    const [first, second] = saga.effects
    expect(second?.key).toBe(first?.key)
    expect(second?.call).toBe(2)
  })

  test('waits for a person when the outcome of a step stays unknown, and compensates nothing meanwhile', () => {
    const saga = begin(order)
    saga.answer('reserve', done)
    for (let n = 0; n < 3; n++) {
      saga.answer('pay', unknown)
      saga.pass(60_000)
    }
    expect(saga.state()).toBe('attention')
    expect(saga.effects.filter(({ purpose }) => purpose === 'undo')).toEqual([])
    expect(retryStep(saga.context(), 'pay', 'key1')).toEqual({ kind: 'done' })
    saga.answer('pay', done)
    saga.answer('ship', done)
    expect(saga.state()).toBe('completed')
  })

  test('compensates a step whose outcome stays unknown where its definition says so', () => {
    const saga = begin(
      define([step('pay', { onUnknown: 'compensate', retry: { attempts: 1, seconds: 1, maxSeconds: 1 } })]),
    )
    saga.answer('pay', unknown)
    expect(saga.call('pay')?.purpose).toBe('undo')
    saga.answer('pay', done)
    expect(saga.state()).toBe('compensated')
  })

  test('only goes forward behind its pivot: a refused step is shown to a person', () => {
    const saga = begin(define([step('pay', { pivot: true }), step('ship')]))
    saga.answer('pay', done)
    saga.answer('ship', refusal)
    expect(saga.state()).toBe('attention')
    expect(cancel(saga.context(), 'changed my mind', 'key1').kind).toBe('conflict')
    skipStep(saga.context(), 'ship', { reason: 'shipped by hand', result: { shipment: 1 } }, 'key1')
    expect(saga.state()).toBe('completed')
  })

  test('tries a step behind its pivot 20 times, and as often as its definition says where that is more', () => {
    const attemptsOf = (attempts: number): number => {
      const more = { attempts, seconds: 1, maxSeconds: 60 }
      const run = begin(define([step('pay', { pivot: true }), step('ship', { retry: more })]))
      run.answer('pay', { kind: 'done' })
      let made = 0
      for (; stepOf(run.run, 'ship').phase !== 'attention'; made++) {
        expect(made).toBeLessThan(1000)
        run.answer('ship', { kind: 'not-started', reason: 'down' })
        run.pass(120_000)
      }
      return made
    }
    expect(attemptsOf(3)).toBe(20)
    expect(attemptsOf(100)).toBe(100)
  })

  test('keeps the result of a step whose compensation a person takes as made, for the compensations that follow', () => {
    const saga = begin(define([step('a'), step('b'), step('c')]))
    saga.answer('a', done)
    saga.answer('b', { kind: 'done', result: { id: 'B1' } })
    saga.answer('c', refusal)
    saga.answer('b', refusal)
    expect(saga.state()).toBe('attention')
    skipStep(saga.context(), 'b', { reason: 'by hand', result: undefined }, 'key1')
    expect(stepOf(saga.run, 'b')).toMatchObject({ phase: 'undone', result: { id: 'B1' } })
    expect(documentOf(saga.run).steps['b']?.result).toEqual({ id: 'B1' })
  })

  test('a compensation can say why: the document of a run that turned back has the reason', () => {
    const saga = begin(define([step('a'), step('b')]))
    saga.answer('a', done)
    expect(documentOf(saga.run).run).not.toHaveProperty('reason')
    saga.answer('b', refusal)
    expect(documentOf(saga.run).run).toMatchObject({ id: saga.run.id, reason: saga.run.reason })
    expect(saga.run.reason).toContain('"b" failed')
  })

  test('runs steps side by side and starts the one after them when all have ended', () => {
    const saga = begin(define([step('a', { after: [] }), step('b', { after: [] }), step('c', { after: ['a', 'b'] })]))
    expect(saga.effects.map((effect) => effect.step)).toEqual(['a', 'b'])
    saga.answer('b', done)
    expect(saga.call('c')).toBeUndefined()
    saga.answer('a', done)
    expect(saga.call('c')).toBeDefined()
  })

  test('is compensated in the reverse of the order in which its steps ended, however they are listed', () => {
    const saga = begin(define([step('a', { after: [] }), step('b', { after: [] }), step('c', { after: ['a', 'b'] })]))
    saga.answer('b', done)
    saga.pass(1)
    saga.answer('a', done)
    saga.answer('c', refusal)
    expect(saga.effects.at(-1)?.key).toBe('r1/a/undo')
    saga.answer('a', done)
    expect(saga.effects.at(-1)?.key).toBe('r1/b/undo')
  })

  test('gives a step the results of the steps before it, and skips one whose condition is false', () => {
    const saga = begin(
      define([
        step('a'),
        step('gift', { when: 'input.total > `100`' }),
        step('c', { call: { url: 'https://x.example', body: 'steps.a.result.id' } }),
      ]),
      { total: 99 },
    )
    saga.answer('a', { kind: 'done', result: { id: 'A1' } })
    expect(stepOf(saga.run, 'gift').phase).toBe('skipped')
    expect(documentOf(saga.run).steps['a']?.result).toEqual({ id: 'A1' })
  })

  test('waits for a signal, also when it came before, and fails when it does not come in time', () => {
    const waits = define([
      step('ask'),
      step('approval', { call: undefined, wait: { signal: 'approved' }, timeoutSeconds: 100 }),
    ])
    const early = begin(waits)
    signal(early.context(), 'approved', { by: 'bob' }, 'key1')
    early.answer('ask', done)
    expect(early.state()).toBe('completed')
    const late = begin(waits)
    late.answer('ask', done)
    late.pass(100_000)
    late.answer('ask', done)
    expect(late.state()).toBe('compensated')
  })

  test('refuses a signal that none of its steps waits for, and names what a person may do with a step', () => {
    const saga = begin(
      define([step('approval', { call: undefined, compensate: undefined, wait: { signal: 'approved' } })]),
    )
    expect(signal(saga.context(), 'aproved', null, 'key1')).toEqual({
      kind: 'notFound',
      detail: expect.stringMatching(/^signal: no step of .* waits for "aproved"$/),
    })
    expect(retryStep(saga.context(), 'approval', 'key1')).toEqual({
      kind: 'conflict',
      detail: 'step: "approval" is waiting; only a step in attention or pausing can be tried again',
    })
  })

  test('warns about expressions that name a step that is not there, or not before', () => {
    const ship = step('ship', { call: { url: 'https://x.test', body: 'steps.pai.result' }, pivot: true })
    expect(warningsOf({ steps: [step('pay'), ship] })).toContainEqual(
      '"ship", call.body: there is no step "pai", so steps.pai is null',
    )
    const first = step('first', { call: { url: 'https://x.test', body: '{a: input.steps.x, b: steps.pay.result}' } })
    expect(warningsOf({ steps: [first, step('pay')] })).toEqual([
      '"first", call.body: "pay" need not have ended before it, so steps.pay may be null',
    ])
  })

  test('waits for its signal again when a person lets the step be tried again', () => {
    const saga = begin(
      define([step('approval', { call: undefined, compensate: undefined, wait: { signal: 'ok' }, pivot: true })]),
    )
    stepOf(saga.run, 'approval').phase = 'attention'
    retryStep(saga.context(), 'approval', 'key1')
    signal(saga.context(), 'ok', null, 'key1')
    expect(saga.state()).toBe('completed')
  })

  test('turns back at its deadline', () => {
    const saga = begin(
      define([step('a'), step('nap', { call: undefined, compensate: undefined, sleep: { seconds: 500 } })], {
        deadlineSeconds: 60,
      }),
    )
    saga.answer('a', done)
    expect(nextDueAt(saga.context())).toBe(1_060_000)
    saga.pass(60_000)
    saga.answer('a', done)
    expect(saga.state()).toBe('compensated')
  })

  test('is reported as stuck once when a step takes too long', () => {
    const saga = begin(define([step('nap', { call: undefined, compensate: undefined, sleep: { seconds: 90_000 } })]))
    expect(nextDueAt(saga.context())).toBe(1_000_000 + 3_600_000)
    saga.pass(3_600_000)
    saga.pass(3_600_000)
    expect(saga.run.history.filter(({ event }) => event === 'stuck')).toHaveLength(1)
    expect(nextDueAt(saga.context())).toBe(1_000_000 + 90_000_000)
  })

  test('does not take a call as lost that waits for its turn, however long', () => {
    const saga = begin(order)
    held.push('r1')
    saga.pass(600_000)
    expect(nextDueAt(saga.context())).toBe(1_600_000 + 60_000)
    held.pop()
    expect(saga.answer('reserve', done)).toBe(true)
    expect(stepOf(saga.run, 'reserve')).toMatchObject({ phase: 'done', attempts: 0 })
  })

  test('keeps at most 256 KiB of its tenant’s data: what does not fit needs a person, or is refused', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    const saga = begin(define(names.map((name) => step(name, { compensate: undefined }))))
    const big: Outcome = { kind: 'done', result: 'x'.repeat(60_000) }
    for (const name of names) saga.answer(name, big)
    expect(saga.state()).toBe('attention')
    expect(JSON.stringify(saga.run).length).toBeLessThan(300_000)
    const waits = begin(
      define([step('hold'), step('ask', { call: undefined, wait: { signal: 'ok' } })]),
      'y'.repeat(250_000),
    )
    expect(signal(waits.context(), 'ok', 'z'.repeat(15_000), 'key1')).toMatchObject({ kind: 'conflict' })
  })

  test('takes an outcome once, and none of an earlier call', () => {
    const saga = begin(order)
    saga.answer('reserve', unknown)
    saga.pass(60_000)
    expect(settle(saga.context(), 'reserve', 1, done)).toBe(false)
    expect(settle(saga.context(), 'reserve', 2, done)).toBe(true)
    expect(settle(saga.context(), 'reserve', 2, refusal)).toBe(false)
    expect(saga.state()).toBe('running')
  })
})

describe('a definition', () => {
  test.each<[string, readonly Step[], string]>([
    ['a cycle', [step('a', { after: ['b'] }), step('b', { after: ['a'] })], 'steps: "a" comes after itself: a → b → a'],
    ['itself', [step('a', { after: ['a'] })], 'steps.0.after: "a" is the step itself'],
    ['an unknown step', [step('a', { after: ['x'] })], 'steps.0.after: there is no step "x"'],
    ['two steps of one name', [step('a'), step('a')], 'steps.1.name: "a" is the name of an earlier step'],
    [
      'two pivots',
      [step('a', { pivot: true }), step('b', { pivot: true })],
      'steps: one pivot at most, got "a" and "b"',
    ],
    ['a bad expression', [step('a', { when: 'input.[' })], 'steps.0.when: not a JMESPath expression'],
    [
      'a step that never runs',
      [step('a', { when: '`false`' })],
      'steps.0.when: is never true, so the step is unreachable',
    ],
    [
      'a step beside the pivot',
      [step('a', { after: [], pivot: true }), step('b', { after: [] })],
      'steps: "b" runs beside the pivot "a"; let it come before or after it',
    ],
  ])('with %s is refused with the reason', (_, steps, reason) => {
    expect(badDefinition({ steps })).toContain(reason)
  })

  test('without a compensation before the pivot is accepted with a warning', () => {
    const steps = [step('a', { compensate: undefined }), step('b', { pivot: true, compensate: undefined }), step('c')]
    expect(warningsOf({ steps })).toEqual([
      '"a" has no compensation: what it did stays when a later step fails',
      '"c" is never compensated: it is behind the pivot',
    ])
  })
})

/** An endpoint that makes each effect once by its key, as the documentation asks of it and as `SagaCalls` of the SDK does. */
class Endpoint {
  readonly effects = new Map<string, 'done' | 'undone'>()
  readonly #refused = new Set<string>()
  /** Of each step: the highest call that was answered `not-started`. Calls up to it are refused when they arrive later. */
  readonly #givenUp = new Map<string, number>()

  act({ step, call }: Effect): Outcome {
    if (this.effects.has(step)) return done
    if (this.#refused.has(step)) return refusal
    if (call <= (this.#givenUp.get(step) ?? 0)) return { ...refusal, isConflict: true }
    this.effects.set(step, 'done')
    return done
  }

  status({ step, call }: Effect): 'done' | 'not-started' {
    if (this.effects.has(step)) return 'done'
    // Questions, too, arrive late and twice: an older one lets no call in again.
    this.#givenUp.set(step, Math.max(call, this.#givenUp.get(step) ?? 0))
    return 'not-started'
  }

  /** A refusal, too, is remembered under the key. */
  refuse({ step }: Effect): Outcome {
    this.#refused.add(step)
    return refusal
  }

  undo({ step }: Effect): Outcome {
    this.effects.set(step, 'undone')
    return done
  }
}

describe('whatever endpoints answer, and whenever the actor loses its memory', () => {
  const steps = integer({ min: 1, max: 5 }).chain((count) =>
    tuple<Shape[]>(
      ...Array.from({ length: count }, (_, n) =>
        record({
          after: n === 0 ? constant<string[]>([]) : subarray(Array.from({ length: n }, (__, k) => `s${k}`)),
          hasStatus: boolean(),
          onUnknown: constantFrom('attention' as const, 'compensate' as const),
        }),
      ),
    ),
  )
  const kinds = [
    'done',
    'lost-answer',
    'not-reached',
    'refused',
    'crash-before',
    'crash-after',
    'wait',
    'duplicate',
  ] as const
  const event = record({ pick: nat(), kind: constantFrom(...kinds) })
  interface Shape {
    after: string[]
    hasStatus: boolean
    onUnknown: 'attention' | 'compensate'
  }
  interface Event {
    pick: number
    kind: (typeof kinds)[number]
  }

  /**
   * The first question about s0 arrives a second time, after a newer question was answered `not-started`; then the attempt between the
   * two arrives. The endpoint must still refuse it.
   */
  const anOldQuestionComesLast = ((): [Shape[], Event[]] => {
    const shape: Shape = { after: [], hasStatus: false, onUnknown: 'attention' }
    const first = (...of: Event['kind'][]): Event[] => of.map((kind) => ({ pick: 0, kind }))
    return [
      [{ ...shape, hasStatus: true }, shape, shape],
      [
        ...first('wait', 'wait', 'wait', 'crash-before', 'duplicate', 'wait', 'wait'),
        { pick: 4, kind: 'done' },
        ...first('done', 'done'),
      ],
    ]
  })()

  test('a completed run has had each effect once, and a compensated one has left none', () => {
    assert(
      property(steps, array(event, { minLength: 40, maxLength: 120, size: 'max' }), (shapes, events) => {
        const definition = define(
          shapes.map(({ after, hasStatus, onUnknown }, n) =>
            step(`s${n}`, {
              after,
              onUnknown,
              ...(hasStatus ? { status: { url: 'https://shop.example/status' } } : {}),
            }),
          ),
        )
        const endpoint = new Endpoint()
        const undone = new Map<string, number>()
        let saga = begin(definition)
        let stored = JSON.stringify(saga.run)
        const open: Effect[] = saga.effects.splice(0)
        const save = () => {
          stored = JSON.stringify(saga.run)
          open.push(...saga.effects.splice(0))
        }
        /** What the endpoint does with a call, and what it would answer. */
        const perform = (effect: Effect): Outcome => {
          const { step: name, purpose, key } = effect
          if (purpose === 'ask') return { kind: 'done', result: { outcome: endpoint.status(effect) } }
          expect(key).toBe(purpose === 'undo' ? `r1/${name}/undo` : `r1/${name}`)
          if (purpose === 'undo') undone.set(name, (undone.get(name) ?? 0) + 1)
          return purpose === 'undo' ? endpoint.undo(effect) : endpoint.act(effect)
        }
        const restart = () => {
          const run: Run = JSON.parse(stored)
          const before = saga
          saga = around(definition, run, before.context().now)
          open.length = 0
          resume(saga.context())
          save()
        }
        const play = (effect: Effect, kind: string) => {
          const at = open.indexOf(effect)
          if (at >= 0 && kind !== 'duplicate') open.splice(at, 1)
          if (kind === 'crash-before') return restart()
          if (kind === 'not-reached')
            return void settle(saga.context(), effect.step, effect.call, { kind: 'not-started', reason: 'refused' })
          if (kind === 'refused' && effect.purpose === 'act' && !endpoint.effects.has(effect.step))
            return void settle(saga.context(), effect.step, effect.call, endpoint.refuse(effect))
          const outcome = perform(effect)
          if (kind === 'crash-after') return restart()
          settle(saga.context(), effect.step, effect.call, kind === 'lost-answer' ? unknown : outcome)
          if (kind === 'duplicate') settle(saga.context(), effect.step, effect.call, refusal)
        }
        for (const { pick, kind } of events) {
          const effect = open[pick % Math.max(1, open.length)]
          if (kind === 'wait') saga.pass(61_000)
          else if (effect !== undefined) play(effect, kind)
          save()
        }
        // In the end all answers arrive, and a person lets steps be tried again.
        for (let n = 0; n < 500 && saga.run.endedAt === 0; n++) {
          for (const effect of open.splice(0)) settle(saga.context(), effect.step, effect.call, perform(effect))
          for (const [name, { phase }] of Object.entries(saga.run.steps))
            if (phase === 'attention') retryStep(saga.context(), name, 'key1')
          // The alarm rings when the run says that something is due, and at no other time.
          if (open.length === 0 && saga.effects.length === 0 && saga.run.endedAt === 0) saga.passUntilDue()
          save()
        }
        expect(saga.run.endedAt).toBeGreaterThan(0)
        const left = [...endpoint.effects].filter(([, effect]) => effect === 'done').map(([name]) => name)
        if (saga.state() === 'completed')
          expect(left.toSorted()).toEqual(definition.steps.map(({ name }) => name).toSorted())
        else expect(left).toEqual([])
        if (saga.state() === 'completed') expect(undone.size).toBe(0)
      }),
      { numRuns: Number(process.env['SAGA_RUNS'] ?? 300), examples: [anOldQuestionComesLast] },
    )
  })
})
