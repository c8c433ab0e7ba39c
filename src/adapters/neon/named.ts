import { reasonOf } from '../../kernel/log.ts'
import type { Database } from './connect.ts'

/** The same database; what its transactions throw begins with its name, for a reader that asks which of several is in trouble. */
export function named(name: string, database: Database): Database {
  const transaction = async (...work: Parameters<Database['transaction']>) => {
    try {
      return await database.transaction(...work)
    } catch (thrown) {
      throw new Error(`${name}: ${reasonOf(thrown)}`, { cause: thrown })
    }
  }
  return new Proxy(database, {
    get: (of, property, receiver): unknown =>
      property === 'transaction' ? transaction : Reflect.get(of, property, receiver),
  })
}
