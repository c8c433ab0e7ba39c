import { expect, test } from 'vitest'
import { readRunEvent } from '../sdk/run-events.ts'
import { expression, saga, type } from '../sdk/sagas.ts'
import { evaluate } from '../src/kernel/expression.ts'
import { sagaDefinition } from '../src/protocol/sagas-api.ts'
import { badDefinition, warningsOf } from '../src/sagas/definition.ts'

interface Input {
  readonly id: string
  readonly 'gift-note'?: string
  readonly items: readonly { readonly sku: string }[]
}
const url = 'https://shop.example/call'

const order = saga<Input>()
  .step('reserve', {
    call: { url, body: ({ input }) => ({ order: input.id, note: input['gift-note'], kind: 'a `quoted` "text"' }) },
    compensate: { url, body: ({ steps, run }) => ({ of: steps.reserve.result.number, because: run.reason }) },
    status: { url },
    returns: type<{ number: number }>(),
    retry: { attempts: 3 },
  })
  .step('check-address', {
    after: [],
    operation: { operation: 'createConversation', input: ({ input }) => ({ body: [input.items, 1] }) },
  })
  .pivot('pay', {
    after: ['reserve', 'check-address'],
    when: ({ steps }) =>
      expression`${steps.reserve.result.number} > ${2} && ${steps['check-address'].state} == ${'done'}`,
    call: { url, body: ({ steps }) => ({ all: steps.reserve.result, none: {}, list: [] }) },
  })
  .step('packed', { wait: { event: 'packed', correlation: ({ input }) => input.id } })
  .step('rest', { sleep: { seconds: 60 } })
  .step('signed', { wait: { signal: 'signed' }, timeoutSeconds: 600 })

const document = {
  input: { id: 'o-1', 'gift-note': 'hello', items: [{ sku: 'book' }] },
  steps: { reserve: { state: 'done', result: { number: 3 } }, 'check-address': { state: 'done', result: null } },
  run: { id: 'r-1', reason: 'the card was declined' },
}

test('a definition that is built is one that Parley accepts, without a warning', () => {
  const definition = sagaDefinition.parse(order.definition({ deadlineSeconds: 3600 }))
  expect(badDefinition(definition)).toBeUndefined()
  expect(warningsOf(definition).filter((warning) => !warning.includes('"check-address"'))).toEqual([])
  expect(definition.steps.map(({ name, after, pivot }) => [name, after, pivot])).toEqual([
    ['reserve', undefined, false],
    ['check-address', [], false],
    ['pay', ['reserve', 'check-address'], true],
    ['packed', undefined, false],
    ['rest', undefined, false],
    ['signed', undefined, false],
  ])
})

test('bodies and conditions that are written as values are what a run evaluates', () => {
  const [reserve, check, pay, packed] = sagaDefinition.parse(order.definition()).steps
  const valueOf = (text: string | undefined) => evaluate(text ?? '', document)
  expect(valueOf(reserve?.call?.body)).toEqual({ order: 'o-1', note: 'hello', kind: 'a `quoted` "text"' })
  const compensate = reserve?.compensate
  expect(compensate !== undefined && 'url' in compensate && valueOf(compensate.body)).toEqual({
    of: 3,
    because: 'the card was declined',
  })
  expect(valueOf(check?.operation?.input)).toEqual({ body: [[{ sku: 'book' }], 1] })
  expect(valueOf(pay?.call?.body)).toEqual({ all: { number: 3 }, none: {}, list: [] })
  expect(valueOf(pay?.when)).toBe(true)
  expect(packed?.wait !== undefined && 'event' in packed.wait && valueOf(packed.wait.correlation)).toBe('o-1')
})

test('the compiler refuses names, fields and orders that a definition cannot have', () => {
  const one = saga<Input>().step('one', { call: { url } })
  const pivoted = one.pivot('two', { call: { url } })
  // The lines below are checked by the compiler, and not run.
  const wrong = () => [
    // @ts-expect-error -- an earlier step has this name
    one.step('one', { call: { url } }),
    // @ts-expect-error -- there is no step "none"
    one.step('two', { after: ['none'], call: { url } }),
    // @ts-expect-error -- the input has no field "total"
    one.step('two', { call: { url, body: ({ input }) => ({ total: input.total }) } }),
    // @ts-expect-error -- a step that comes later has no result yet
    one.step('two', { call: { url, body: ({ steps }) => steps.three.result } }),
    // @ts-expect-error -- it is not known what "one" returns
    one.step('two', { call: { url, body: ({ steps }) => steps.one.result.number } }),
    // @ts-expect-error -- one of call, operation, wait and sleep
    one.step('two', { call: { url }, sleep: { seconds: 1 } }),
    // @ts-expect-error -- one of them has to be given
    one.step('two', { after: ['one'] }),
    // @ts-expect-error -- there is a pivot already
    pivoted.pivot('three', { call: { url } }),
    // @ts-expect-error -- behind the pivot nothing is compensated
    pivoted.step('three', { call: { url }, compensate: { url } }),
  ]
  expect(wrong).toBeTypeOf('function')
})

test('a builder stays as it was when a step is added', () => {
  const one = saga<Input>().step('one', { call: { url } })
  one.step('two', { call: { url } })
  expect(one.definition().steps).toHaveLength(1)
})

test('a definition names where the events of its runs go, and the compiler knows their types', () => {
  const publish = { topic: 'orders', types: ['saga.completed'] } as const
  expect(
    sagaDefinition.parse(order.definition({ publish: { ...publish, types: [...publish.types] } })).publish,
  ).toEqual(publish)
  // @ts-expect-error -- there is no event of this type
  const wrong = () => order.definition({ publish: { types: ['saga.begun'] } })
  expect(() => sagaDefinition.parse(wrong())).toThrow('types')
})

test('an event of a run is read as it was published, and other events are not', () => {
  const data = { saga: 'order', version: 2, run: 'o-1', startedAt: 1, at: 2, reason: 'declined', input: { id: 'o-1' } }
  expect(readRunEvent({ type: 'saga.compensated', data })).toEqual({
    type: 'saga.compensated',
    ...data,
    step: undefined,
  })
  expect(readRunEvent({ type: 'order.placed', data })).toBeUndefined()
})
