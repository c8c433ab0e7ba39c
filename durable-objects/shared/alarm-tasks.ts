import { systemClock, type Clock } from '../../src/kernel/clock.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { backoffMs, within } from '../../src/kernel/retry.ts'

/** Work that an actor does after it has answered. */
export interface Task {
  readonly name: string
  isPending(): boolean
  /** Throws when it cannot be done now. */
  run(): Promise<void>
  /** When a parked task may run again, 0 when it is not parked; see TaskAttempts. */
  parkedUntil?(): number
  /** When a task that gathers work runs while it is pending, in milliseconds since the epoch; absent for one that runs at the next alarm. */
  dueAt?(): number
  /** Of a task that also runs without the alarm: the time between two runs, in milliseconds; see `runPrompt`. */
  readonly everyMs?: number
}

/** The alarm of an actor. */
interface Alarm {
  setAlarm(at: number): Promise<void>
}

interface TaskState {
  readonly task: Task
  failures: number
  notBefore: number
  running: boolean
  /** When it began to run last, in milliseconds since the epoch. */
  beganAt: number
  timer: ReturnType<typeof setTimeout> | undefined
}

const retryCapMs = 60_000
/** While work keeps being scheduled, it runs this many times less often than after the first of a burst. */
const steadily = 4
/** How long an alarm waits for its tasks, in milliseconds; a task that takes longer continues alone. */
const timeoutMs = 1000
/** The alarm rings again after this time while a task is under way, in case the actor restarts meanwhile. */
const lookAfterMs = 20_000
/** What is not urgent may gather for so long, in milliseconds: an alarm that rings before is early enough for it. */
const gatheredMs = 600_000
/** An alarm may ring this much early, in milliseconds. */
const earlyMs = 100
/** An alarm this late was lost by the platform, as has been seen (cloudflare-docs#18324): it is set again. */
const missedMs = 10_000

/**
 * Runs an actor's tasks by its alarm: a little later, so that a burst is one run, and again after growing pauses until
 * none is pending. The alarm is set in the same commit as the write that made the task pending, so a crash loses neither.
 * Tasks do not wait for one another: while Postgres is down, inboxes are updated as usual.
 */
export class AlarmTasks {
  readonly #alarm: Alarm
  readonly #tasks: readonly TaskState[]
  readonly #clock: Clock
  #armedFor = Infinity
  #ranAt = 0

  constructor(alarm: Alarm, tasks: readonly Task[], clock = systemClock) {
    this.#alarm = alarm
    this.#tasks = tasks.map((task) => ({
      task,
      failures: 0,
      notBefore: 0,
      running: false,
      beganAt: 0,
      timer: undefined,
    }))
    this.#clock = clock
    // An actor that wakes with such a task pending has set its alarm: setting it again would be a row for each message.
    for (const task of tasks)
      if (task.dueAt !== undefined && task.isPending()) this.#armedFor = Math.min(this.#armedFor, task.dueAt())
  }

  /** A task is pending: runs it `delayMs` from now, later while work keeps being scheduled. Called in the event that wrote it. */
  schedule(now: number, delayMs: number): void {
    if (this.#armedFor < now - missedMs) this.#armedFor = Infinity
    this.#arm(Math.max(now + delayMs, this.#ranAt + steadily * delayMs))
  }

  /**
   * Tasks that gather may be pending: sets the alarm for when the first of them is due, at least `delayMs` from now, unless
   * it rings before. Where nothing is urgent an alarm that is set rings early enough.
   */
  scheduleGathering(now: number, delayMs: number, isUrgent = true): void {
    if (this.#armedFor < now - missedMs) this.#armedFor = Infinity
    if (!isUrgent && this.#armedFor < now + gatheredMs) return
    for (const { task } of this.#tasks)
      if (task.dueAt !== undefined && task.isPending())
        this.#arm(Math.max(task.dueAt(), now + delayMs, this.#ranAt + steadily * delayMs))
  }

  /** Runs pending tasks that need no alarm, once the answers have left, or `everyMs` after they ran. One that fails is repeated by the alarm. */
  runPrompt(now: number): void {
    for (const state of this.#tasks) {
      const { everyMs } = state.task
      if (everyMs === undefined || state.running || state.timer !== undefined || !state.task.isPending()) continue
      const waitMs = state.beganAt + everyMs - now
      // A longer wait shows that the clock was set back.
      const delayMs = waitMs > everyMs ? 0 : Math.max(waitMs, 0)
      state.timer = setTimeout(() => void this.#runAgain(state), delayMs)
    }
  }

  async #runAgain(state: TaskState): Promise<void> {
    state.timer = undefined
    if (state.running) return
    await this.#run(state)
    if (state.failures === 0) this.runPrompt(this.#clock.now())
  }

  /** The alarm rang. Never throws: the platform gives up on an alarm that does, after six tries. */
  async run(now: number, delayMs: number): Promise<void> {
    const isExpected = this.#armedFor <= now + earlyMs
    this.#armedFor = Infinity
    this.#ranAt = now
    const pending = this.#tasks.filter(({ task, running }) => !running && task.isPending())
    const runnable = pending.filter(({ task }) => (task.parkedUntil?.() ?? 0) <= now)
    const due = runnable.filter(({ task, notBefore }) => notBefore <= now && dueAtOf(task) <= now + earlyMs)
    // Before its time, and with no task due, the alarm was set by hand or the clock was set back: all tasks that are not parked
    // run. At its time it may find that the task it was set for has run meanwhile: others go on gathering.
    const run = Promise.all((due.length === 0 && !isExpected ? runnable : due).map((state) => this.#run(state)))
    await within(timeoutMs, 'tasks', run).catch(() => undefined)
    for (const { task, running, notBefore } of this.#tasks) {
      if (running) this.#arm(now + lookAfterMs)
      else if (task.isPending())
        this.#arm(Math.max(notBefore, task.parkedUntil?.() ?? 0, dueAtOf(task), now + steadily * delayMs))
    }
  }

  async #run(state: TaskState): Promise<void> {
    state.running = true
    state.beganAt = this.#clock.now()
    try {
      await state.task.run()
      Object.assign(state, { failures: 0, notBefore: 0 })
    } catch (thrown) {
      state.failures++
      state.notBefore = this.#clock.now() + backoffMs(state.failures, 1000, retryCapMs, Math.random())
      this.#arm(state.notBefore)
      log.warn('alarm-tasks.failed', { task: state.task.name, failures: state.failures, reason: reasonOf(thrown) })
    } finally {
      state.running = false
    }
  }

  /** The earliest time counts. */
  #arm(at: number): void {
    if (this.#armedFor <= at) return
    this.#armedFor = at
    void this.#alarm.setAlarm(at)
  }
}

const dueAtOf = (task: Task): number => task.dueAt?.() ?? 0
