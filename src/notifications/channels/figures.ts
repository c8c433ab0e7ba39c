import type { MetricFamily } from '../../kernel/exposition.ts'
import type { Channel, DeliveryOutcome, DeliveryReport, TrackedAct } from '../model.ts'

/** Attempts by channel, type of provider and outcome, which are a few hundred at most: names of providers and workflows are tenants'. */
const attempts = new Map<string, { readonly labels: Readonly<Record<string, string>>; value: number }>()
const reports: Record<DeliveryReport['reason'], number> = { bounce: 0, complaint: 0, unsubscribed: 0 }
const acts: Record<TrackedAct, number> = { opened: 0, clicked: 0 }

/** Counts an attempt; `provider` is the type of the provider, undefined when there was none. */
export function countAttempt(channel: Channel, provider = 'none', outcome: DeliveryOutcome['kind']): void {
  const key = `${channel} ${provider} ${outcome}`
  const known = attempts.get(key)
  if (known === undefined) attempts.set(key, { labels: { channel, provider, outcome }, value: 1 })
  else known.value++
}

/** Counts a bounce, a complaint or an unsubscription that a provider reported. */
export const countReport = (reason: DeliveryReport['reason']): void => void reports[reason]++

/** Counts a message that was opened, or whose link was followed, for the first time. */
export const countAct = (act: TrackedAct): void => void acts[act]++

/** Notifications of the process that answers, since it began. */
export const notificationFamilies = (): MetricFamily[] => [
  {
    name: 'parley_notification_attempts_total',
    type: 'counter',
    help: 'Attempts to send messages of notifications by channel, type of provider and outcome.',
    samples: [...attempts.values()],
  },
  {
    name: 'parley_notification_reports_total',
    type: 'counter',
    help: 'Bounces, complaints and unsubscriptions that providers reported.',
    samples: Object.entries(reports).map(([reason, value]) => ({ labels: { reason }, value })),
  },
  {
    name: 'parley_notification_tracked_total',
    type: 'counter',
    help: 'E-mails that were opened, or of which a link was followed, for the first time.',
    samples: Object.entries(acts).map(([act, value]) => ({ labels: { act }, value })),
  },
]
