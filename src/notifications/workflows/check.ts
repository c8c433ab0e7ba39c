import { BadExpression, evaluate, isTrue, pathsIn } from '../../kernel/expression.ts'
import { maxWorkflowSteps } from '../../protocol/workflows-api.ts'
import type { Channel, Workflow, WorkflowStep } from '../model.ts'

/** What a tenant has registered; a set that is left out is not checked. */
export interface KnownNames {
  readonly categories?: ReadonlySet<string> | undefined
  /** Templates with the newest version of each. */
  readonly templates?: ReadonlyMap<string, number> | undefined
  /** Channels that have a provider. */
  readonly channels?: ReadonlySet<Channel> | undefined
}

export type WorkflowToCheck = Pick<Workflow, 'category' | 'steps'>

/** How long the steps of a run may wait together, in seconds. */
export const longestRunSeconds = 400 * 86_400
const weekSeconds = 7 * 86_400

/** What the document of a run has (`RunDocument`, and `preferences` for conditions). */
const roots = ['recipient', 'actor', 'data', 'events', 'total', 'steps', 'state'] as const

/** What is wrong in a definition: the field, the rule and the fix. */
class BadWorkflow extends Error {}

const refuse = (field: string, text: string): never => {
  throw new BadWorkflow(`${field}: ${text}`)
}

/** The first reason why a definition is refused, with the field, or undefined. The shape was checked before (`workflowDefinition`). */
export function badWorkflow(workflow: WorkflowToCheck, known: KnownNames = {}): string | undefined {
  const { category, steps } = workflow
  try {
    if (category !== undefined && known.categories?.has(category) === false)
      refuse('category', `there is no category "${category}"; PUT /v1/categories/${category} registers one`)
    checkNames(steps, 'steps', new Set())
    checkSteps(steps, 'steps', new Set(), known)
    const seconds = longestSeconds(steps)
    if (seconds > longestRunSeconds)
      refuse('steps', `delays, waits and windows take at most ${longestRunSeconds} s together, got ${seconds}`)
    return undefined
  } catch (thrown) {
    if (thrown instanceof BadWorkflow) return thrown.message
    throw thrown
  }
}

/** Each step with its place in the definition. */
export function* stepsOf(
  steps: readonly WorkflowStep[],
  field = 'steps',
): Generator<[field: string, step: WorkflowStep]> {
  for (const [index, step] of steps.entries()) {
    const own = `${field}.${index}`
    yield [own, step]
    if (step.kind !== 'branch') continue
    for (const [number, { steps: inner }] of step.cases.entries()) yield* stepsOf(inner, `${own}.cases.${number}.steps`)
    yield* stepsOf(step.otherwise, `${own}.otherwise`)
  }
}

function checkNames(steps: readonly WorkflowStep[], field: string, names: Set<string>): void {
  for (const [own, { name }] of stepsOf(steps, field)) {
    if (names.has(name))
      refuse(`${own}.name`, `"${name}" is the name of an earlier step; names are unique in the whole workflow`)
    if (names.add(name).size > maxWorkflowSteps)
      refuse(field, `at most ${maxWorkflowSteps} steps, those of branches included`)
  }
}

/** Checks steps in the order in which they run; `earlier` are the steps that may have run before, and gets these. */
function checkSteps(steps: readonly WorkflowStep[], field: string, earlier: Set<string>, known: KnownNames): void {
  for (const [index, step] of steps.entries()) {
    const own = `${field}.${index}`
    if (step.when !== undefined) checkCondition(step.when, `${own}.when`, earlier)
    checkStep(step, own, earlier, known)
    earlier.add(step.name)
  }
}

function checkStep(step: WorkflowStep, own: string, earlier: Set<string>, known: KnownNames): void {
  if (step.kind === 'branch') checkBranch(step, own, earlier, known)
  else if (step.kind === 'channel') checkSource(step, own, known)
  else if (step.kind === 'update-user') checkExpression(step.set, `${own}.set`, earlier)
  else if (step.kind === 'fetch') {
    if (step.body !== undefined) checkExpression(step.body, `${own}.body`, earlier)
  } else if (step.kind === 'wait') {
    if (typeof step.for !== 'string') checkExpression(step.for.correlation, `${own}.for.correlation`, earlier)
  } else if ((step.kind === 'digest' || step.kind === 'throttle') && step.key !== undefined)
    checkExpression(step.key, `${own}.key`, earlier)
}

