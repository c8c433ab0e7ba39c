import { badExpression, evaluate, isTrue } from '../kernel/expression.ts'

/** A post to an https address; `body` is a JMESPath expression on the document of the run, the whole document without it. */
export interface EndpointCall {
  readonly url: string
  readonly body?: string | undefined
}

/** An operation of this API by its operationId; `input` is an expression that gives `{params?, query?, body?}`. */
export interface OperationCall {
  readonly operation: string
  readonly input?: string | undefined
}

/** An event to wait for; `correlation` is an expression that gives its `correlationid` or key. */
export interface AwaitedEvent {
  readonly topic: string
  readonly event: string
  readonly correlation: string
}

/** What has an effect in another system. */
export type EffectiveCall = EndpointCall | OperationCall

export type Action = EffectiveCall | AwaitedEvent

export interface RetryPolicy {
  readonly attempts: number
  readonly seconds: number
  readonly maxSeconds: number
}

/** One step; exactly one of `call`, `operation`, `wait` and `sleep` is what it does. */
export interface Step {
  readonly name: string
  readonly after?: readonly string[] | undefined
  readonly when?: string | undefined
  readonly call?: EndpointCall | undefined
  readonly operation?: OperationCall | undefined
  /** Waits for a signal of this name, or for an event; what it brings is the result. */
  readonly wait?: { readonly signal: string } | AwaitedEvent | undefined
  readonly sleep?: { readonly seconds: number } | undefined
  readonly compensate?: EffectiveCall | undefined
  readonly status?: EndpointCall | undefined
  readonly timeoutSeconds: number
  readonly retry: RetryPolicy
  readonly onUnknown: 'attention' | 'compensate'
  readonly pivot: boolean
}

/** What a run may publish: that it has ended, and how, or that a step of it waits for a person. */
export const runEventTypes = ['saga.completed', 'saga.compensated', 'saga.attention'] as const
export type RunEventType = (typeof runEventTypes)[number]

/** The topic that events of runs are appended to, and which of them are. */
export interface RunPublishing {
  readonly topic: string
  readonly types: readonly RunEventType[]
}

/** A definition as it is stored; the schema is in protocol/sagas-api.ts. */
export interface Definition {
  readonly name: string
  readonly version: number
  readonly steps: readonly Step[]
  readonly deadlineSeconds?: number | undefined
  readonly stuckAfterSeconds: number
  readonly publish?: RunPublishing | undefined
  /** Of the platform's own: an ended run no longer has its input. */
  readonly forgetsInput?: true
}

/** What the order of the steps is, worked out once for each definition. */
export interface Plan {
  readonly steps: ReadonlyMap<string, Step>
  readonly parents: ReadonlyMap<string, readonly string[]>
  /** The steps that come after the pivot, itself not included; empty without one. */
  readonly behindPivot: ReadonlySet<string>
  readonly pivot: string | undefined
}

/** The steps that have to have ended before each one starts: those it names, or the one listed before it. */
export function planOf({ steps }: Pick<Definition, 'steps'>): Plan {
  const parents = new Map<string, readonly string[]>()
  for (const [index, { name, after }] of steps.entries()) {
    const before = steps[index - 1]?.name
    parents.set(name, after ?? (before === undefined ? [] : [before]))
  }
  const pivot = steps.find((step) => step.pivot)?.name
  return {
    steps: new Map(steps.map((step) => [step.name, step])),
    parents,
    behindPivot: pivot === undefined ? new Set() : new Set(descendantsOf(pivot, parents)),
    pivot,
  }
}

/** The first reason why a definition is refused, with the field, or undefined. Shapes and addresses were checked before. */
export function badDefinition({ steps }: Pick<Definition, 'steps'>): string | undefined {
  const names = new Set<string>()
  for (const [index, step] of steps.entries()) {
    const at = `steps.${index}`
    if (names.has(step.name)) return `${at}.name: "${step.name}" is the name of an earlier step`
    names.add(step.name)
  }
  for (const [index, step] of steps.entries()) {
    const bad = badStep(step, names)
    if (bad !== undefined) return `steps.${index}.${bad}`
  }
  return badOrder(steps)
}

function badStep(step: Step, names: ReadonlySet<string>): string | undefined {
  for (const name of step.after ?? []) {
    if (name === step.name) return `after: "${name}" is the step itself`
    if (!names.has(name)) return `after: there is no step "${name}"`
  }
  for (const [field, text] of expressionsOf(step)) {
    const bad = badExpression(text)
    if (bad !== undefined) return `${field}: ${bad}`
  }
  if (step.when !== undefined && isConstantlyFalse(step.when)) return 'when: is never true, so the step is unreachable'
  return undefined
}

