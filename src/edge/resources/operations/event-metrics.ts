import { eventFigures } from '../../../event-log/event-figures.ts'
import type { MetricFamily } from '../../../kernel/exposition.ts'

/** Events of the process that answers, since it began. */
export function eventFamilies(): MetricFamily[] {
  const { appended, duplicates, deliveries } = eventFigures
  return [
    {
      name: 'parley_events_appended_total',
      type: 'counter',
      help: 'Events appended to topics.',
      samples: [{ labels: {}, value: appended }],
    },
    {
      name: 'parley_events_duplicate_total',
      type: 'counter',
      help: 'Events that were published again and had no effect.',
      samples: [{ labels: {}, value: duplicates }],
    },
    {
      name: 'parley_event_deliveries_total',
      type: 'counter',
      help: 'Deliveries to consumers by outcome; released ones were not tried.',
      samples: Object.entries(deliveries).map(([outcome, value]) => ({ labels: { outcome }, value })),
    },
  ]
}
