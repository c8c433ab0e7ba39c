import { describe, expect, test } from 'vitest'
import { NotedMoves } from '../../durable-objects/platform/noted-moves.ts'
import { expositionText } from '../../src/kernel/exposition.ts'
import { moveAlerts } from '../../src/tenants/move-alerts.ts'
import { moveFamilies, reportDueAt, reportEveryMs, reportOf, type MoveReport } from '../../src/tenants/move-figures.ts'
import { startMove, type Move } from '../../src/tenants/move.ts'
import { expositionFaults } from '../support/exposition.ts'
import { kvInMemory } from '../support/kv-in-memory.ts'

const now = 1_800_000_000_000

function moveAt(more: Partial<Move>): Move {
  const order = { to: 'b', rowsPerSecond: 1000 }
  const move = startMove({ order, placement: { shard: 'a', epoch: 1 }, state: 'active', before: undefined, now })
  if ('kind' in move) throw new Error(move.detail)
  return { ...move, ...more }
}
const report = (more: Partial<Move>): MoveReport => reportOf(moveAt(more))

const linesOf = (noted: NotedMoves, at: number) => expositionText(moveFamilies(noted.figures(), at)).split('\n')

describe('the moves in /metrics', () => {
  test('are those of all tenants by state, with the oldest, the one that is most behind, and those that fail', () => {
    const noted = new NotedMoves(kvInMemory())
    noted.note('t1', report({ stage: 'copy', step: 3, startedAt: now - 600_000, copied: 500 }), now)
    noted.note('t2', report({ stage: 'warm', step: 9, caughtUpAt: now - 20_000, copied: 100, carried: 7 }), now)
    noted.note(
      't3',
      report({ stage: 'carry', step: 9, caughtUpAt: now - 90_000, error: 'b: away', failedSteps: 2 }),
      now,
    )
    const lines = linesOf(noted, now)
    expect(lines).toContain('parley_moves{state="copying"} 1')
    expect(lines).toContain('parley_moves{state="awaiting-confirmation"} 1')
    expect(lines).toContain('parley_moves{state="fenced"} 0')
    expect(lines).toContain('parley_moves_failing 1')
    expect(lines).toContain('parley_move_oldest_seconds 600')
    expect(lines).toContain('parley_move_lag_seconds 90')
    expect(lines).toContain('parley_move_rows_total 607')
    expect(lines).toContain('parley_move_failed_steps_total 2')
    expect(lines.join('\n')).not.toMatch(/t[123]/)
    expect(expositionFaults(lines.join('\n'))).toEqual([])
  })

  test('count each move once, however often and late its reports arrive', () => {
    const noted = new NotedMoves(kvInMemory())
    const first = report({ stage: 'copy', step: 3, copied: 10 })
    const second = report({ stage: 'warm', step: 8, copied: 30, carried: 2, fences: 1, pausedMs: 12 })
    const last = report({
      stage: 'done',
      step: 12,
      copied: 30,
      carried: 5,
      fences: 1,
      pausedMs: 12,
      outcome: 'confirmed',
      endedAt: now,
    })
    for (const each of [first, second, first, last, second, last, last]) noted.note('t1', each, now)
    const lines = linesOf(noted, now)
    expect(lines).toContain('parley_move_rows_total 35')
    expect(lines).toContain('parley_move_fences_total 1')
    expect(lines).toContain('parley_move_pause_seconds_total 0.012')
    expect(lines).toContain('parley_moves_ended_total{outcome="confirmed"} 1')
    expect(lines).toContain('parley_moves{state="clearing"} 0')
    expect(lines).toContain('parley_move_oldest_seconds 0')
    const next = report({ stage: 'copy', step: 14, startedAt: now + 5000, copied: 4 })
    noted.note('t1', next, now + 6000)
    expect(linesOf(noted, now + 6000)).toContain('parley_move_rows_total 39')
  })

  test('forget a tenant an hour after its move has ended, and when it is erased', () => {
    const noted = new NotedMoves(kvInMemory())
    noted.note('t1', report({ stage: 'done', step: 5, outcome: 'reversed', endedAt: now }), now)
    expect(noted.rowsOfTenant('t1')).toBe(1)
    noted.note('t2', report({ stage: 'copy', step: 1 }), now + 3_700_000)
    expect([noted.rowsOfTenant('t1'), noted.rowsOfTenant('t2')]).toEqual([0, 1])
    expect([noted.eraseTenant('t2'), noted.rowsOfTenant('t2')]).toEqual([1, 0])
    expect(linesOf(noted, now)).toContain('parley_moves_ended_total{outcome="reversed"} 1')
  })

  test('have alert rules that name metrics which exist', () => {
    const names = moveFamilies(new NotedMoves(kvInMemory()).figures(), now).map(({ name }) => name)
    for (const { expr } of moveAlerts) expect(names).toContain(/parley_\w+/.exec(expr)?.[0])
  })
})

describe('a report of a move', () => {
  const copying = report({ stage: 'copy', step: 3 })

  test('is due at once for another state or a failure, and after ten seconds for progress', () => {
    const last = { report: copying, at: now }
    expect(reportDueAt(copying, undefined)).toBe(0)
    expect(reportDueAt(copying, last)).toBeUndefined()
    expect(reportDueAt(report({ stage: 'copy', step: 4 }), last)).toBe(now + reportEveryMs)
    expect(reportDueAt(report({ stage: 'carry', step: 4 }), last)).toBe(0)
    expect(reportDueAt(report({ stage: 'copy', step: 4, error: 'away' }), last)).toBe(0)
    expect(reportDueAt(report({ stage: 'open', step: 4, startedAt: now + 1 }), last)).toBe(0)
  })
})
