/** An alerting rule of Prometheus. A test compares the metrics it names with those we export. */
export interface AlertRule {
  readonly alert: string
  readonly expr: string
  /** How long it must hold. */
  readonly for: string
  readonly labels: { readonly severity: 'page' | 'ticket' }
  readonly annotations: { readonly summary: string }
}
