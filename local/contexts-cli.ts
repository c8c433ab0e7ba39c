import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { contextConfigs } from './context-configs.ts'
import { endWith } from './local-error.ts'
import { asksForHelp, helpWith } from './usage.ts'

// `npm run contexts`: writes the configurations of contexts that run as Workers of their own.
try {
  if (asksForHelp(process.argv.slice(2)))
    helpWith('npm run contexts: writes wrangler.<context>.toml from wrangler.toml and src/contexts.ts.')
  for (const [file, text] of await contextConfigs()) {
    await writeFile(join(import.meta.dirname, '..', file), text)
    console.log(file)
  }
} catch (thrown) {
  endWith(thrown)
}
