import type { CommandTable } from './command.ts'
import { counterCommands } from './counters.ts'
import { expiryCommands } from './expiry.ts'
import { hashCommands } from './hashes.ts'
import { keyCommands } from './keys.ts'
import { listCommands } from './lists.ts'
import { serverCommands } from './server-commands.ts'
import { setCommands } from './sets.ts'
import { stringCommands } from './strings.ts'
import { zsetCommands } from './zsets.ts'

/** Every command the engine knows; all others are refused by name. */
export const commands: CommandTable = {
  ...serverCommands,
  ...keyCommands,
  ...expiryCommands,
  ...stringCommands,
  ...counterCommands,
  ...hashCommands,
  ...listCommands,
  ...setCommands,
  ...zsetCommands,
}
