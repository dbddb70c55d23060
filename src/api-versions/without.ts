/** The object without one member, the others in their order; anything else as it is. */
export function without(value: unknown, member: string): unknown {
  if (typeof value !== 'object' || value === null || !(member in value)) return value
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== member))
}
