import { test } from 'vitest'
import { debianBinDirs } from '../../local/postgres/binaries.ts'
import { searchContract } from './search.contract.ts'

const [binDir] = await debianBinDirs()

if (binDir === undefined) test.skip('no real Postgres: install the package postgresql')
else searchContract(`with the Postgres of ${binDir}`, { binDir })
