import { isDamage, setAside, sqliteCompanions } from '../../set-aside.ts'
import { Database } from './database.ts'
import { DeadLetters } from './dead-letters.ts'
import { Deduplications } from './deduplications.ts'
import { Events } from './events.ts'
import { FlowControls } from './flow-controls.ts'
import { Messages } from './messages.ts'
import { Queues } from './queues.ts'
import { Schedules } from './schedules.ts'
import { UrlGroups } from './url-groups.ts'

/** All state, in one SQLite file; one member for each table. */
export interface Store {
  messages: Messages
  queues: Queues
  flows: FlowControls
  groups: UrlGroups
  deduplications: Deduplications
  deadLetters: DeadLetters
  events: Events
  schedules: Schedules
  /** Runs `work` so that all of its writes happen or none. */
  atomically<T>(work: () => T): T
  close(): void
}

/** Opens the state in `file`, creating it if need be. */
export function openStore(file: string): Store {
  const db = openDatabase(file)
  return {
    messages: new Messages(db),
    queues: new Queues(db),
    flows: new FlowControls(db),
    groups: new UrlGroups(db),
    deduplications: new Deduplications(db),
    deadLetters: new DeadLetters(db),
    events: new Events(db),
    schedules: new Schedules(db),
    atomically: (work) => db.atomically(work),
    close: () => db.close(),
  }
}

/** A damaged file is set aside: the job queues keep every job themselves, and their alarms find what is due. */
function openDatabase(file: string): Database {
  try {
    return new Database(file)
  } catch (error) {
    if (!isDamage(error)) throw error
    console.error(`qstash: ${file} is damaged; starting empty, it is kept as ${setAside(file, sqliteCompanions)}`)
    return new Database(file)
  }
}
