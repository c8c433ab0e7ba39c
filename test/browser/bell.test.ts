import { expect, test } from 'vitest'
import { bellWords, targetOf } from '../../web/notification-words.ts'

test('the bell says how many notifications are new, and no number when none is', () => {
  expect(bellWords(0)).toEqual({ label: 'Notifications', badge: '' })
  expect(bellWords(3)).toEqual({ label: 'Notifications, 3 new', badge: '3' })
  expect(bellWords(1200)).toEqual({ label: 'Notifications, 1200 new', badge: '99+' })
})

test('a notification leads to its conversation or to an address of the web, and never to a script', () => {
  expect(targetOf({ conversation: 'c1', url: undefined })).toBe('#/c/c1')
  expect(targetOf({ conversation: '', url: 'https://example.com/x' })).toBe('https://example.com/x')
  for (const url of ['javascript:alert(1)', 'data:text/html,x', ' https://example.com', '//example.com', undefined])
    expect(targetOf({ conversation: '', url })).toBeUndefined()
})
