import type { AlertRule } from '../../kernel/alert-rule.ts'

export const alertRules: readonly AlertRule[] = [
  {
    alert: 'JobsStuck',
    expr: 'parley_jobs_oldest_waiting_seconds > 900',
    for: '10m',
    labels: { severity: 'page' },
    annotations: {
      summary:
        'A job that could have started has been waiting for over 15 minutes: is QStash there, is a queue paused?',
    },
  },
  {
    alert: 'JobsDying',
    expr: 'delta(parley_jobs{state="dead"}[1h]) > 100',
    for: '5m',
    labels: { severity: 'page' },
    annotations: { summary: 'Over 100 jobs ran out of attempts within an hour: GET /admin/v1/queues says where.' },
  },
  {
    alert: 'DeadLetters',
    expr: 'parley_jobs{state="dead"} > 0',
    for: '24h',
    labels: { severity: 'ticket' },
    annotations: {
      summary: 'Dead letters have been lying for a day: look at them, then redrive or leave them to expire.',
    },
  },
  {
    alert: 'JobsSlow',
    expr: 'parley_job_seconds{quantile="0.99"} > 300',
    for: '30m',
    labels: { severity: 'ticket' },
    annotations: { summary: 'One attempt in a hundred takes over five minutes.' },
  },
]
