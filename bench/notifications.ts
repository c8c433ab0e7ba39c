/** `npm run bench:notifications`: recipients of notifications decided and stored, beside the same decisions on BullMQ, in one run. */
import { z } from 'zod'
import { commandLine, count, flagsOf, rounds, someOf } from './command-line.ts'
import { perSecond } from './jobs/side.ts'
import { mediumNames } from './media.ts'
import { startBullPipeline } from './notifications/bull-pipeline.ts'
import { startParley } from './notifications/parley.ts'
import type { Side } from './notifications/side.ts'
import { measureInRounds } from './peers-in-rounds.ts'
import type { Found, Shown } from './report/comparison.ts'

const sides = { parley: startParley, bullmq: startBullPipeline } as const

const options = commandLine(
  flagsOf(
    z.object({
      recipients: count(20_000),
      rounds,
      medium: z.enum(mediumNames).default('disk'),
      side: someOf(['parley', 'bullmq']),
      out: z.string().optional(),
    }),
  ),
)

const figures: Readonly<Record<string, Shown>> = {
  'recipients that are new: decided/s': { better: 'higher', digits: 0, drawn: true },
  'recipients that were notified before: decided/s': { better: 'higher', digits: 0, drawn: true },
}

async function figuresOf(side: Side): Promise<Found> {
  const users = Array.from({ length: options.recipients }, (_, n) => `user-${n}`)
  await side.prepare(users)
  const data = { text: 'two of the blue ones, please' }
  const rate = async (notification: string) => {
    const since = performance.now()
    await side.notify(notification, users, data)
    return perSecond(users.length, since)
  }
  const first = await rate('first')
  return {
    'recipients that are new: decided/s': first,
    'recipients that were notified before: decided/s': await rate('second'),
  }
}

await measureInRounds(
  {
    name: 'notifications',
    sides,
    onRedis: ['bullmq'],
    yardstick: 'bullmq',
    figures,
    measure: figuresOf,
    conditions: `${options.recipients} recipients of one notification, with profiles and preferences; throttle, item in the feed, digest, e-mail`,
    notes: [
      'new: of the actors or keys of the recipients only profiles and preferences are there',
      "not equal: Parley explains each decision, keeps exact counts of the feed and knows windows and daylight saving time; BullMQ's Worker decides in one process without an API in front",
    ],
  },
  options,
)
