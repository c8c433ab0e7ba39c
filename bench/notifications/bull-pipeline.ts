import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { startRedis } from '../jobs/bullmq.ts'
import type { Processes } from '../processes.ts'
import { category, digestSeconds, preferencesOf, quietHours, throttle, zoneOf, type Side } from './side.ts'

const concurrency = 100
const together = 1000

interface Recipient {
  readonly notification: string
  readonly user: string
  readonly data: unknown
}

/** Minutes of the day in a zone. */
const formats = new Map<string, Intl.DateTimeFormat>()
function minutesIn(zone: string, at: number): number {
  const known = formats.get(zone)
  const format =
    known ?? new Intl.DateTimeFormat('en-GB', { timeZone: zone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  if (known === undefined) formats.set(zone, format)
  const [hours = 0, minutes = 0] = format.format(at).split(':').map(Number)
  return hours * 60 + minutes
}

const inMinutes = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3))

/**
 * The same decisions on BullMQ: a job for each recipient reads the preferences, counts the throttle, appends to the digest and stores the
 * notice; the first of a digest adds the delayed job that closes it.
 */
export async function startBullPipeline(folder: string, processes: Processes): Promise<Side> {
  const { connection, stop } = await startRedis(folder, processes, 'always')
  const redis = new Redis({ ...connection, maxRetriesPerRequest: null })
  const queue = new Queue<Recipient>('recipients', { connection })
  const digests = new Queue('digests', { connection })
  let left = 0
  let reached: (() => void) | undefined
  const decide = async ({ data: { notification, user, data } }: { data: Recipient }) => {
    const [stored, count] = await Promise.all([
      redis.hmget(`user:${user}`, 'preferences', 'zone'),
      redis.multi().incr(`throttle:${user}`).expire(`throttle:${user}`, throttle.seconds, 'NX').exec(),
    ])
    const preferences: unknown = JSON.parse(stored[0] ?? '{}')
    const isWanted = !(isRecord(preferences) && preferences[category] === false)
    const now = Date.now()
    const minutes = minutesIn(stored[1] ?? 'UTC', now)
    const [from, to] = [inMinutes(quietHours.start), inMinutes(quietHours.end)]
    const isQuiet = from < to ? minutes >= from && minutes < to : minutes >= from || minutes < to
    const isBelow = Number(count?.[0]?.[1]) <= throttle.limit
    const notice = JSON.stringify({ notification, user, data, isWanted, isQuiet, isBelow, at: now })
    const writes = redis.multi().hset(`notices:${user}`, notification, notice).zadd(`feed:${user}`, now, notification)
    if (isWanted && isBelow) writes.rpush(`digest:${user}`, notice)
    const written = await writes.exec()
    if (isWanted && isBelow && written?.[2]?.[1] === 1)
      await digests.add('close', { user }, { delay: digestSeconds * 1000, jobId: `${user}-${notification}` })
  }
  const worker = new Worker<Recipient>('recipients', decide, { connection, concurrency })
  worker.on('completed', () => {
    left--
    if (left === 0) reached?.()
  })
  await worker.waitUntilReady()
  return {
    what: `a BullMQ job for each recipient, added ${together} at a time, one Worker of concurrency ${concurrency} in the bench's own process; preferences, throttles, digests and notices in the same Redis; append-only file, appendfsync always`,
    async prepare(users) {
      for (let from = 0; from < users.length; from += together) {
        const writes = redis.pipeline()
        for (const user of users.slice(from, from + together))
          writes.hset(`user:${user}`, { preferences: JSON.stringify(preferencesOf(user)), zone: zoneOf(user) })
        await writes.exec()
      }
    },
    async notify(notification, users, data) {
      left += users.length
      const all = new Promise<void>((resolve) => (reached = resolve))
      for (let from = 0; from < users.length; from += together)
        await queue.addBulk(
          users.slice(from, from + together).map((user) => ({
            name: 'recipient',
            data: { notification, user, data },
            opts: { removeOnComplete: true, jobId: `${notification}-${user}` },
          })),
        )
      await all
    },
    async stop() {
      await worker.close()
      await queue.close()
      await digests.close()
      redis.disconnect()
      await stop()
    },
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
