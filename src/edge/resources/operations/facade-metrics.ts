import type { MetricFamily } from '../../../kernel/exposition.ts'
import { facadeFigures } from '../../facade/report.ts'

/** Requests through facades of the process that answers, since it began. */
export function facadeFamilies(): MetricFamily[] {
  const { requests, errors, fallbacks, shadows } = facadeFigures
  return [
    counter('parley_facade_calls_total', 'Calls to upstreams of facades by side.', 'side', requests),
    counter(
      'parley_facade_errors_total',
      'Calls to upstreams of facades that failed: 5xx, no answer, or an open breaker.',
      'side',
      errors,
    ),
    counter(
      'parley_facade_fallbacks_total',
      'Requests that the other side was asked for, by reason.',
      'reason',
      fallbacks,
    ),
    counter('parley_facade_shadows_total', 'Shadowed requests by outcome.', 'outcome', shadows),
  ]
}

const counter = (
  name: string,
  help: string,
  label: string,
  figures: Readonly<Record<string, number>>,
): MetricFamily => ({
  name,
  type: 'counter',
  help,
  samples: Object.entries(figures).map(([key, value]) => ({ labels: { [label]: key }, value })),
})
