import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { expositionText, type MetricFamily } from '../../src/kernel/exposition.ts'
import { expositionFaults } from '../support/exposition.ts'

const head = (name: string, type: string) => `# HELP ${name} Words.\n# TYPE ${name} ${type}\n`

describe('the checker of the exposition format', () => {
  test.each([
    ['nothing', ''],
    ['a counter', `${head('a_total', 'counter')}a_total 1\n`],
    ['labels with every escape', `${head('a', 'gauge')}a{b="\\\\ \\" \\n",c=""} -1.5e-3\n`],
    ['a summary', `${head('s', 'summary')}s{quantile="0.5"} NaN\ns_sum 0\ns_count 0\n`],
    ['a histogram', `${head('h', 'histogram')}h_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n`],
  ])('accepts %s', (_, text) => expect(expositionFaults(text)).toEqual([]))

  test.each([
    ['a text without its last line feed', `${head('a', 'gauge')}a 1`, /line feed/],
    ['a line that is no sample', 'what is this\n', /neither/],
    ['a label without quotes', `${head('a', 'gauge')}a{b=1} 1\n`, /neither/],
    ['a wrong escape', `${head('a', 'gauge')}a{b="\\t"} 1\n`, /neither/],
    ['a sample without HELP', '# TYPE a gauge\na 1\n', /no HELP/],
    ['a sample without TYPE', '# HELP a Words.\na 1\n', /no TYPE/],
    ['HELP twice', `${head('a', 'gauge')}# HELP a More.\na 1\n`, /second HELP/],
    ['TYPE after samples', '# HELP a Words.\na 1\n# TYPE a gauge\n', /TYPE after/],
    ['a family in two groups', `${head('a', 'gauge')}a{b="1"} 1\n${head('c', 'gauge')}c 1\na{b="2"} 1\n`, /one group/],
    ['the same series twice', `${head('a', 'gauge')}a{b="1",c="2"} 1\na{c="2",b="1"} 2\n`, /same series/],
    ['a label twice', `${head('a', 'gauge')}a{b="1",b="2"} 1\n`, /label twice/],
    ['a reserved label', `${head('a', 'gauge')}a{__b="1"} 1\n`, /reserved/],
    ['a counter without _total', `${head('a', 'counter')}a 1\n`, /without _total/],
    ['a counter below zero', `${head('a_total', 'counter')}a_total -1\n`, /below zero/],
    ['a gauge with _total', `${head('a_total', 'gauge')}a_total 1\n`, /no counter/],
    ['quantiles of a gauge', `${head('a', 'gauge')}a{quantile="0.5"} 1\n`, /no summary/],
    ['a summary without _count', `${head('s', 'summary')}s{quantile="0.5"} 1\ns_sum 1\n`, /no _count/],
    ['a quantile above one', `${head('s', 'summary')}s{quantile="50"} 1\ns_sum 1\ns_count 1\n`, /quantile/],
    [
      'buckets that shrink',
      `${head('h', 'histogram')}h_bucket{le="1"} 3\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n`,
      /cumulative/,
    ],
    ['milliseconds', `${head('a_milliseconds', 'gauge')}a_milliseconds 1\n`, /base unit/],
    ['the type in the name', `${head('a_gauge', 'gauge')}a_gauge 1\n`, /type is in its name/],
  ])('complains about %s', (_, text, fault) => expect(expositionFaults(text).join('\n')).toMatch(fault))
})

describe('metric families', () => {
  const families: fc.Arbitrary<MetricFamily[]> = fc.array(
    fc.record({
      name: fc.constantFrom('a_total', 'b_total', 'c_total'),
      type: fc.constant('counter' as const),
      help: fc.string({ minLength: 1, unit: 'grapheme' }).map((words) => `Help ${words.replaceAll('\r', '')}`),
      samples: fc.array(
        fc.record({ labels: fc.record({ key: fc.string() }), value: fc.double({ min: 0, noNaN: true }) }),
      ),
    }),
  )

  test('of any names, labels and values are a valid text, also when a name comes from several sources', () => {
    fc.assert(
      fc.property(families, (given) => {
        // Each source has samples of its own.
        const own = given.map((family, source) => ({
          ...family,
          samples: family.samples.map((sample, nth) => ({
            ...sample,
            labels: { ...sample.labels, source: `${source}/${nth}` },
          })),
        }))
        expect(expositionFaults(expositionText(own))).toEqual([])
      }),
    )
  })
})
