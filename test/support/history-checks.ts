import type { Attempt, Entry, Heard, MessageKey, Observed, Read } from './history.ts'

/** A promise that was broken, and how. */
export interface Violation {
  readonly check: string
  readonly what: string
}

/** One promise: finds every offence against it, in O(n log n) at most. */
interface Check {
  readonly name: string
  readonly find: (observed: Observed, log: readonly Entry[]) => string[]
}

/** Every promise a history is held to. */
export const checks: readonly Check[] = [
  { name: 'acknowledged is in the log exactly once', find: lostOrRepeated },
  { name: 'one clientId has one seq', find: severalPlaces },
  { name: 'what was refused or never sent is not in the log', find: invented },
  { name: 'the log is dense from 1', find: holes },
  { name: 'a stream is a run without a gap', find: gaps },
  { name: 'every subscriber sees the same entry at the same seq', find: differences },
  { name: 'order respects real time', find: reordered },
  { name: 'you read what you wrote', find: ownWritesMissing },
  { name: 'what was read stays read', find: readsGoBack },
  { name: 'unread equals the recount', find: miscounts },
  { name: 'no tenant sees another', find: leaks },
]

function lostOrRepeated({ attempts }: Observed, log: readonly Entry[]): string[] {
  const places = Map.groupBy(log.filter(isMessage), keyOf)
  return acknowledged(attempts).flatMap((attempt) => {
    const found = places.get(keyOf(attempt)) ?? []
    if (found.length !== 1) return [`${tell(attempt)} was acknowledged and is in the log ${found.length} times`]
    const [entry] = found
    if (entry?.seq === attempt.seq && entry.body === attempt.body) return []
    return [`${tell(attempt)} was acknowledged as ${attempt.seq} and is in the log as ${entry?.seq} "${entry?.body}"`]
  })
}

function severalPlaces({ attempts, heard, reads }: Observed, log: readonly Entry[]): string[] {
  const seen = [...log, ...entriesOf(heard), ...reads.flatMap(({ entries }) => entries)].filter(isMessage)
  const places = new Map<string, Set<number>>()
  for (const message of [...seen, ...acknowledged(attempts)]) setOf(places, keyOf(message)).add(message.seq)
  return [...places].flatMap(([key, seqs]) => (seqs.size > 1 ? [`${key} has the seqs ${[...seqs].join(', ')}`] : []))
}

function invented({ attempts }: Observed, log: readonly Entry[]): string[] {
  const outcomes = Map.groupBy(attempts, keyOf)
  return log.filter(isMessage).flatMap((entry) => {
    const tries = outcomes.get(keyOf(entry)) ?? []
    return tries.some(({ outcome }) => outcome !== 'fail') ? [] : [`${tell(entry)} was refused or never sent`]
  })
}

function holes(_: Observed, log: readonly Entry[]): string[] {
  return [...Map.groupBy(log, conversationOf)].flatMap(([conversation, entries]) =>
    sortedSeqs(entries).flatMap((seq, index, seqs) => {
      const expected = (seqs[index - 1] ?? 0) + 1
      return seq === expected ? [] : [`${conversation} has ${seq} where ${expected} belongs`]
    }),
  )
}

/** Each stream goes on exactly where it was, also over a reconnect, and up to the end unless its listener left. */
function gaps({ heard, left }: Observed, log: readonly Entry[]): string[] {
  const tops = topsOf(log)
  return [...Map.groupBy(heard, (event) => `${event.listener} in ${conversationOfHeard(event)}`)].flatMap(
    ([stream, events]) => {
      const found: string[] = []
      let last: number | undefined
      for (const event of events) {
        const expected = event.kind === 'joined' ? (last ?? event.after) : (last ?? 0) + 1
        const came = event.kind === 'joined' ? event.after : event.entry.seq
        if (came !== expected) found.push(`${stream} ${event.kind} at ${came} where ${expected} belongs`)
        last = came
      }
      const [first] = events
      const top = first === undefined ? 0 : (tops.get(conversationOfHeard(first)) ?? 0)
      if (first !== undefined && !left.has(first.listener) && last !== top)
        found.push(`${stream} ends at ${last} and the log at ${top}`)
      return found
    },
  )
}

function differences({ heard, reads }: Observed, log: readonly Entry[]): string[] {
  const bodies = new Map(log.map((entry) => [placeOf(entry), entry]))
  const check = (who: string) => (entry: Entry) => {
    const stored = bodies.get(placeOf(entry))
    const same = stored?.body === entry.body && stored.user === entry.user && stored.clientId === entry.clientId
    return same ? [] : [`${who} saw "${entry.body}" at ${placeOf(entry)}, the log has "${stored?.body}"`]
  }
  return [
    ...heard.flatMap((event) => (event.kind === 'entry' ? check(event.listener)(event.entry) : [])),
    ...reads.flatMap(({ session, entries }) => entries.flatMap(check(session))),
  ]
}

/** Acknowledged before the other was first said: then also before it in the log. */
function reordered({ attempts }: Observed): string[] {
  return [...Map.groupBy(attempts, conversationOf)].flatMap(([conversation, here]) => {
    const sends = [...Map.groupBy(here, keyOf).values()].flatMap(toSend)
    return overtaken(sends, sends).map(
      ({ late, early }) =>
        `in ${conversation} ${late.clientId} got ${late.seq} though ${early.clientId} had ${early.seq} before`,
    )
  })
}

