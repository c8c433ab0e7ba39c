import { setPriority } from 'node:os'
import { seeded } from '../../jobs/support/chance.ts'
import { attacks } from './attacks.ts'

// A process of its own: `node attacker.ts <attack> <seed> <port> <key>`. It ends by itself soon after its attack.

const [name = '', seed = '', port = '', key = ''] = process.argv.slice(2)
const attack = attacks[name]
if (attack === undefined) throw new Error(`there is no attack ${name}`)
const lastsMs = attack.seconds * 1000
// An attacker has machines of its own: here it leaves the cores to the system and its observer.
setPriority(15)
setTimeout(() => process.exit(0), lastsMs + 1000)
await attack.run({ port: Number(port), key, chance: seeded(Number(seed)), until: performance.now() + lastsMs })
process.exit(0)
