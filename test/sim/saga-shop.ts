import type { Plan } from '../../src/sagas/definition.ts'
import type { EndpointAnswer, EndpointCall } from './endpoints.ts'
import { hasEffect, isAfter, isUndone } from './saga-definitions.ts'

/** What became of a step: it was made, or made and taken back. */
type Effect = 'made' | 'undone'

/** A call as the shop reads it. */
interface Known {
  readonly key: string
  readonly run: string
  readonly step: string
  readonly kind: 'act' | 'ask' | 'undo'
  readonly number: number
}

/**
 * The endpoints that sagas call, which keep what docs/design/sagas.md asks of them: an effect once for each key, refusals
 * remembered, and calls refused that were given up. They notice what a saga must never do.
 */
export class SagaShop {
  readonly broken: string[] = []
  /** Probability that a step is refused for good. */
  refuses = 0
  undone = 0
  asked = 0
  readonly #planOf: (run: string) => Plan
  readonly #happens: (probability: number) => boolean
  readonly #effects = new Map<string, Effect>()
  readonly #answers = new Map<string, EndpointAnswer>()
  readonly #refusedTo = new Map<string, number>()
  readonly #sent = new Set<string>()
  readonly #acted = new Set<string>()
  /** Runs of which a compensation has arrived. */
  readonly #turned = new Set<string>()

  /** `planOf` gives the plan of a run's saga, `happens` decides by chance. */
  constructor(planOf: (run: string) => Plan, happens: (probability: number) => boolean) {
    this.#planOf = planOf
    this.#happens = happens
  }

  stateOf(run: string, step: string): Effect | undefined {
    return this.#effects.get(`${run}/${step}`)
  }

  /** A call leaves: its number was never used before, also not by a life of the actor that was lost. */
  sent = (call: EndpointCall): void => {
    const { run, step, kind, number } = readCall(call)
    const name = `${run}/${step}, call ${number}`
    if (this.#sent.has(name)) this.broken.push(`${name} was made twice`)
    this.#sent.add(name)
    if (kind === 'act') this.#acted.add(`${run}/${step}`)
    // Where a step is compensated although its outcome is not known, its call may have been lost before it left.
    const isKnown = this.#planOf(run).steps.get(step)?.onUnknown === 'attention'
    if (kind === 'undo' && isKnown && !this.#acted.has(`${run}/${step}`))
      this.broken.push(`${run}/${step} was compensated and never called`)
  }

  take = (call: EndpointCall): EndpointAnswer => {
    const known = readCall(call)
    switch (known.kind) {
      case 'act':
        return this.#act(known)
      case 'ask':
        return this.#ask(known)
      case 'undo':
        return this.#undo(known)
    }
  }

  /** A run that is completed has all its effects, and one that was compensated has none left. */
  wrongEnd(run: string, isCompleted: boolean): string[] {
    return [...this.#planOf(run).steps.values()].filter(hasEffect).flatMap((step) => {
      const effect = this.stateOf(run, step.name)
      if (isCompleted && effect !== 'made') return [`${run} is completed and ${step.name} is ${effect}`]
      if (!isCompleted && isUndone(step) && effect === 'made')
        return [`${run} is compensated and ${step.name} was made and not taken back`]
      return []
    })
  }

  #act({ run, step, key, number }: Known): EndpointAnswer {
    const before = this.#answers.get(key)
    if (before !== undefined) return before
    if (number <= (this.#refusedTo.get(key) ?? 0)) return { status: 409, body: { error: 'this call was given up' } }
    const plan = this.#planOf(run)
    const mayRefuse = step !== plan.pivot && !plan.behindPivot.has(step)
    if (mayRefuse && this.#happens(this.refuses)) return this.#remember(key, { status: 402, body: null })
    if (this.#turned.has(run)) this.broken.push(`${key} was made after the run had turned back`)
    if (this.stateOf(run, step) !== undefined) this.broken.push(`${run}/${step} was made again under the key ${key}`)
    this.#effects.set(`${run}/${step}`, 'made')
    return this.#remember(key, { status: 200, body: { made: key } })
  }

  #ask({ run, step, number }: Known): EndpointAnswer {
    const key = `${run}/${step}`
    this.asked++
    if (this.#effects.has(key)) return { status: 200, body: { outcome: 'done', result: { made: key } } }
    this.#refusedTo.set(key, Math.max(number, this.#refusedTo.get(key) ?? 0))
    return { status: 200, body: { outcome: 'not-started' } }
  }

  #undo({ run, step }: Known): EndpointAnswer {
    const key = `${run}/${step}`
    this.#turned.add(run)
    this.#refusedTo.set(key, Infinity)
    if (this.#effects.get(key) !== 'made') return { status: 200, body: null }
    this.#notInOrder(run, step)
    this.#effects.set(key, 'undone')
    this.undone++
    return { status: 200, body: null }
  }

  /** The latest step is taken back first. One that was made, and that the saga forgot or never asked about, is noticed here. */
  #notInOrder(run: string, step: string): void {
    const plan = this.#planOf(run)
    for (const later of plan.steps.values())
      if (isUndone(later) && isAfter(plan, later.name, step) && this.stateOf(run, later.name) === 'made')
        this.broken.push(`${run}/${step} was compensated before ${later.name}, which comes after it`)
  }

  #remember(key: string, answer: EndpointAnswer): EndpointAnswer {
    this.#answers.set(key, answer)
    return answer
  }
}

function readCall({ path, headers }: EndpointCall): Known {
  const [, step = '', kind = 'act'] = path.split('/')
  const key = headers['idempotency-key'] ?? ''
  const [run = ''] = key.split('/')
  const number = Number(headers['parley-call'])
  return { key, run, step, number, kind: kind === 'status' ? 'ask' : kind === 'undo' ? 'undo' : 'act' }
}
