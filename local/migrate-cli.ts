import { endWith, LocalError } from './local-error.ts'
import { asksForHelp, helpWith } from './usage.ts'
import { migrate } from './migrate.ts'

// `npm run migrate -- shard postgres://owner:…@host/database`: brings one database up to date.
try {
  if (asksForHelp(process.argv.slice(2)))
    helpWith('npm run migrate -- <directory|shard> <connection string of the owner>: brings one database up to date.')
  const [lineage, url] = process.argv.slice(2)
  if ((lineage !== 'directory' && lineage !== 'shard') || url === undefined) {
    throw new LocalError(
      'give which steps and where: npm run migrate -- <directory|shard> <connection string of the owner>.',
    )
  }
  const ran = await migrate(url, lineage)
  console.log(ran.length === 0 ? 'already up to date' : `ran ${ran.join(', ')}`)
} catch (thrown) {
  endWith(thrown)
}
