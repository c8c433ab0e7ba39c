import { BreakerView } from '../../src/resilience/breaker-view.ts'
import { serviceOpenTimes, type BreakerReport, type Opinion } from '../../src/resilience/opinion.ts'
import { SharedBreaker } from '../../src/resilience/shared-breaker.ts'
import { RetryBudget } from '../../src/resilience/retry-budget.ts'

/** A service that isolates call, with the calls that reached it. */
export class Service {
  /** Which isolates are answered. */
  answers: (isolate: string) => boolean = () => true
  /** Calls are swallowed: they end with their deadline. */
  isSilent = false
  readonly calls: { readonly at: number; readonly isolate: string }[] = []

  since(at: number): number {
    return this.calls.filter((call) => call.at >= at).length
  }
}

/** Isolates with their views, the breaker of all and a service, on one clock. Messages arrive `latencyMs` later. */
export class World {
  now = 1_000_000
  readonly service = new Service()
  shared = new SharedBreaker(serviceOpenTimes)
  readonly isolates: Isolate[]
  /** Whether the breaker's actor answers. */
  isBreakerUp = true
  reports = 0
  readonly #due: { readonly at: number; readonly run: () => void }[] = []

  constructor(isolates: number) {
    this.isolates = Array.from({ length: isolates }, (_, index) => new Isolate(this, `isolate-${index}`))
  }

  after(ms: number, run: () => void): void {
    this.#due.push({ at: this.now + ms, run })
  }

  /** Lets time pass, a millisecond at a time; `each` is told before each. */
  pass(ms: number, each?: (now: number) => void): void {
    for (const end = this.now + ms; this.now < end; this.now++) {
      each?.(this.now)
      for (let index = 0; index < this.#due.length;) {
        const due = this.#due[index]
        if (due === undefined || due.at > this.now) index++
        else {
          this.#due.splice(index, 1)
          due.run()
        }
      }
    }
  }

  /** Every isolate makes a call this often, each at its own moment. */
  traffic(ms: number, everyMs: number): void {
    this.pass(ms, (now) =>
      this.isolates.forEach((isolate, index) => {
        if ((now + index * 7) % everyMs === 0) isolate.call()
      }),
    )
  }

  get opened(): number {
    return this.isolates.filter(({ view }) => view.state(this.now) !== 'closed').length
  }

  report(report: BreakerReport, heard: (opinion: Opinion | undefined) => void): void {
    this.reports++
    this.after(5, () => {
      const opinion = this.isBreakerUp ? this.shared.report(report, this.now) : undefined
      this.after(5, () => heard(opinion))
    })
  }
}

/** How long a call of these tests takes, and may take. */
export const callMs = 10
export const deadlineMs = 5000
export const slowMs = 3000

export class Isolate {
  readonly view = new BreakerView(64)
  readonly budget = new RetryBudget()
  readonly #world: World
  readonly #name: string
  refused = 0

  constructor(world: World, name: string) {
    this.#world = world
    this.#name = name
  }

  call(): void {
    const world = this.#world
    const verdict = this.view.decide(world.now)
    this.#report(this.view.takeReport(world.now))
    if (verdict.kind === 'call') return this.#go(undefined)
    if (verdict.kind !== 'ask') return void this.refused++
    const report = { isolate: this.#name, ...this.view.report(world.now), probeMs: deadlineMs }
    world.report(report, (opinion) => {
      const permission = this.view.afterAsking(opinion, deadlineMs, world.now)
      if (permission.kind === 'call') this.#go(permission.probe)
      else this.refused++
    })
  }

  #go(probe: number | 'own' | undefined): void {
    const world = this.#world
    world.service.calls.push({ at: world.now, isolate: this.#name })
    const call = this.view.begin(deadlineMs, slowMs, world.now, probe)
    const { isSilent } = world.service
    const isSuccess = !isSilent && world.service.answers(this.#name)
    world.after(isSilent ? deadlineMs : callMs, () => {
      this.view.end(call, isSuccess, world.now)
      if (typeof probe === 'number') this.#report({ ...this.view.report(world.now), probed: { probe, isSuccess } })
      else this.#report(this.view.takeReport(world.now))
    })
  }

  #report(report: Omit<BreakerReport, 'isolate'> | undefined): void {
    if (report === undefined) return
    const world = this.#world
    world.report({ isolate: this.#name, ...report }, (opinion) => {
      if (opinion !== undefined) this.view.hear(opinion, world.now)
    })
  }
}