function checkBranch(
  step: Extract<WorkflowStep, { kind: 'branch' }>,
  own: string,
  earlier: Set<string>,
  known: KnownNames,
): void {
  const inside: string[] = []
  const checkInner = (steps: readonly WorkflowStep[], field: string) => {
    const names = new Set(earlier)
    checkSteps(steps, field, names, known)
    inside.push(...names)
  }
  for (const [number, { when, steps }] of step.cases.entries()) {
    const field = `${own}.cases.${number}`
    checkCondition(when, `${field}.when`, earlier)
    const isAlwaysTrue = constantOf(when) === true
    if (isAlwaysTrue && (number < step.cases.length - 1 || step.otherwise.length > 0))
      refuse(`${field}.when`, 'is always true, so what follows in the branch can never run; leave one of them out')
    checkInner(steps, `${field}.steps`)
  }
  checkInner(step.otherwise, `${own}.otherwise`)
  // Behind the branch any of its steps may have run.
  for (const name of inside) earlier.add(name)
}

function checkSource(step: Extract<WorkflowStep, { kind: 'channel' }>, own: string, { templates }: KnownNames): void {
  if (!('template' in step.source) || templates === undefined) return
  const { template, version } = step.source
  const newest = templates.get(template)
  if (newest === undefined)
    return refuse(
      `${own}.source.template`,
      `there is no template "${template}"; PUT /v1/templates/${template} registers one`,
    )
  if (version !== undefined && version > newest)
    refuse(`${own}.source.version`, `the newest version of "${template}" is ${newest}, got ${version}`)
}

function checkCondition(text: string, field: string, earlier: ReadonlySet<string>): void {
  checkExpression(text, field, earlier, true)
  if (constantOf(text) === false) refuse(field, 'is never true, so what depends on it can never run; leave it out')
}

function checkExpression(text: string, field: string, earlier: ReadonlySet<string>, isCondition = false): void {
  const allowed: readonly string[] = isCondition ? [...roots, 'preferences'] : roots
  for (const [root, name] of pathsOf(text, field)) {
    if (root !== undefined && !allowed.includes(root))
      refuse(field, `there is no "${root}" in the document; it has ${allowed.join(', ')}`)
    if (root === 'steps' && name !== undefined && !earlier.has(name))
      refuse(field, `"${name}" is no step that runs before this one, so steps.${name} is always null`)
  }
}

function pathsOf(text: string, field: string): readonly (readonly string[])[] {
  try {
    return pathsIn(text)
  } catch (thrown) {
    if (thrown instanceof BadExpression) refuse(field, thrown.message)
    throw thrown
  }
}

/** Whether a condition that names nothing of the document holds; undefined for the others. One that throws is false. */
function constantOf(text: string): boolean | undefined {
  if (pathsIn(text).length > 0) return undefined
  try {
    return isTrue(evaluate(text, {}))
  } catch {
    return false
  }
}

/** How long the steps of a run wait at the longest, by the longest way through branches. */
function longestSeconds(steps: readonly WorkflowStep[]): number {
  let total = 0
  for (const step of steps) {
    if (step.kind === 'delay') total += step.seconds
    else if (step.kind === 'wait') total += step.timeoutSeconds
    else if (step.kind === 'branch')
      total += Math.max(...step.cases.map(({ steps: inner }) => longestSeconds(inner)), longestSeconds(step.otherwise))
    else if (step.kind === 'digest') {
      const { window } = step
      total += window.kind === 'until' ? weekSeconds : window.kind === 'sliding' ? window.maxSeconds : window.seconds
    }
  }
  return total
}

/** What a definition permits and its author may not mean. */
export function warningsOf({ steps }: WorkflowToCheck, known: KnownNames = {}): string[] {
  const all = [...stepsOf(steps)]
  const warnings: string[] = []
  const shownBefore = namesBehindInApp(steps)
  if (!all.some(([, { kind }]) => kind === 'channel')) warnings.push('steps: no step sends anything')
  for (const [field, step] of all) {
    if (step.when !== undefined && constantOf(step.when) === true) warnings.push(`${field}.when: is always true`)
    if (step.kind === 'channel') {
      if (known.channels?.has(step.channel) === false && step.channel !== 'in-app')
        warnings.push(`${field}.channel: there is no provider of ${step.channel}, so nothing is sent`)
      if (step.unless !== undefined && !shownBefore.has(step.name))
        warnings.push(
          `${field}.unless: no step before it puts the notification into the app, so it is never ${step.unless}`,
        )
    }
    if (step.kind === 'wait' && typeof step.for === 'string' && !shownBefore.has(step.name))
      warnings.push(
        `${field}.for: no step before it puts the notification into the app, so the wait always ends by its timeout`,
      )
    if (step.kind === 'branch' && step.cases.every((one) => one.steps.length === 0) && step.otherwise.length === 0)
      warnings.push(`${field}: no case has a step`)
  }
  return warnings
}

/** The names of steps before which an item may have been put into the feed. */
function namesBehindInApp(steps: readonly WorkflowStep[]): Set<string> {
  const found = new Set<string>()
  let isShown = false
  for (const [, step] of stepsOf(steps)) {
    if (isShown) found.add(step.name)
    isShown ||= step.kind === 'channel' && step.channel === 'in-app'
  }
  return found
}