function expressionsOf({ when, call, operation, wait, compensate, status }: Step): [field: string, text: string][] {
  const found: [string, string | undefined][] = [
    ['when', when],
    ['call.body', call?.body],
    ['operation.input', operation?.input],
    ['wait.correlation', wait !== undefined && 'event' in wait ? wait.correlation : undefined],
    ['compensate', compensate === undefined ? undefined : expressionOf(compensate)],
    ['status.body', status?.body],
  ]
  return found.flatMap(([field, text]): [string, string][] => (text === undefined ? [] : [[field, text]]))
}

function expressionOf(action: Action): string | undefined {
  if ('url' in action) return action.body
  return 'event' in action ? action.correlation : action.input
}

/** A condition that names nothing of the run has the same value in every run. */
function isConstantlyFalse(when: string): boolean {
  if (/\b(?:input|steps|run)\b|@/.test(when)) return false
  try {
    return !isTrue(evaluate(when, {}))
  } catch {
    return false
  }
}

function badOrder(steps: readonly Step[]): string | undefined {
  const { parents, pivot } = planOf({ steps })
  const cycle = steps.find(({ name }) => descendantsOf(name, parents).has(name))
  if (cycle !== undefined)
    return `steps: "${cycle.name}" comes after itself: ${cycleThrough(cycle.name, parents).join(' → ')}`
  const pivots = steps.filter((step) => step.pivot)
  if (pivots.length > 1) return `steps: one pivot at most, got ${pivots.map(({ name }) => `"${name}"`).join(' and ')}`
  if (pivot === undefined) return undefined
  const after = descendantsOf(pivot, parents)
  const before = ancestorsOf(pivot, parents)
  const beside = steps.find(({ name }) => name !== pivot && !after.has(name) && !before.has(name))
  return beside === undefined
    ? undefined
    : `steps: "${beside.name}" runs beside the pivot "${pivot}"; let it come before or after it`
}

/** What a definition permits and its author may not mean. */
export function warningsOf(definition: Pick<Definition, 'steps'>): string[] {
  const { steps, parents, behindPivot, pivot } = planOf(definition)
  const references = definition.steps.flatMap((step) => {
    const before = ancestorsOf(step.name, parents)
    return expressionsOf(step).flatMap(([field, text]) => {
      const isForward = field !== 'compensate' && field !== 'status.body'
      return stepsNamedIn(text).flatMap((name) => {
        if (!steps.has(name)) return [`"${step.name}", ${field}: there is no step "${name}", so steps.${name} is null`]
        if (isForward && !before.has(name))
          return [`"${step.name}", ${field}: "${name}" need not have ended before it, so steps.${name} may be null`]
        return []
      })
    })
  })
  const compensations = definition.steps.flatMap((step) => {
    const acts = step.call !== undefined || step.operation !== undefined
    if (step.compensate !== undefined && (behindPivot.has(step.name) || step.pivot))
      return [`"${step.name}" is never compensated: it is ${step.pivot ? 'the pivot' : 'behind the pivot'}`]
    if (acts && step.compensate === undefined && !behindPivot.has(step.name) && step.name !== pivot)
      return [`"${step.name}" has no compensation: what it did stays when a later step fails`]
    return []
  })
  return [...references, ...compensations]
}

/** The steps that an expression names as `steps.<name>`. */
function stepsNamedIn(text: string): string[] {
  const found = text.matchAll(/(?<![\w."'])steps\.(?:([A-Za-z_]\w*)|"([^"]*)")/g)
  return [...new Set([...found].map(([, plain, quoted]) => plain ?? quoted ?? ''))]
}

/** The steps that come after this one, directly or not; itself among them only in a cycle. */
function descendantsOf(name: string, parents: ReadonlyMap<string, readonly string[]>): Set<string> {
  const found = new Set<string>()
  const open = [name]
  for (let next = open.pop(); next !== undefined; next = open.pop())
    for (const [child, before] of parents)
      if (before.includes(next) && !found.has(child)) {
        found.add(child)
        open.push(child)
      }
  return found
}

function ancestorsOf(name: string, parents: ReadonlyMap<string, readonly string[]>): Set<string> {
  const found = new Set<string>()
  const open = [...(parents.get(name) ?? [])]
  for (let next = open.pop(); next !== undefined; next = open.pop())
    if (!found.has(next)) {
      found.add(next)
      open.push(...(parents.get(next) ?? []))
    }
  return found
}

function cycleThrough(name: string, parents: ReadonlyMap<string, readonly string[]>): string[] {
  const path = [name]
  for (;;) {
    const before: string | undefined = (parents.get(path[0] ?? '') ?? []).find(
      (parent) => ancestorsOf(parent, parents).has(name) || parent === name,
    )
    if (before === undefined) return path
    path.unshift(before)
    if (before === name) return path
  }
}
