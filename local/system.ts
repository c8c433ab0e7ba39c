import { join } from 'node:path'
import { startBot } from '../examples/bot/bot.ts'
import { buildAll } from './build.ts'
import { startClock } from './clock.ts'
import { recreateAlarms, recreateGateways } from './gateways.ts'
import { claimPort, knownSecrets, openData } from './data-folder.ts'
import { descriptorVars } from './descriptors.ts'
import { endLeftover } from './leash.ts'
import { alarmsPerSecond, spreadAlarms } from './spread-alarms.ts'
import { keepTrying } from './keep-trying.ts'
import { endWith, LocalError, oneLine } from './local-error.ts'
import { Operator } from './operator.ts'
import { surviveLostOutput } from './output.ts'
import { environmentOf, isDevelopment, notedProfile, noteProfile, type Launcher } from './profile.ts'
import { originOf, readSettings, type Settings } from './settings.ts'
import { asksForHelp, usageOf } from './usage.ts'
import { startStandIns } from './stand-ins.ts'
import { readWorkerConfig, type Split } from './worker-config.ts'
import type { Running, WorkerRun } from './workerd.ts'

/** The tenant and key of every development system. */
export const localTenant = 'demo'
export const localApiKey = 'demo-key'

/** Starts everything around the Worker and the Worker itself, says where it is, and ends all of it on a signal. */
export async function runSystem(
  launcher: Launcher,
  startWorker: (run: WorkerRun) => Promise<Running>,
  banner: (settings: Settings, notes: readonly string[]) => string,
): Promise<void> {
  surviveLostOutput()
  if (asksForHelp(process.argv.slice(2))) return console.log(usageOf(launcher))
  const cleanups: (() => Promise<void> | void)[] = []
  const stopAll = async () => {
    for (const cleanup of cleanups.toReversed()) await Promise.resolve(cleanup()).catch(console.error)
  }
  try {
    const settings = readSettings(process.env, process.argv.slice(2), launcher)
    const stopped = new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve())
    })
    const running = start(settings, startWorker, cleanups, banner)
    await Promise.race([stopped, running.then(({ ended }) => ended)])
    await stopAll()
    process.exit(0)
  } catch (thrown) {
    await stopAll()
    endWith(thrown)
  }
}

async function start(
  settings: Settings,
  startWorker: (run: WorkerRun) => Promise<Running>,
  cleanups: (() => Promise<void> | void)[],
  banner: (settings: Settings, notes: readonly string[]) => string,
): Promise<Running> {
  await endLeftover(settings.dataDir)
  await claimPort(settings)
  const before = settings.fresh ? undefined : await usedFor(settings.dataDir)
  if (before === 'production' && isDevelopment(settings.profile))
    throw new LocalError(
      `${settings.dataDir} holds a production system, which gets no demo tenant; choose another folder with PARLEY_DATA.`,
    )
  const secrets = await openData(settings)
  const adminKey = settings.adminKey ?? secrets.adminKey
  const worker = join(settings.dataDir, 'worker.js')
  const starting = startStandIns(settings, secrets)
  // Also when something else fails meanwhile; a start that fails has stopped its own.
  cleanups.push(() => starting.then((standIns) => standIns.stop()).catch(() => {}))
  const [standIns, config] = await Promise.all([starting, readWorkerConfig(), buildAll(worker)])

  const origin = originOf(settings)
  const { encryptionKeys } = secrets
  const vars = { ENCRYPTION_KEYS: encryptionKeys, ...workerVars(settings, adminKey, origin), ...standIns.vars }
  for (const file of await recreateGateways(settings.dataDir))
    console.error(`the file of a gateway was damaged; the gateway is made anew, the file is kept as ${file}`)
  for (const file of await recreateAlarms(settings.dataDir))
    console.error(`a file of alarms was damaged; actors set theirs again when next used, the file is kept as ${file}`)
  const { MAX_OPEN_ACTORS } = { ...(await descriptorVars()), ...vars }
  const moved = await spreadAlarms(settings.dataDir, alarmsPerSecond(Number(MAX_OPEN_ACTORS)), Date.now())
  if (moved > 0) console.log(`${moved} alarms were overdue; they ring one after the other, the oldest first`)
  const split = settings.split.apart.length > 0 ? settings.split : config.split
  const running = await startWorker({ worker, config, vars: { ...vars, MAX_OPEN_ACTORS }, ...settings, split })
  cleanups.push(() => running.stop())

  const operator = new Operator(origin, adminKey)
  await Promise.race([operator.ready(60_000), running.ended])
  const notes = isDevelopment(settings.profile)
    ? await openDemo(operator, settings)
    : await closeDemo(operator, settings, before)
  cleanups.push(await makePartitions(operator))
  cleanups.push(await registerReplicas(operator, standIns.replicas ?? {}))
  cleanups.push(() => drain(operator, settings, running))
  cleanups.push(startClock(config.crons, running))
  if (settings.hasGuide && isDevelopment(settings.profile)) cleanups.push(startGuide(origin))
  console.log(banner(settings, [...notes, ...splitNotes(split), ...standIns.notes]))
  return running
}

