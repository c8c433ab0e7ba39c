import type { Clock } from './clock.ts'
import { inPeriod, roomIn, type Room } from './flow-control.ts'
import type { FlowControl } from './store/flow-controls.ts'
import type { QueueHead } from './store/messages.ts'
import type { Queue } from './store/queues.ts'
import type { Store } from './store/store.ts'

/** Which messages begin an attempt now, and when there may be more to begin without anything else happening. */
export interface Turn {
  started: string[]
  /** Unix milliseconds; Infinity when only an event (a publish, an attempt's end, a resume) can change the answer. */
  lookAgainAt: number
}

/** Lets due messages go, within what queues and flow controls allow. */
export class Admission {
  readonly #store: Store
  readonly #clock: Clock

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Marks at most `slots` messages as started. Call inside a transaction. */
  admit(now: number, slots: number): Turn {
    const turn = new OpenTurn(now, slots, (id) => this.#store.messages.start(id))
    this.#admitFree(turn)
    for (const queue of this.#store.queues.moving()) this.#admitFromQueue(queue, turn)
    for (const flow of this.#store.flows.moving()) this.#admitFromFlow(flow, turn)
    return turn
  }

  #admitFree(turn: OpenTurn): void {
    for (const id of this.#store.messages.dueFree(turn.now, turn.slots)) turn.start(id)
    turn.lookAgain(this.#store.messages.nextFree(turn.now))
  }

  /** A retrying message keeps its slot, so that nothing behind it overtakes. */
  #admitFromQueue(queue: Queue, turn: OpenTurn): void {
    for (const head of this.#store.messages.heads(queue.name, queue.parallelism)) {
      if (head.active) continue
      if (head.dueAt > turn.now) turn.lookAgain(head.dueAt)
      else if (this.#flowAllows(head, turn)) turn.start(head.id)
    }
  }

  #flowAllows({ flowKey }: QueueHead, turn: OpenTurn): boolean {
    const flow = flowKey === null ? undefined : this.#store.flows.get(flowKey)
    if (flow === undefined) return turn.slots > 0
    if (flow.paused) return false

    const { current, room } = this.#room(flow, turn.now)
    if (room.count === 0) turn.lookAgain(room.reopensAt)
    if (room.count === 0 || turn.slots === 0) return false
    this.#store.flows.put({ ...current, rateCount: current.rateCount + 1 })
    return true
  }

  #admitFromFlow(flow: FlowControl, turn: OpenTurn): void {
    const { current, room } = this.#room(flow, turn.now)
    const ids = this.#store.messages.dueInFlow(flow.key, turn.now, Math.min(room.count, turn.slots))
    for (const id of ids) turn.start(id)
    if (ids.length > 0) this.#store.flows.put({ ...current, rateCount: current.rateCount + ids.length })

    if (ids.length === room.count) turn.lookAgain(room.reopensAt)
    turn.lookAgain(this.#store.messages.nextInFlow(flow.key, turn.now))
  }

  #room(flow: FlowControl, now: number): { current: FlowControl; room: Room } {
    const lastingMs = this.#clock.lasting(flow.periodMs)
    const current = inPeriod(flow, now, lastingMs)
    return { current, room: roomIn(current, this.#store.messages.activeInFlow(flow.key), lastingMs) }
  }
}

/** A turn while it is being made. */
class OpenTurn implements Turn {
  readonly now: number
  readonly started: string[] = []
  lookAgainAt = Infinity
  readonly #slots: number
  readonly #mark: (id: string) => void

  /** `mark` is called at once for each start: the next look at a flow control must count it. */
  constructor(now: number, slots: number, mark: (id: string) => void) {
    this.now = now
    this.#slots = slots
    this.#mark = mark
  }

  get slots(): number {
    return this.#slots - this.started.length
  }

  start(id: string): void {
    this.started.push(id)
    this.#mark(id)
  }

  lookAgain(at: number | undefined): void {
    if (at !== undefined) this.lookAgainAt = Math.min(this.lookAgainAt, at)
  }
}
