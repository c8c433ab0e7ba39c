import { planOf, type Definition, type Plan, type Step } from '../../src/sagas/definition.ts'

/** The topic with the events that runs wait for, and their type. */
export const paidEvent = { topic: 'default', type: 'paid' } as const

/** For how long the timer of a saga sleeps, in seconds. */
export const napSeconds = 3

const step = (name: string, more: Partial<Step> = {}): Step => ({
  name,
  call: { url: `https://shop.example/${name}` },
  compensate: { url: `https://shop.example/${name}/undo` },
  timeoutSeconds: 2,
  retry: { attempts: 4, seconds: 1, maxSeconds: 4 },
  onUnknown: 'attention',
  pivot: false,
  ...more,
})

const asked = (name: string): Partial<Step> => ({ status: { url: `https://shop.example/${name}/status` } })

const once = { retry: { attempts: 1, seconds: 1, maxSeconds: 1 } } as const

/** The sagas of a day: one after the other with a pivot, side by side, and with a timer and an event that may not come. */
export const definitions: Readonly<Record<string, Omit<Definition, 'name' | 'version'>>> = {
  order: {
    steps: [
      step('reserve', asked('reserve')),
      step('charge', { ...asked('charge'), ...once }),
      step('pack'),
      step('ship', { pivot: true, compensate: undefined }),
      step('mail', { compensate: undefined }),
    ],
    stuckAfterSeconds: 3600,
  },
  trip: {
    steps: [
      step('flight', { after: [], onUnknown: 'compensate', ...once }),
      step('hotel', { after: [], ...asked('hotel') }),
      step('nap', { after: ['hotel'], call: undefined, compensate: undefined, sleep: { seconds: napSeconds } }),
      step('ticket', { after: ['flight', 'nap'] }),
    ],
    deadlineSeconds: 40,
    stuckAfterSeconds: 3600,
  },
  rent: {
    steps: [
      step('hold', asked('hold')),
      step('payment', {
        call: undefined,
        compensate: undefined,
        wait: { topic: paidEvent.topic, event: paidEvent.type, correlation: 'input.id' },
        timeoutSeconds: 8,
      }),
      step('keys'),
    ],
    stuckAfterSeconds: 3600,
  },
}

const plans = new Map(Object.entries(definitions).map(([name, definition]) => [name, planOf(definition)]))

export function planNamed(saga = ''): Plan {
  const plan = plans.get(saga)
  if (plan === undefined) throw new Error(`there is no saga ${saga}`)
  return plan
}

/** Whether a step of a saga comes after another, directly or not. */
export function isAfter(plan: Plan, step: string, other: string): boolean {
  const before = plan.parents.get(step) ?? []
  return before.includes(other) || before.some((one) => isAfter(plan, one, other))
}

/** Whether a step has an effect that the end of a run must account for, and one that is taken back. */
export const hasEffect = ({ call }: Step): boolean => call !== undefined
export const isUndone = ({ compensate }: Step): boolean => compensate !== undefined
