import { log, reasonOf } from '../../../kernel/log.ts'
import { idsOf } from '../../../kernel/request-context.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { exportLine } from '../../../protocol/export-lines.ts'
import { BadCursor, exportPage, type ExportSource } from '../../../tenants/export-page.ts'
import type { AppContext } from '../../http/context.ts'
import { fail } from '../../http/problem.ts'
import { takeItems, type ChargedCaller } from '../../rate-limits/items.ts'

/** No further part is read for a page after this time, in milliseconds. */
const pageMs = 5000

interface PageQuery {
  readonly cursor?: string | undefined
  readonly limit: number
}

/** A page of an export as NDJSON, charged by the lines that it may have before any is read. */
export async function pageOf(
  c: AppContext,
  caller: ChargedCaller,
  sources: readonly ExportSource[],
  { cursor, limit }: PageQuery,
): Promise<string> {
  await takeItems(c.env, caller, limit)
  const until = systemClock.now() + pageMs
  try {
    const page = await exportPage(sources, cursor, { limit, isOver: () => systemClock.now() > until })
    const { total, next } = page
    const last = next === null ? exportLine('end', { lines: total }) : exportLine('page', { next, lines: total })
    return [...page.lines, last, ''].join('\n')
  } catch (thrown) {
    if (thrown instanceof BadCursor) return fail('invalid-request', `cursor: ${thrown.message}`)
    log.warn('exports.part-failed', { ...idsOf(c.env.request), tenant: caller.tenant, reason: reasonOf(thrown) })
    throw thrown
  }
}
