import type { Asked } from './routes.ts'

/** Reads the `Neon-Connection-String` header; undefined when it is not a Postgres address with user and database. */
export function parseConnectionString(text: string): { asked: Asked; password: string } | undefined {
  const url = URL.parse(text)
  if (url === null || !/^postgres(?:ql)?:$/.test(url.protocol)) return undefined
  const [user, password, database] = [url.username, url.password, url.pathname.slice(1)].map(decoded)
  if (!user || !database || password === undefined) return undefined
  return { asked: { host: url.hostname.toLowerCase(), database, user }, password }
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}
