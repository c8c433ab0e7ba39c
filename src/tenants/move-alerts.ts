import type { AlertRule } from '../kernel/alert-rule.ts'

export const moveAlerts: readonly AlertRule[] = [
  {
    alert: 'MoveHoldsUpWrites',
    expr: 'parley_moves{state="fenced"} > 0',
    for: '2m',
    labels: { severity: 'page' },
    annotations: {
      summary:
        'Writes of a moving tenant to Postgres have waited for two minutes, so its shard cannot be reached: the log line tenant.move-failed names the tenant and the reason. Messages are acknowledged meanwhile.',
    },
  },
  {
    alert: 'MoveFails',
    expr: 'parley_moves_failing > 0',
    for: '15m',
    labels: { severity: 'ticket' },
    annotations: {
      summary:
        'A step of a move has failed for 15 minutes: tenant.move-failed names the tenant and the reason; reverse the move, or mend the shard.',
    },
  },
  {
    alert: 'MoveBehind',
    expr: 'parley_move_lag_seconds > 900',
    for: '15m',
    labels: { severity: 'ticket' },
    annotations: {
      summary:
        'The shards of a move have differed for 15 minutes: it is paused, its shard is slow, or rows change faster than they are copied (raise rowsPerSecond).',
    },
  },
  {
    alert: 'MoveUnconfirmed',
    expr: 'parley_move_oldest_seconds > 604800',
    for: '1h',
    labels: { severity: 'ticket' },
    annotations: {
      summary: 'A move began a week ago and has not ended: confirm or reverse it, its rows are on two shards.',
    },
  },
]
