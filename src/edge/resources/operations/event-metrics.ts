import { eventFigures } from '../../../event-log/event-figures.ts'
import type { MetricFamily } from '../../../kernel/exposition.ts'
import { processCounts } from '../../../processes/figures.ts'

/** Events of the process that answers, since it began. */
export function eventFamilies(): MetricFamily[] {
  const { appended, duplicates, webhooksDisabled, deliveries } = eventFigures
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
    {
      name: 'parley_webhooks_disabled_total',
      type: 'counter',
      help: 'Endpoints of webhooks that were disabled after five days of failures, or because they answered 410.',
      samples: [{ labels: {}, value: webhooksDisabled }],
    },
    {
      name: 'parley_process_events_total',
      type: 'counter',
      help: 'Events of types that belong to a process: seen in an instance, or without a correlation id.',
      samples: [
        { labels: { outcome: 'seen' }, value: processCounts.events },
        { labels: { outcome: 'uncorrelated' }, value: processCounts.uncorrelated },
      ],
    },
    {
      name: 'parley_process_instances_completed_total',
      type: 'counter',
      help: 'Instances of processes that became complete.',
      samples: [{ labels: {}, value: processCounts.completed }],
    },
    {
      name: 'parley_process_expectations_total',
      type: 'counter',
      help: 'Expectations of processes that became late, and late ones that were met afterwards.',
      samples: [
        { labels: { outcome: 'late' }, value: processCounts.late },
        { labels: { outcome: 'arrived' }, value: processCounts.arrived },
      ],
    },
  ]
}
