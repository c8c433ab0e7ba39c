import type { AlertRule } from '../../kernel/alert-rule.ts'

export const webhookAlerts: readonly AlertRule[] = [
  {
    alert: 'WebhookDisabled',
    expr: 'increase(parley_webhooks_disabled_total[1h]) > 0',
    for: '0m',
    labels: { severity: 'ticket' },
    annotations: {
      summary:
        'An endpoint of a tenant was disabled after five days of failures, or because it answered 410: the log line webhook.disabled names the tenant, the webhook and the reason.',
    },
  },
]
