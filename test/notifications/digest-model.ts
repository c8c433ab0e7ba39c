import { expect } from 'vitest'
import type { DigestStep, NotificationSpec, WorkflowStep } from '../../src/notifications/model.ts'
import { advance, cancel, resume, settle } from '../../src/notifications/runs/advance.ts'
import { isOpen, nextDueAt } from '../../src/notifications/runs/run.ts'
import { email, specOf, TestUser } from './test-user.ts'

type Window = Extract<DigestStep['window'], { seconds: number }>

interface OpenWindow {
  readonly level: number
  readonly key: string
  until: number
  readonly max: number
  /** The number of the notification that opened it: of windows that close together, the oldest goes on first. */
  readonly leader: number
  readonly ids: string[]
}

/** What a digest is to do, with lists and no storage. */
class Model {
  readonly sent: string[][] = []
  readonly #windows: readonly Window[]
  readonly #keys: ReadonlyMap<string, readonly string[]>
  #open: OpenWindow[] = []

  constructor(windows: readonly Window[], keys: ReadonlyMap<string, readonly string[]>) {
    this.#windows = windows
    this.#keys = keys
  }

  reach(level: number, ids: readonly string[], leader: number, now: number): void {
    const window = this.#windows[level]
    if (window === undefined) {
      this.sent.push([...ids])
      return
    }
    const key = this.#keys.get(ids[0] ?? '')?.[level] ?? ''
    const open = this.#open.find((one) => one.level === level && one.key === key && now < one.until)
    const until = now + window.seconds * 1000
    if (open === undefined) {
      const max = window.kind === 'sliding' ? now + window.maxSeconds * 1000 : until
      this.#open.push({ level, key, until: Math.min(until, max), max, leader, ids: [...ids] })
      return
    }
    open.ids.push(...ids)
    if (window.kind === 'sliding') open.until = Math.min(open.max, Math.max(open.until, until))
  }

  alarm(now: number): void {
    for (;;) {
      const [due] = this.#open
        .filter(({ until }) => until <= now)
        .sort((a, b) => a.until - b.until || a.leader - b.leader)
      if (due === undefined) return
      this.#open.splice(this.#open.indexOf(due), 1)
      this.reach(due.level + 1, due.ids, due.leader, now)
    }
  }

  cancel(id: string): void {
    for (const { ids } of this.#open) if (ids.includes(id)) ids.splice(ids.indexOf(id), 1)
    this.#open = this.#open.filter(({ ids }) => ids.length > 0)
  }
}

/** A user whose actor dies at any boundary, and a provider that makes one message of requests with one key. */
class MortalUser extends TestUser {
  readonly random: () => number
  readonly messages = new Map<string, readonly string[]>()

  constructor(random: () => number) {
    super()
    this.random = random
  }

  /** Makes a change, in one commit or not at all, and then what it asks for. Repeats it when the actor died before the commit. */
  commit(work: () => void): void {
    const stored = new Map(this.runs)
    for (let dies = this.random() < 0.2; ; dies = false) {
      work()
      if (!dies) break
      this.runs = new Map(stored)
      this.taken()
    }
    const effects = this.taken()
    if (this.random() < 0.1) return this.restart()
    for (const effect of effects) {
      if (effect.kind !== 'deliver') throw new Error(`an effect of kind "${effect.kind}"`)
      const { document } = effect.order
      expect(document.total).toBe(document.events.length)
      if (!this.messages.has(effect.delivery))
        this.messages.set(
          effect.delivery,
          document.events.map(({ id }) => id),
        )
      if (this.random() < 0.1) return this.restart()
      const run = effect.delivery.slice(0, effect.delivery.indexOf('/'))
      this.do(run, (context) => settle(context, effect.delivery, effect.attempt, { kind: 'delivered' }))
    }
  }

  restart(): void {
    this.taken()
    this.commit(() => {
      for (const { id, deliveries } of this.all())
        if (deliveries.some(({ state }) => state === 'active')) this.do(id, resume)
    })
  }

  alarm(): void {
    for (;;) {
      const [due] = this.all()
        .filter((run) => nextDueAt(run) <= this.now)
        .sort((a, b) => nextDueAt(a) - nextDueAt(b))
      if (due === undefined) return
      this.commit(() => this.do(due.id, advance))
    }
  }
}

/** A day of one user: notifications of a few keys come, come again and are canceled, the alarm is late, and the actor dies. */
export function checkDigests(random: () => number, notifications: number): void {
  const seconds = () => 1 + Math.floor(random() * 60)
  const windowOf = (): Window =>
    random() < 0.5
      ? { kind: 'fixed', seconds: seconds() }
      : { kind: 'sliding', seconds: 1 + Math.floor(random() * 20), maxSeconds: 20 + seconds() }
  const windows = Array.from({ length: 1 + Math.floor(random() * 3) }, windowOf)
  const steps: readonly WorkflowStep[] = [
    ...windows.map((window, n): WorkflowStep => ({ name: `d${n}`, kind: 'digest', key: `data.k${n}`, window })),
    email('mail', { heedsQuietHours: false }),
  ]
  const keys = new Map<string, readonly string[]>()
  const specs: NotificationSpec[] = []
  const user = new MortalUser(random)
  const model = new Model(windows, keys)
  const alarm = () => {
    user.alarm()
    model.alarm(user.now)
  }
  while (specs.length < notifications) {
    user.now += Math.floor(random() * 8000)
    const action = random()
    const known = specs[Math.floor(random() * specs.length)]
    if (action < 0.6) {
      const own = windows.map((_, n) => `k${Math.floor(random() * (n === 0 ? 4 : 2))}`)
      const spec = specOf(steps, {
        id: `n${specs.length}`,
        data: Object.fromEntries(own.map((key, n) => [`k${n}`, key])),
      })
      keys.set(spec.id, own)
      specs.push(spec)
      user.commit(() => user.start(spec))
      model.reach(0, [spec.id], specs.length - 1, user.now)
    } else if (known !== undefined && action < 0.7) user.commit(() => user.start(known))
    else if (known !== undefined && action < 0.8) {
      alarm()
      // A message that is repeated is sent without what was canceled in the meantime.
      if (user.all().some(({ deliveries }) => deliveries.some(isOpen))) continue
      user.commit(() => user.do(known.id, (context) => cancel(context, 'the caller asked for it')))
      model.cancel(known.id)
    } else alarm()
  }
  for (let n = 0; n < 20; n++) {
    user.now += 1_000_000
    alarm()
  }
  expect(user.all().filter(({ endedAt }) => endedAt === 0)).toEqual([])
  const sorted = (messages: Iterable<readonly string[]>) => [...messages].map((ids) => ids.join(' ')).sort()
  expect(sorted(user.messages.values())).toEqual(sorted(model.sent))
}
