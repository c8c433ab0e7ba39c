/** `npm run bench:move`: a tenant that is moved to another shard while messages arrive, beside logical replication. */
import { z } from 'zod'
import { commandLine, count, flagsOf, rounds } from './command-line.ts'
import { withFolder } from './media.ts'
import { startParleySide } from './move/parley.ts'
import { measureReplication } from './move/replication.ts'
import { pauseOfSender, postgresPause } from './move/writer.ts'
import { Processes } from './processes.ts'
import { inRounds, linesOf, type Comparison, type Found, type Shown } from './report/comparison.ts'
import { busyCores, thisMachine } from './report/machine.ts'
import { save } from './report/save.ts'
import { summary } from './report/summary.ts'

const options = commandLine(
  flagsOf(
    z.object({
      rounds,
      messages: count(100_000),
      'per-second': count(200),
      'rows-per-second': count(1_000_000),
      medium: z.enum(['disk', 'tmpfs']).default('disk'),
      out: z.string().optional(),
    }),
  ),
)
const load = {
  messages: options.messages,
  perSecond: options['per-second'],
  rowsPerSecond: options['rows-per-second'],
}

const names = { parley: 'Parley', replication: 'logical replication' } as const
const sides: Readonly<Record<string, string>> = {
  [names.parley]: 'senders post messages over HTTP; conversations acknowledge them and write them to Postgres behind',
  [names.replication]:
    'senders insert rows over four connections; publication with a row filter, then a switch-over: stop, revoke, confirmed log, sequences, new connections',
}
const figures: Readonly<Record<string, Shown>> = {
  [pauseOfSender]: { better: 'lower', digits: 1, drawn: true },
  'longest wait of a sender at the switch, ms': { better: 'lower', digits: 1 },
  'usual longest wait of a sender in as long a time, ms': { better: 'neither', digits: 1 },
  [postgresPause]: { better: 'lower', digits: 1, drawn: true },
  '… until the subscriber has confirmed the log, ms': { better: 'neither', digits: 1 },
  '… while the writers connect, ms': { better: 'neither', digits: 1 },
  'longest wait of a sender during the move, ms': { better: 'lower', digits: 1 },
  'rows copied a second': { better: 'higher', digits: 0 },
  'from its begin to the switch, s': { better: 'lower', digits: 1 },
  'rows lost': { better: 'lower', digits: 0 },
  'rows twice': { better: 'lower', digits: 0 },
  fences: { better: 'neither', digits: 0 },
}

const processes = new Processes()
processes.endWithUs()
await withFolder(options.medium, async (folder) => {
  const parley = await startParleySide(folder, processes)
  try {
    const all = new Map<string, Found[]>()
    const others: number[] = []
    const measures = {
      [names.parley]: () => parley.measure(load),
      [names.replication]: () => measureReplication(parley, load),
    }
    for (let round = 1; round <= options.rounds; round++) {
      others.push(await busyCores())
      const order = Object.entries(measures)
      for (const [side, measure] of round % 2 === 1 ? order : order.toReversed()) {
        all.set(side, [...(all.get(side) ?? []), await measure()])
        console.error(`${side}: measured`)
      }
      console.error(`round ${round} of ${options.rounds} done`)
    }
    const comparison: Comparison = {
      suite: 'move',
      date: new Date().toISOString(),
      machine: thisMachine(),
      conditions: `${load.messages} messages of one tenant are moved while ${load.perSecond} a second arrive; one Postgres holds all databases, ${options.medium}; ${inRounds(options.rounds)}`,
      othersCores: Math.max(...others),
      sides,
      yardstick: names.replication,
      lines: linesOf(figures, all),
      notes: [
        'a sender waits until its message is acknowledged: by a conversation in Parley, by a commit in Postgres in the peer',
        'Postgres takes no writes of the tenant: in Parley from before the fence is asked for until the tenant has its new placement, which holds up the copy of messages to Postgres and no sender; in the peer from the stop of the writers until they go on',
        'logical replication compares no rows and is not reversible; its switch-over is a script on open administrative connections',
      ],
      failures: [],
    }
    console.log(`\n${summary(comparison)}\n\nwritten to ${await save('move', options.out, { comparison })}`)
  } finally {
    await parley.stop()
    await processes.stopAll()
  }
})
