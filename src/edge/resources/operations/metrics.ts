import { gatewayNamed, platformOf, shardWriters } from '../../../../durable-objects/address.ts'
import { shardsOf } from '../../../adapters/neon/shards.ts'
import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import { jobFamilies } from '../../../jobs/metrics/queue-metrics.ts'
import { expositionText, type MetricFamily, type Sample } from '../../../kernel/exposition.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { log, reasonOf } from '../../../kernel/log.ts'
import { idsOf, type RequestContext } from '../../../kernel/request-context.ts'
import { within } from '../../../kernel/retry.ts'
import { moveFamilies } from '../../../tenants/move-figures.ts'
import { queueMetrics } from './queue-metrics.ts'
import { notificationFamilies } from '../../../notifications/channels/figures.ts'
import { limitFamilies } from '../../rate-limits/limit-metrics.ts'
import { decider } from '../../rate-limits/request-limits.ts'
import { cacheFamilies } from './cache-metrics.ts'
import { eventFamilies } from './event-metrics.ts'
import { facadeFamilies } from './facade-metrics.ts'
import { breakerFamilies, readBreakers } from './breakers.ts'
import { contextFamilies } from './process-metrics.ts'
import { lookAtReplicas, replicaFamilies } from './replica-metrics.ts'
import { requestLoad } from '../../middleware/shed-requests.ts'
import { gatewayNames } from '../../../realtime/gateway-names.ts'

const actorDeadlineMs = 2000

/** What /metrics answers. Every gateway and every lane of every shard writer is asked once, all at the same time. */
export async function metricsText(env: Env): Promise<string> {
  const config = loadConfig(env)
  const { request } = env
  const known = await shardsOf(config, platformOf(env))
  const { shards } = known
  const [gateways, writers, jobs, parked, moves, breakers, replicas, ofContexts] = await Promise.all([
    Promise.all(
      gatewayNames(config).map(async (name) => ({
        holder: name,
        figures: await figuresOf(request, name, () => gatewayNamed(env, name).figures()),
      })),
    ),
    Promise.all(
      shards
        .flatMap((shard) => shardWriters(env, shard.name, shard.jurisdiction))
        .map(async ({ shard, lane, writer }) => ({
          holder: `writer/${shard}/${lane}`,
          shard,
          lane: String(lane),
          figures: await figuresOf(request, `writer/${shard}/${lane}`, () => writer.stats()),
        })),
    ),
    queueMetrics(env),
    figuresOf(request, 'platform', () => platformOf(env).parkedTasks()),
    figuresOf(request, 'platform', () => platformOf(env).moveFigures()),
    readBreakers(env),
    lookAtReplicas(env, config, known, actorDeadlineMs),
    contextFamilies(env),
  ])
  return expositionText([
    upFamily([...gateways, ...writers]),
    ...gatewayFamilies(
      gateways.flatMap(({ holder, figures }) => (figures === undefined ? [] : { holder, ...figures })),
    ),
    ...writerFamilies(
      writers.flatMap(({ figures, ...labels }) => (figures === undefined ? [] : { ...labels, figures })),
    ),
    shedFamily([
      ...gateways.map(({ holder, figures }) => ({ holder, shed: figures?.stats.shed ?? {} })),
      ...writers.map(({ holder, figures }) => ({ holder, shed: figures?.shed ?? {} })),
      { holder: 'edge', shed: requestLoad.figures },
    ]),
    ...limitFamilies([
      { holder: 'edge', tallies: decider.holder.counters.all() },
      ...gateways.map(({ holder, figures }) => ({ holder, tallies: figures?.policies ?? {} })),
    ]),
    ...jobFamilies(jobs),
    ...parkedFamilies(parked?.count),
    ...moveFamilies(moves, systemClock.now()),
    ...cacheFamilies(),
    ...eventFamilies(),
    ...facadeFamilies(),
    ...notificationFamilies(),
    ...breakerFamilies(breakers),
    ...replicaFamilies(replicas),
    ...ofContexts,
  ])
}

