import { type DataFolder, openDataFolder } from '../data-folder.ts'
import { systemRandom } from '../ports/random.ts'
import { dataSettings } from './setting-flags.ts'

/** Opens the data folder that the flags name, runs, and closes it again whatever happens. */
export async function withData<T>(
  values: Readonly<Record<string, unknown>>,
  use: (data: DataFolder) => Promise<T>,
): Promise<T> {
  const data = await openDataFolder({ settings: dataSettings(values), random: systemRandom, mayCreate: false })
  try {
    return await use(data)
  } finally {
    await data.close()
  }
}

/** A table for people: columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}
