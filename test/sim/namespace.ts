import { lives } from './lives.ts'
import type { Life, Outcome, World } from './world.ts'

type Call = (...given: unknown[]) => Promise<unknown>

/** What `env.CONVERSATION` is to an actor: names to stubs, each a line of its own on which calls keep their order. */
export function namespace(platform: World, kind: string): { getByName(name: string): unknown } {
  return { getByName: (name) => stub(platform, kind, name) }
}

/** A way to one actor. Calls of one stub arrive in their order; of two stubs, as it comes. */
export function stub(platform: World, kind: string, name: string): Readonly<Record<string, Call>> {
  const line = { free: 0 }
  return new Proxy<Record<string, Call>>(
    {},
    {
      get: (_, method) => {
        if (typeof method !== 'string' || method === 'then') return undefined
        return (...given: unknown[]) => call(platform, line, { kind, name, method, given })
      },
    },
  )
}

/** What `ctx.exports.JobWorker` is to an actor: each call an invocation of its own, which no other caller can reach. */
export function entrypoint(platform: World, kind: string): Readonly<Record<string, Call>> {
  return new Proxy<Record<string, Call>>(
    {},
    {
      get: (_, method) => {
        if (typeof method !== 'string' || method === 'then') return undefined
        return (...given: unknown[]) => invoke(platform, kind, method, given)
      },
    },
  )
}

async function invoke(platform: World, kind: string, method: string, given: readonly unknown[]): Promise<unknown> {
  const name = String(platform.invocations++)
  return await call(platform, { free: 0 }, { kind, name, method, given, over: () => platform.retire(kind, name) })
}

interface Message {
  readonly kind: string
  readonly name: string
  readonly method: string
  readonly given: readonly unknown[]
  /** The one who was called has done with it. */
  readonly over?: () => void
}

/** These change nothing when they come twice: the platform itself repeats only what it knows not to have arrived. */
const repeatable = new Set([
  'advance',
  'update',
  'publish',
  'write',
  'settle',
  'append',
  'eventsAppended',
  'eventArrived',
  'start',
])

/** What `fetch` of an actor is given: one request, also where its caller named the URL and what goes with it. */
function asRequest(given: readonly unknown[]): readonly unknown[] {
  const [url, init] = given
  const headers = typeof init === 'object' && init !== null && 'headers' in init ? init.headers : undefined
  return typeof url === 'string' ? [{ url, headers: new Map(Object.entries(headers ?? {}).map(lowerCase)) }] : given
}

const lowerCase = ([name, value]: [string, unknown]): [string, unknown] => [name.toLowerCase(), value]

function call(platform: World, line: { free: number }, { kind, name, method, given, over }: Message): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const caller = lives.getStore()
  const arguments_ = method === 'fetch' ? asRequest(given) : structuredClone(given)
  const answered = once((outcome: Outcome) => hear(platform, caller, outcome, resolve, reject))
  const arrive = (settle: (outcome: Outcome) => void) => platform.host(kind, name).receive(method, arguments_, settle)
  const leave = () => {
    const { weather, chance } = platform
    const lost = chance.happens(weather.requestLost)
    const deaf = chance.happens(weather.answerLost)
    const failed = () => answered({ kind: 'failed', why: 'the network failed' })
    line.free = Math.max(line.free, platform.now + platform.latency())
    platform.timeline.plan(line.free, () => {
      if (lost) return failed()
      arrive((outcome) => {
        over?.()
        if (deaf) failed()
        else answered(outcome)
      })
      if (repeatable.has(method) && chance.happens(weather.repeated))
        platform.after(10 * platform.latency(), () => arrive(() => undefined))
    })
  }
  if (caller === undefined) leave()
  else {
    caller.busy++
    caller.host.output(leave)
  }
  return promise
}

/** The answer reaches the caller, if it still lives. */
function hear(
  platform: World,
  caller: Life | undefined,
  outcome: Outcome,
  resolve: (value: unknown) => void,
  reject: (why: Error) => void,
): void {
  platform.after(platform.latency(), () => {
    if (caller !== undefined) caller.busy--
    if (caller?.dead === true) return
    if (outcome.kind === 'answered') resolve(outcome.value)
    else reject(new Error(outcome.why))
  })
}

function once<T>(act: (given: T) => void): (given: T) => void {
  let done = false
  return (given) => {
    if (done) return
    done = true
    act(given)
  }
}
