/** What of an actor's storage the rules are about; the platform's own and the simulation's both have it. */
export interface State {
  readonly storage: {
    readonly sql: { exec(query: string, ...bindings: (string | number | null)[]): { toArray(): object[] } }
    readonly kv: { get(key: string): unknown; put(key: string, value: unknown): void }
    setAlarm(at: number): Promise<void>
    getAlarm(): Promise<number | null>
    deleteAll(): Promise<void>
    transactionSync<T>(work: () => T): T
  }
}

/** One actor to try the rules on: the runtime's or the simulation's. */
export interface Stage {
  /** One event of the actor; answered when what it wrote is safe. */
  within<T>(work: (state: State) => T): Promise<T>
  /** It dies with all it had in mind. */
  crash(): Promise<void>
  /** It falls asleep. */
  sleep(): Promise<void>
  /** A number that each life has of its own. */
  life(): Promise<number>
  /** Sends so many messages to a conversation over one stub, without waiting for answers; the seqs they got, in order. */
  sendAll(count: number): Promise<number[]>
}

interface Rule {
  readonly name: string
  readonly try: (stage: Stage) => Promise<unknown>
  readonly gives: unknown
}

const rows = (state: State) => state.storage.sql.exec('SELECT n FROM probes ORDER BY n').toArray()
const write = (state: State, n: number) => void state.storage.sql.exec('INSERT INTO probes (n) VALUES (?)', n)
const found = (stage: Stage) => stage.within((state) => JSON.stringify(rows(state)))

/** Everything the simulation believes of the runtime's storage, lives and order; both are held to it. */
export const rules: readonly Rule[] = [
  {
    name: 'what was written is there at once, and in the next event',
    try: async (stage) => [
      await stage.within((state) => {
        write(state, 1)
        return JSON.stringify(rows(state))
      }),
      await found(stage),
    ],
    gives: ['[{"n":1}]', '[{"n":1}]'],
  },
  {
    name: 'a handler that throws does not undo what it had written',
    try: async (stage) => {
      const thrown = await stage
        .within((state) => {
          write(state, 1)
          throw new Error('on purpose')
        })
        .catch((why: unknown) => String(why))
      return [thrown, await found(stage)]
    },
    gives: [expectText('on purpose'), '[{"n":1}]'],
  },
  {
    name: 'a transaction that throws is undone, and what was written around it is not',
    try: async (stage) => {
      await stage.within((state) => {
        write(state, 1)
        try {
          state.storage.transactionSync(() => {
            write(state, 2)
            throw new Error('undo')
          })
        } catch {
          write(state, 3)
        }
      })
      return found(stage)
    },
    gives: '[{"n":1},{"n":3}]',
  },
  {
    name: 'what was answered outlives a crash, memory does not',
    try: async (stage) => {
      const before = await stage.life()
      await stage.within((state) => {
        write(state, 1)
        state.storage.kv.put('key', { deep: [1] })
        void state.storage.setAlarm(4_000_000_000_000)
      })
      await stage.crash()
      const kept = await stage.within((state) => JSON.stringify([rows(state), state.storage.kv.get('key')]))
      return [kept, await alarmOf(stage), (await stage.life()) === before]
    },
    gives: ['[[{"n":1}],{"deep":[1]}]', 4_000_000_000_000, false],
  },
  {
    name: 'what two writes of one event leave behind after a crash in between is both or nothing',
    try: async (stage) => {
      const writing = stage.within((state) => {
        write(state, 1)
        write(state, 2)
      })
      const ended = writing.catch(() => undefined)
      await stage.crash()
      await ended
      return ['[]', '[{"n":1},{"n":2}]'].includes(await found(stage))
    },
    gives: true,
  },
  {
    name: 'sleep loses memory and nothing else',
    try: async (stage) => {
      const before = await stage.life()
      await stage.within((state) => write(state, 1))
      await stage.sleep()
      return [await found(stage), (await stage.life()) === before]
    },
    gives: ['[{"n":1}]', false],
  },
  {
    name: 'there is one alarm: the one that was set last',
    try: async (stage) => {
      const none = await alarmOf(stage)
      await stage.within((state) => {
        void state.storage.setAlarm(4_000_000_000_000)
        void state.storage.setAlarm(4_100_000_000_000)
      })
      return [none, await alarmOf(stage)]
    },
    gives: [null, 4_100_000_000_000],
  },
  {
    name: 'what a change returns is what it changed, and it outlives a crash',
    try: async (stage) => {
      const changed = await stage.within((state) => {
        write(state, 1)
        return JSON.stringify(state.storage.sql.exec('UPDATE probes SET n = n + ? RETURNING n', 1).toArray())
      })
      await stage.crash()
      return [changed, await found(stage)]
    },
    gives: ['[{"n":2}]', '[{"n":2}]'],
  },
  {
    name: 'deleting everything leaves nothing, no alarm either',
    try: async (stage) => {
      await stage.within((state) => {
        write(state, 1)
        state.storage.kv.put('key', 1)
        void state.storage.setAlarm(4_000_000_000_000)
      })
      const left = await stage.within(async (state) => {
        await state.storage.deleteAll()
        state.storage.sql.exec('CREATE TABLE IF NOT EXISTS probes (n INTEGER)')
        return JSON.stringify([rows(state), state.storage.kv.get('key') ?? null])
      })
      return [left, await alarmOf(stage)]
    },
    gives: ['[[],null]', null],
  },
  {
    name: 'what is taken from storage is a copy',
    try: (stage) =>
      stage.within(({ storage: { kv } }) => {
        const value = { list: [1] }
        kv.put('copied', value)
        value.list.push(2)
        return JSON.stringify(kv.get('copied'))
      }),
    gives: '{"list":[1]}',
  },
  {
    name: 'calls over one stub arrive in their order',
    try: (stage) => stage.sendAll(40),
    gives: Array.from({ length: 40 }, (_, n) => n + 1),
  },
]

async function alarmOf(stage: Stage): Promise<number | null> {
  return await stage.within((state) => state.storage.getAlarm()).then((at) => at)
}

/** Stands for any text with these words; each test's own matcher knows it. */
function expectText(words: string): { readonly holds: string } {
  return { holds: words }
}

/** The same, with texts that hold the awaited words put in their place. */
export function alike(got: unknown, awaited: unknown): unknown {
  if (Array.isArray(got) && Array.isArray(awaited)) return got.map((one, n) => alike(one, awaited[n]))
  const holds: unknown = typeof awaited === 'object' && awaited !== null ? Reflect.get(awaited, 'holds') : undefined
  return typeof holds === 'string' && String(got).includes(holds) ? awaited : got
}
