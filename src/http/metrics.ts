/** The service's metrics, by its names (reference: monitoring, section 6), in the Prometheus text format. */
import { Counter, Histogram, Registry } from 'prom-client'
import type { Exchange } from './exchange.ts'

export interface RequestMetrics {
  observe(exchange: Exchange, status: number, nowMs: number): void
  /** Exposition format, version 0.0.4. */
  text(): Promise<string>
}

const LATENCY_BUCKETS_MS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 5000]

export function createMetrics(): RequestMetrics {
  const registry = new Registry()
  const results = new Counter({
    name: 'keyhaven_service_api_result_total',
    help: 'Requests answered (ServiceApiResult).',
    labelNames: ['activity_type', 'activity_name', 'status_code'] as const,
    registers: [registry],
  })
  const latency = new Histogram({
    name: 'keyhaven_service_api_latency_milliseconds',
    help: 'Time to answer without the network (ServiceApiLatency).',
    labelNames: ['activity_type', 'activity_name'] as const,
    buckets: LATENCY_BUCKETS_MS,
    registers: [registry],
  })
  const children = new Map<string, { inc(): void; observe(milliseconds: number): void }>()
  const childOf = (kind: string, activity: string, status: number) => {
    const key = `${kind} ${activity} ${status}`
    const known = children.get(key)
    if (known !== undefined) return known
    const result = results.labels(kind, activity, String(status))
    const timing = latency.labels(kind, activity)
    const child = {
      inc: () => result.inc(),
      observe: (milliseconds: number) => timing.observe(milliseconds),
    }
    children.set(key, child)
    return child
  }
  return {
    observe({ target, operation, startedMs }, status, nowMs) {
      const activity = (operation?.audit.operationName ?? 'unknown').toLowerCase()
      const child = childOf(target.kind, activity, status)
      child.inc()
      child.observe(nowMs - startedMs)
    },
    text: () => registry.metrics(),
  }
}