/** Starts the bot that greets new users of the page; without it the page is only emptier. Returns how to end it. */
function startGuide(url: string): () => Promise<void> {
  const started = startBot({
    url,
    apiKey: localApiKey,
    failed: (thrown) => console.error(`the guide of the page could not answer: ${oneLine(thrown)}`),
  }).catch((thrown: unknown) => {
    console.error(`the guide of the page does not run: ${oneLine(thrown)}`)
    return () => {}
  })
  return async () => (await started)()
}

/** What the banner says of contexts in Workers of their own. */
const splitNotes = ({ apart, transferred }: Split): string[] =>
  apart.length === 0
    ? []
    : [
        `Workers     main, ${apart.map((name) => (transferred.includes(name) ? `${name} with its actors` : name)).join(', ')}`,
      ]

/** How long a start waits for what Postgres is needed for, in milliseconds. */
const postgresWithinMs = 10_000

/** Makes the partitions now, or in the background while Postgres is down. Returns how to stop. */
const makePartitions = (operator: Operator) =>
  soonOrLater(() => operator.runCron('partitions'), 'partitions are not made', 'partitions are made')

/** Does something that Postgres is needed for now, or in the background while it is down. Returns how to stop. */
async function soonOrLater(work: () => Promise<void>, undone: string, done: string): Promise<() => Promise<void>> {
  const making = keepTrying(work, {
    failed: (reason) => console.error(`${undone}, trying again: ${oneLine(reason)}`),
    done: () => console.log(done),
  })
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(() => resolve(), postgresWithinMs)
  await Promise.race([making.first, late])
  clearTimeout(timer)
  return () => making.stop()
}

/** The name of the replica of each embedded shard. */
const embeddedReplica = 'standby'

/** Registers the embedded replicas, and removes those of an earlier start; in the background while Postgres is down. Returns how to stop. */
async function registerReplicas(
  operator: Operator,
  wanted: Readonly<Record<string, string | undefined>>,
): Promise<() => Promise<void>> {
  const register = async () => {
    const { shards } = await operator.shards()
    for (const { name, replicas } of shards) {
      if (!Object.hasOwn(wanted, name)) continue
      const connection = wanted[name]
      if (connection !== undefined) await operator.putReplica(name, embeddedReplica, { connection })
      else if (replicas.some((each) => each.name === embeddedReplica))
        await operator.removeReplica(name, embeddedReplica)
    }
  }
  return await soonOrLater(register, 'replicas are not registered', 'replicas are registered')
}

/** What a data folder was used for; one from before that was noted is a development system, as all were. */
async function usedFor(dataDir: string): Promise<'development' | 'production' | undefined> {
  const noted = await notedProfile(dataDir)
  if (noted !== undefined) return noted
  return (await knownSecrets(dataDir)) === undefined ? undefined : 'development'
}

/** Suspends the demo tenant, if there is one. A damaged one admits no user, and must not stop the start of the others. */
async function suspendDemo(operator: Operator): Promise<'suspended' | 'absent' | 'failed'> {
  try {
    return (await operator.suspend(localTenant)) ? 'suspended' : 'absent'
  } catch (thrown) {
    console.error(`the tenant ${localTenant} cannot be suspended, the next start tries again: ${oneLine(thrown)}`)
    return 'failed'
  }
}

