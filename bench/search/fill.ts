import type { Client } from 'pg'

/** What is searched: messages of one tenant over a year, in a thousand conversations. */
export const shape = { conversations: 1000, ofReader: 100, words: 20_000, wordsPerMessage: 10, weeks: 52 } as const

/** Messages that one statement writes. */
const together = 50_000

/**
 * Fills the index of a shard with messages of a tenant. Word w1 is in about half of them, and the others are the rarer the higher their
 * number, as in texts that people write; every hundredth message has a word in Chinese, and every tenth a link.
 */
export async function fill(
  owner: Client,
  tenant: string,
  messages: number,
  progress: (done: number) => void,
): Promise<void> {
  await owner.query(`INSERT INTO placements VALUES ('${tenant}', 1, 'active') ON CONFLICT DO NOTHING`)
  await owner.query(`INSERT INTO conversations SELECT '${tenant}', 'c' || n, 'group', 'c', 'e', 'u1', now(), NULL, 1
    FROM generate_series(0, ${shape.conversations - 1}) AS n`)
  await owner.query(`INSERT INTO members SELECT '${tenant}', 'c' || n * ${shape.conversations / shape.ofReader}, 'reader', 'member', now(), 1
    FROM generate_series(0, ${shape.ofReader - 1}) AS n`)
  for (let from = 0; from < messages; from += together) {
    const upTo = Math.min(messages, from + together) - 1
    await owner.query(`
      INSERT INTO message_search (tenant_id, conversation_id, seq, version, sent_at, week, user_id, thread, attached, text, words, deleted)
      SELECT '${tenant}', 'c' || n % ${shape.conversations}, n / ${shape.conversations} + 1, n / ${shape.conversations} + 1, at,
        floor(extract(epoch FROM at) / 604800)::int, 'u' || n % 500, NULL, CASE WHEN n % 20 = 0 THEN ' ''~+file''' ELSE '' END, text, words, false
      FROM (
        SELECT n, now() - interval '${shape.weeks} weeks' * (1 - n::float8 / ${messages}) AS at,
          string_agg('w' || word, ' ' ORDER BY place) || CASE WHEN n % 100 = 0 THEN ' 東京' ELSE '' END AS text,
          string_agg('''~w' || word || ''':' || place, ' ' ORDER BY place)
            || CASE WHEN n % 100 = 0 THEN ' ''~東京'':11 ''~京'':12' ELSE '' END || CASE WHEN n % 10 = 0 THEN ' ''~+link''' ELSE '' END AS words
        FROM generate_series(${from}, ${upTo}) AS n,
          LATERAL (SELECT place, floor(power(${shape.words}::float8, random() + n * 0))::int AS word FROM generate_series(1, ${shape.wordsPerMessage}) AS place) AS drawn
        GROUP BY n
      ) AS made`)
    progress(upTo + 1)
  }
}
