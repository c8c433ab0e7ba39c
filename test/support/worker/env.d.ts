import type { Env } from '../../../src/env.ts'

declare global {
  namespace Cloudflare {
    interface GlobalProps {
      mainModule: typeof import('../../../src/index.ts')
    }
    /** What the platform binds in tests is what it binds in life. */
    interface Env extends ParleyEnv {}
  }
  type ParleyEnv = Env
}
