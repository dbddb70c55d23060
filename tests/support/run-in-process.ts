/** Runs a command of the program in the test's own process, for tests of many commands that would start as many processes. */
import { runCli } from '../../src/cli/main.ts'

export interface CommandOutput {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** One at a time: what is printed meanwhile is the command's. */
export async function runInProcess(...args: readonly string[]): Promise<CommandOutput> {
  const output = { stdout: '', stderr: '' }
  const restore = (['stdout', 'stderr'] as const).map((name) => {
    const stream = process[name]
    const { write } = stream
    stream.write = (chunk: string | Uint8Array, ...rest: never[]) => {
      // Commands print text; the test runner reports through the same stream in bytes.
      if (typeof chunk !== 'string') return write.call(stream, chunk, ...rest)
      output[name] += chunk
      return true
    }
    return () => {
      stream.write = write
    }
  })
  try {
    return { code: await runCli(args), ...output }
  } finally {
    for (const undo of restore) undo()
  }
}
