import { expect, test } from 'vitest'
import { guideOf } from '../../local/build-guides.ts'

const names = new Map([
  ['docs/a.md', 'a'],
  ['docs/design/b.md', 'design/b'],
])

test('a guide keeps links to guides, to its own headings and to other hosts, and of all others their words', () => {
  const text = [
    '# Title',
    '',
    '![chart](a.svg)',
    'Read [B](design/b.md#part-two), [the code](../src/index.ts), [above](#title) and [RFC 1](https://example.com/a_b).',
    '',
    '```md',
    '[the code](../src/index.ts)',
    '```',
  ].join('\n')
  const { markdown } = guideOf('docs/a.md', text, names)
  expect(markdown.split('\n').slice(2)).toEqual([
    'chart',
    'Read [B](/docs/guides/design/b#part-two), the code, [above](#title) and [RFC 1](https://example.com/a_b).',
    '',
    '```md',
    '[the code](../src/index.ts)',
    '```',
  ])
})

test('a guide in a folder finds the guides above it, and is named by its path', () => {
  const guide = guideOf('docs/design/b.md', '# B\n\nSee [A](../a.md). More.\n', names)
  expect(guide).toEqual({
    name: 'design/b',
    title: 'B',
    summary: 'See A.',
    markdown: '# B\n\nSee [A](/docs/guides/a). More.\n',
  })
})