/** Makes the demo tenant; returns what the banner says of it. */
async function openDemo(operator: Operator, settings: Settings): Promise<string[]> {
  // A damaged tenant must not keep the others from starting.
  await operator.provision(localTenant, limitsOf(settings)).catch((thrown: unknown) => {
    console.error(`the tenant ${localTenant} cannot be made: ${oneLine(thrown)}`)
  })
  await noteProfile(settings.dataDir, settings.profile)
  return settings.profile === 'open'
    ? ['Open        every caller may do everything without a token; development only']
    : []
}

/**
 * A production system has no demo tenant: the one of a folder that was used for development is suspended, which ends the
 * tokens that /demo/token gave out. Returns what the banner says.
 */
async function closeDemo(
  operator: Operator,
  { dataDir, adminKey, profile }: Settings,
  before: 'development' | 'production' | undefined,
): Promise<string[]> {
  if (before === 'production') return []
  const notes =
    adminKey === undefined
      ? [
          `Operator    ADMIN_KEY ${(await knownSecrets(dataDir))?.adminKey}`,
          `            shown this once; kept in ${dataDir}/secrets.json`,
        ]
      : []
  const demo = before === undefined ? 'absent' : await suspendDemo(operator)
  // A folder is taken over once its demo tenant is closed, and not before.
  if (demo !== 'failed') await noteProfile(dataDir, profile)
  if (demo !== 'suspended') return notes
  return [
    ...notes,
    `Tenant      ${localTenant} of the development profile is suspended; ` +
      `PATCH /admin/v1/tenants/${localTenant} {"state":"active"} if it is yours`,
  ]
}

/** Jobs under way end first; one that takes longer is begun anew after the next start. */
async function drain(operator: Operator, { drainSeconds }: Settings, { ended }: Running): Promise<void> {
  const drained = operator.drain(drainSeconds)
  await Promise.race([drained, ended]).catch(() => undefined)
}

/** Variables of the Worker under a profile; the stand-ins add their own. Exported for its test. */
export const workerVars = (
  { tuned, allowPrivateEndpoints, profile, real }: Settings,
  adminKey: string,
  origin: string,
): Record<string, string> => ({
  // On one machine links save calls, and gateways need not sleep. Rows are not billed there, but an alarm is an fsync: what is
  // written to Postgres gathers for as long as its conversation is still in memory.
  LINKS: 'on',
  HIBERNATION: 'off',
  PROJECTION_DELAY_MS: '8000',
  ...tuned,
  ENVIRONMENT: environmentOf(profile),
  CLIENTS: 'direct',
  ...(isDevelopment(profile) ? { LOCAL_TENANT: localTenant, LOCAL_API_KEY: localApiKey } : {}),
  ADMIN_KEY: adminKey,
  PUBLIC_URL: real['PUBLIC_URL'] ?? origin,
  ...(profile === 'open' ? { PARLEY_PROFILE: 'open' } : {}),
  ...(allowPrivateEndpoints ? { ALLOW_PRIVATE_ENDPOINTS: '1' } : {}),
})

/**
 * A configured limit applies to the local tenant, with a burst of twice as many, like the default. The open profile has
 * a limit that no client reaches: it stands for servers that have none.
 */
const limitsOf = ({ messagesPerSecond, requestsPerSecond, profile }: Settings): Record<string, number> => ({
  ...(profile === 'open' ? noLimits : {}),
  ...(messagesPerSecond === undefined ? {} : { messagesPerSecond, messagesBurst: 2 * messagesPerSecond }),
  ...(requestsPerSecond === undefined
    ? {}
    : {
        requestsPerSecondUser: requestsPerSecond,
        requestsPerSecondKey: requestsPerSecond,
        commandsPerSecondConnection: requestsPerSecond,
      }),
})

const noLimits = {
  messagesPerSecond: 100_000,
  messagesBurst: 200_000,
  commandsPerSecondConnection: 100_000,
  connectsPerSecondUser: 100_000,
  connectionsPerUser: 10_000,
  requestsPerSecondUser: 100_000,
  requestsPerSecondKey: 100_000,
}
