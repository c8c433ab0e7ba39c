import type { Workflow, WorkflowStep } from '../model.ts'

/** One step with its place in the order of a workflow. */
export interface PlannedStep {
  readonly step: WorkflowStep
  /** The step after it, behind the end of its branch where it is the last of one; null at the end of the workflow. */
  readonly next: string | null
}

/** The steps of a workflow by their names. */
export interface Plan {
  readonly first: string | null
  readonly steps: ReadonlyMap<string, PlannedStep>
}

const plans = new WeakMap<readonly WorkflowStep[], Plan>()

/** The plan of a workflow's steps, made once for each list. */
export function planOf({ steps }: Pick<Workflow, 'steps'>): Plan {
  const known = plans.get(steps)
  if (known !== undefined) return known
  const planned = new Map<string, PlannedStep>()
  addSteps(planned, steps, null)
  const plan: Plan = { first: steps[0]?.name ?? null, steps: planned }
  plans.set(steps, plan)
  return plan
}

function addSteps(planned: Map<string, PlannedStep>, steps: readonly WorkflowStep[], after: string | null): void {
  for (const [index, step] of steps.entries()) {
    const next = steps[index + 1]?.name ?? after
    planned.set(step.name, { step, next })
    if (step.kind !== 'branch') continue
    for (const { steps: inner } of step.cases) addSteps(planned, inner, next)
    addSteps(planned, step.otherwise, next)
  }
}
