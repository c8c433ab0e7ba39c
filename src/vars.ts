/** Plain text variables and secrets, as given by wrangler.toml, `wrangler secret` or the local start script. */
export type Vars = Readonly<Record<`DATABASE_URL_${string}`, string | undefined>> & {
  /** In the environment of one request, the environment of the Worker that it extends. */
  readonly worker?: Vars
  readonly ENVIRONMENT?: string
  readonly CONTEXTS?: string
  readonly SHARDS?: string
  readonly REGIONS?: string
  readonly GATEWAYS_PER_REGION?: string
  readonly ACTIVITY_ACTORS?: string
  readonly PUBLIC_URL?: string
  readonly CLIENTS?: string
  readonly TRUSTED_PROXY_HEADER?: string
  readonly MAX_CONNECTIONS?: string
  readonly MAX_OPEN_ACTORS?: string
  readonly ALLOW_PRIVATE_ENDPOINTS?: string
  readonly FACADE_HOSTS?: string
  readonly FACADE_PATHS?: string
  readonly FACADE_PRIVATE_HOSTS?: string
  readonly ADMIN_KEY?: string
  readonly ENCRYPTION_KEYS?: string
  readonly LOCAL_TENANT?: string
  readonly LOCAL_API_KEY?: string
  readonly PARLEY_PROFILE?: string
  readonly NEON_PROXY?: string
  readonly UPSTASH_REDIS_REST_URL?: string
  readonly UPSTASH_REDIS_REST_TOKEN?: string
  readonly QSTASH_URL?: string
  readonly QSTASH_TOKEN?: string
  readonly QSTASH_CURRENT_SIGNING_KEY?: string
  readonly QSTASH_NEXT_SIGNING_KEY?: string
  readonly BLOB_BUCKET_URL?: string
  readonly BLOB_ACCESS_KEY_ID?: string
  readonly BLOB_SECRET_ACCESS_KEY?: string
  readonly BLOB_REGION?: string
  readonly TAIL_ENTRIES?: string
  readonly PAGE_MEMORY?: string
  readonly PROJECTION_DELAY_MS?: string
  readonly LINKS?: string
  readonly HIBERNATION?: string
}
