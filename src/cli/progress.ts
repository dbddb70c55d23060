/** A line on standard error that is written over while work goes on; silent where nobody watches. */
export function progressLine(verb: string, unit: string): { update(done: number, total?: number): void; end(): void } {
  let isShown = false
  return {
    update(done, total) {
      if (!process.stderr.isTTY) return
      isShown = true
      process.stderr.write(`\r${verb} ${done}${total === undefined ? '' : ` of ${total}`} ${unit}`)
    },
    end() {
      if (isShown) process.stderr.write('\n')
    },
  }
}