function ownWritesMissing({ attempts, reads }: Observed): string[] {
  const writes = Map.groupBy(acknowledged(attempts), sessionOf)
  return [...Map.groupBy(reads.map(asMark), sessionOf)].flatMap(([session, here]) =>
    overtaken(writes.get(session) ?? [], here).map(
      ({ late, early }) => `${session} wrote ${early.seq} and then read up to ${late.top}`,
    ),
  )
}

function readsGoBack({ reads }: Observed): string[] {
  return [...Map.groupBy(reads.map(asMark), sessionOf)].flatMap(([session, here]) =>
    overtaken(here, here).map(({ late, early }) => `${session} read up to ${early.top} and later up to ${late.top}`),
  )
}

function miscounts({ counts }: Observed, log: readonly Entry[]): string[] {
  const conversations = Map.groupBy(log, conversationOf)
  return counts.flatMap((count) => {
    const entries = conversations.get(conversationOf(count)) ?? []
    const unread = entries.filter(
      ({ seq, clientId, user }) => seq > count.read && clientId !== null && user !== count.user,
    ).length
    const last = sortedSeqs(entries).at(-1) ?? 0
    if (count.unread === unread && count.last === last) return []
    return [
      `${count.user} is told ${count.unread} unread of ${count.last} in ${conversationOf(count)}; a recount gives ${unread} of ${last}`,
    ]
  })
}

/** Every body names its sender's tenant in the history of its attempts; a reader of it must belong there. */
function leaks({ attempts, heard, reads }: Observed, log: readonly Entry[]): string[] {
  const owners = new Map<string, Set<string>>()
  for (const { body, tenant } of attempts) setOf(owners, body).add(tenant)
  const foreign = (entry: Entry) => owners.get(entry.body)?.has(entry.tenant) === false
  return [...log, ...entriesOf(heard), ...reads.flatMap(({ entries }) => entries)]
    .filter(foreign)
    .map((entry) => `${entry.tenant} sees "${entry.body}" at ${placeOf(entry)}`)
}

interface Mark {
  readonly seq: number
  readonly invokedAt: number
  readonly endedAt: number
}

/** What began after something with a higher seq had ended, with the highest such; one sweep over time. */
function overtaken<E extends Mark, L extends Mark>(ended: readonly E[], begun: readonly L[]): { late: L; early: E }[] {
  const ends = ended.toSorted((a, b) => a.endedAt - b.endedAt)
  let next = 0
  let highest: E | undefined
  return begun
    .toSorted((a, b) => a.invokedAt - b.invokedAt)
    .flatMap((late) => {
      for (let end = ends[next]; end !== undefined && end.endedAt < late.invokedAt; end = ends[++next])
        if (end.seq > (highest?.seq ?? 0)) highest = end
      return highest !== undefined && highest.seq > late.seq ? [{ late, early: highest }] : []
    })
}

const asMark = (read: Read) => ({ ...read, seq: read.top })

/** The attempts of one message as one send: from the first word to the first answer. */
function toSend(tries: readonly Attempt[]): Attempt[] {
  const [answered] = acknowledged(tries).sort((a, b) => a.endedAt - b.endedAt)
  if (answered === undefined) return []
  return [{ ...answered, invokedAt: Math.min(...tries.map(({ invokedAt }) => invokedAt)) }]
}

const acknowledged = (attempts: readonly Attempt[]) => attempts.filter(({ outcome }) => outcome === 'ok')

const isMessage = (entry: Entry): entry is Entry & { readonly clientId: string } => entry.clientId !== null

const entriesOf = (heard: readonly Heard[]) => heard.flatMap((event) => (event.kind === 'entry' ? [event.entry] : []))

const keyOf = ({ tenant, conversation, user, clientId }: MessageKey) => `${tenant}/${conversation}/${user}/${clientId}`

const conversationOf = ({ tenant, conversation }: { tenant: string; conversation: string }) =>
  `${tenant}/${conversation}`

const conversationOfHeard = (event: Heard) => conversationOf(event.kind === 'joined' ? event : event.entry)

const placeOf = (entry: Entry) => `${conversationOf(entry)}/${entry.seq}`

const sessionOf = (event: Attempt | Read) => `${event.session} in ${conversationOf(event)}`

const tell = (message: MessageKey & { readonly body: string }) => `${keyOf(message)} "${message.body}"`

const sortedSeqs = (entries: readonly Entry[]) => entries.map(({ seq }) => seq).sort((a, b) => a - b)

const topsOf = (log: readonly Entry[]) =>
  new Map(
    [...Map.groupBy(log, conversationOf)].map(([conversation, entries]) => [
      conversation,
      sortedSeqs(entries).at(-1) ?? 0,
    ]),
  )

function setOf<T>(sets: Map<string, Set<T>>, key: string): Set<T> {
  const known = sets.get(key) ?? new Set<T>()
  sets.set(key, known)
  return known
}

/** Holds what was seen against the final log; returns every promise that was broken, none when all is well. */
export function checkHistory(observed: Observed, log: readonly Entry[]): Violation[] {
  return checks.flatMap(({ name, find }) => find(observed, log).map((what) => ({ check: name, what })))
}
