#!/usr/bin/env node
import { endWith, LocalError } from './local-error.ts'
import { asksForHelp, helpWith } from './usage.ts'

// `npx parley <command>`: what runs beside a customer's own systems. The package holds it as one file, see `buildCli`.
const usage = `npx parley <command> [options]

  outbox-relay   publish the rows of an outbox in a Postgres as events
  export         write what is stored of a user, a conversation or all to a file
  import         put the lines of such a file into a tenant

--help behind a command says how it is used.`

const [command] = process.argv.splice(2, 1)
if (command === 'outbox-relay') await import('./outbox-relay-cli.ts')
else if (command === 'export') await import('./export-cli.ts')
else if (command === 'import') await import('./import-cli.ts')
else if (command === undefined || asksForHelp([command])) helpWith(usage)
else endWith(new LocalError(`there is no command ${command}:\n${usage}`))