/** The figures of one actor; undefined when it does not answer, which keeps none of the others from being shown. */
async function figuresOf<T>(
  request: RequestContext | undefined,
  holder: string,
  ask: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await within(actorDeadlineMs, holder, ask())
  } catch (thrown) {
    log.warn('metrics.unreachable', { ...idsOf(request), holder, reason: reasonOf(thrown) })
    return undefined
  }
}

const upFamily = (holders: readonly { readonly holder: string; readonly figures: unknown }[]): MetricFamily => ({
  name: 'parley_up',
  type: 'gauge',
  help: 'Whether a gateway or a lane of a shard writer answered with its figures (1) or did not answer (0).',
  samples: holders.map(({ holder, figures }) => ({ labels: { holder }, value: figures === undefined ? 0 : 1 })),
})

interface GatewayFigures {
  readonly holder: string
  readonly stats: {
    readonly sockets: number
    readonly channels: number
    readonly calls: number
    readonly commands: number
    readonly since: number
  }
}

function gatewayFamilies(gateways: readonly GatewayFigures[]): MetricFamily[] {
  const samples = (value: (stats: GatewayFigures['stats']) => number): Sample[] =>
    gateways.map(({ holder, stats }) => ({ labels: { gateway: holder }, value: value(stats) }))
  return [
    {
      name: 'parley_gateway_sockets',
      type: 'gauge',
      help: 'Open connections.',
      samples: samples(({ sockets }) => sockets),
    },
    {
      name: 'parley_gateway_channels',
      type: 'gauge',
      help: 'Channels with at least one subscriber.',
      samples: samples(({ channels }) => channels),
    },
    {
      name: 'parley_gateway_awake_since_seconds',
      type: 'gauge',
      help: 'When the gateway started, in seconds since the epoch.',
      samples: samples(({ since }) => since / 1000),
    },
    {
      name: 'parley_gateway_calls_total',
      type: 'counter',
      help: 'Calls to conversations and topics since the gateway started.',
      samples: samples(({ calls }) => calls),
    },
    {
      name: 'parley_gateway_commands_total',
      type: 'counter',
      help: 'Commands carried by those calls.',
      samples: samples(({ commands }) => commands),
    },
  ]
}

interface WriterFigures {
  readonly shard: string
  readonly lane: string
  readonly figures: { readonly rows: number; readonly writes: number; readonly waiting: number }
}

function writerFamilies(writers: readonly WriterFigures[]): MetricFamily[] {
  const samples = (value: (figures: WriterFigures['figures']) => number): Sample[] =>
    writers.map(({ shard, lane, figures }) => ({ labels: { shard, lane }, value: value(figures) }))
  return [
    {
      name: 'parley_shard_writer_rows_total',
      type: 'counter',
      help: 'Rows written to a Postgres shard by one lane.',
      samples: samples(({ rows }) => rows),
    },
    {
      name: 'parley_shard_writer_writes_total',
      type: 'counter',
      help: 'Writes to a Postgres shard by one lane.',
      samples: samples(({ writes }) => writes),
    },
    {
      name: 'parley_shard_writer_waiting',
      type: 'gauge',
      help: 'Batches that wait to be written.',
      samples: samples(({ waiting }) => waiting),
    },
  ]
}

const parkedFamilies = (count: number | undefined): MetricFamily[] => [
  {
    name: 'parley_parked_tasks',
    type: 'gauge',
    help: 'Tasks of conversations that are parked because the process ended twice while they ran.',
    samples: count === undefined ? [] : [{ labels: {}, value: count }],
  },
]

interface Shed {
  readonly holder: string
  readonly shed: Readonly<Record<string, number>>
}

const shedFamily = (holders: readonly Shed[]): MetricFamily => ({
  name: 'parley_shed_total',
  type: 'counter',
  help: 'Work dropped because there was too much to do, by priority.',
  samples: holders.flatMap(({ holder, shed }) =>
    Object.entries(shed).map(([priority, value]) => ({ labels: { holder, priority }, value })),
  ),
})
