import { expect, test } from 'vitest'
import { signedByAws } from '../../src/notifications/channels/sigv4.ts'

// "get-vanilla" and "post-vanilla" of the Signature Version 4 test suite that AWS publishes.
test.each([
  ['GET', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
  ['POST', '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b'],
])('a %s is signed as in the test suite of AWS', async (method, signature) => {
  const signing = {
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
    region: 'us-east-1',
    service: 'service',
  }
  const request = { method, url: 'https://example.amazonaws.com/', headers: {}, body: '' }
  expect(await signedByAws(request, signing, Date.parse('2015-08-30T12:36:00Z'))).toEqual({
    'x-amz-date': '20150830T123600Z',
    authorization: `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=${signature}`,
  })
})
