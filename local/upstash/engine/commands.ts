import type { Bytes } from '../bytes.ts'
import type { Command, CommandTable } from './command.ts'
import { counterCommands } from './counters.ts'
import { expiryCommands } from './expiry.ts'
import { hashCommands } from './hashes.ts'
import { keyCommands } from './keys.ts'
import { listCommands } from './lists.ts'
import { serverCommands } from './server-commands.ts'
import { setCommands } from './sets.ts'
import { stringCommands } from './strings.ts'
import { zsetCommands } from './zsets.ts'

const tables: readonly CommandTable[] = [
  serverCommands,
  keyCommands,
  expiryCommands,
  stringCommands,
  counterCommands,
  hashCommands,
  listCommands,
  setCommands,
  zsetCommands,
]

/** A Map, since an object would also find `constructor`. */
const commands = new Map<Bytes, Command>(tables.flatMap((table) => Object.entries(table)))

/** The command of this name, in any case; undefined if the engine does not know it. */
export const findCommand = (name: Bytes): Command | undefined => commands.get(name.toLowerCase())
