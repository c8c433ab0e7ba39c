import { openDB, type DBSchema, type IDBPDatabase } from 'idb'
import type { MessageStore, UnsentMessage } from './message-store.ts'

interface Schema extends DBSchema {
  readonly unsent: {
    readonly key: [user: string, clientId: string]
    readonly value: UnsentMessage
    readonly indexes: { readonly user: string }
  }
}

/** Keeps unsent messages in IndexedDB, all users of a browser in one database, each with a part of their own. */
export function indexedDbStore({ name = 'parley' }: { readonly name?: string } = {}): MessageStore {
  let opened: Promise<IDBPDatabase<Schema>> | undefined
  const database = async () => {
    try {
      return await (opened ??= open(name, () => (opened = undefined)))
    } catch (error) {
      // A full or forbidden storage may be there again later.
      opened = undefined
      throw error
    }
  }
  return {
    load: async (user) => (await database()).getAllFromIndex('unsent', 'user', user),
    put: async (message) => {
      const { store, done } = (await database()).transaction('unsent', 'readwrite')
      await Promise.all([store.put(message), done])
    },
    delete: async (user, clientId) => {
      const { store, done } = (await database()).transaction('unsent', 'readwrite')
      await Promise.all([store.delete([user, clientId]), done])
    },
  }
}

const open = (name: string, lost: () => void): Promise<IDBPDatabase<Schema>> =>
  openDB<Schema>(name, 1, {
    upgrade: (database) => {
      database.createObjectStore('unsent', { keyPath: ['user', 'clientId'] }).createIndex('user', 'user')
    },
    // A later version of the SDK in another tab wants to change the database: this tab opens it again when it needs it.
    blocking: (_current, _blocked, event) => {
      if (event.target instanceof IDBDatabase) event.target.close()
      lost()
    },
    terminated: lost,
  })
