import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { tenantStores, tenantTables, withoutTenants } from '../../src/tenants/stores.ts'

const read = (file: string) => readFileSync(join(import.meta.dirname, '../..', file), 'utf8')
const schema = read('migrations/schema.sql')

/** Tables of the schema; a partition belongs to its table. */
const tables = [...schema.matchAll(/^TABLE (\w+)(?! PARTITION DEFAULT)(?:$| PARTITION BY)/gm)].map(
  ([, name = '']) => name,
)
const classes = [...read('wrangler.toml').matchAll(/class_name = "(\w+)"/g)].map(([, name = '']) => name)

const registered = (kind: 'table' | 'actor') =>
  Object.entries(tenantStores).flatMap(([name, store]) => (store.kind === kind ? [name] : []))

const missing = (names: readonly string[], kind: 'table' | 'actor') =>
  [...new Set(names)].filter((name) => !registered(kind).includes(name) && !Object.hasOwn(withoutTenants, name))

describe('the registry of what holds something of a tenant', () => {
  test('has every table of the directory and of a shard, or the reason why it is not there', () => {
    expect(tables.length).toBeGreaterThan(6)
    expect(missing(tables, 'table')).toEqual([])
  })

  test('has every class of actors that is deployed, or the reason why it is not there', () => {
    expect(classes.length).toBeGreaterThan(10)
    expect(missing(classes, 'actor')).toEqual([])
  })

  test('reports a table and a class that were added and not registered', () => {
    expect(missing([...tables, 'reactions'], 'table')).toEqual(['reactions'])
    expect(missing([...classes, 'Ledger'], 'actor')).toEqual(['Ledger'])
  })

  test('has nothing that does not exist', () => {
    expect(registered('table').filter((name) => !tables.includes(name))).toEqual([])
    expect(registered('actor').filter((name) => !classes.includes(name))).toEqual([])
    const known = [...tables, ...classes]
    expect(Object.keys(withoutTenants).filter((name) => !known.includes(name))).toEqual([])
  })

  test('has as tables of tenants those that have a tenant in each row, and no others', () => {
    const withTenant = [...schema.matchAll(/^COLUMN (\w+)\.tenant_id /gm)].map(([, name = '']) => name)
    const partitions = [...schema.matchAll(/^TABLE (\w+) PARTITION DEFAULT/gm)].map(([, name = '']) => name)
    const owned: string[] = [...new Set(withTenant)].filter((name) => !partitions.includes(name))
    expect(registered('table').toSorted()).toEqual(owned.toSorted())
  })

  test('has the primary key of each table after the tenant, with its types, by which pages of rows are read', () => {
    const typeOf = (table: string, column: string) =>
      new RegExp(`^COLUMN ${table}\\.${column} (\\w+)`, 'm').exec(schema)?.[1]?.replace('timestamp', 'timestamptz') ??
      ''
    const expected = tenantTables.map(({ name }) => {
      const key = new RegExp(`^CONSTRAINT ${name}\\.\\w+ PRIMARY KEY \\(tenant_id,? ?(.*)\\)$`, 'm').exec(schema)?.[1]
      const columns = key === undefined || key === '' ? [] : key.split(', ')
      return { name, key: columns.map((column) => ({ name: column, type: typeOf(name, column) })) }
    })
    expect(tenantTables.map(({ name, key }) => ({ name, key }))).toEqual(expected)
  })

  test('has changes noted of every table whose rows move, by the columns of its key', () => {
    const noted = (name: string, columns: string) =>
      ['INSERT', 'UPDATE', 'DELETE'].map(
        (event) =>
          `CREATE TRIGGER note_${event.toLowerCase()} AFTER ${event} ON public.${name} REFERENCING ${event === 'DELETE' ? 'OLD' : 'NEW'} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes(${columns})`,
      )
    const moved = tenantTables.filter(({ move }) => move === 'copied')
    const expected = moved.flatMap(({ name, key }) => noted(name, key.map((column) => `'${column.name}'`).join(', ')))
    const found = schema.split('\n').filter((line) => line.startsWith('CREATE TRIGGER note_'))
    expect(found.toSorted()).toEqual(expected.toSorted())
  })

  test('says of each store what it holds of one user, and how that is found, erased and exported', () => {
    const silent = Object.entries(tenantStores).flatMap(([name, { user }]) => {
      const holdsNothing = user.holds === 'nothing'
      const isWhole = holdsNothing ? user.erase === 'none' && user.export === 'never' : user.erase !== 'none'
      // What is deleted or rewritten has to be found.
      const isFound = !['deleted', 'rewritten'].includes(user.erase) || user.found !== 'nowhere'
      return user.holds !== '' && isWhole && isFound ? [] : [name]
    })
    expect(silent).toEqual([])
  })

  test('deletes the placement and the settings last, by which all else is found', () => {
    const deletedLast = Object.entries(tenantStores).flatMap(([name, store]) => (store.delete === 'last' ? [name] : []))
    expect(deletedLast.toSorted()).toEqual(['Tenant', 'placements', 'tenants'])
  })
})
