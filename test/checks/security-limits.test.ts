import { expect, test } from 'vitest'
import { limitsSection, writtenSection } from './security-limits.ts'

test('SECURITY.md names the limits that the code has', () => {
  expect(writtenSection(), 'write it anew with: node test/checks/security-limits.ts').toBe(limitsSection())
})
