/**
 * The schema, step by step; `user_version` tells how many were taken. A step is never changed once it was released: data
 * folders in the world have taken it as it was.
 */
import type { DatabaseSync } from 'node:sqlite'
import { StoreTooNew } from '../../../ports/store.ts'

type Migration = (database: DatabaseSync) => void

const FIRST_COLLECTIONS = [
  'meta',
  'rootKeys',
  'vaultKeys',
  'vaults',
  'vaultNames',
  'roleAssignments',
  'roleDefinitions',
  'tenants',
  'subscriptions',
  'applications',
  'users',
  'groups',
  'managedIdentities',
  'signingKeys',
  'serverCertificates',
  'secrets',
  'secretVersions',
  'deletedSecrets',
  'scheduledPurges',
  'jobLeases',
  'auditAnchors',
]

export const migrations: readonly Migration[] = [
  function createCollections(database) {
    for (const name of FIRST_COLLECTIONS) createCollection(database, name)
    database.exec('CREATE TABLE "storeRevision" ("value" INTEGER NOT NULL)')
    database.exec('INSERT INTO "storeRevision" VALUES (0)')
  },
]

/** Keys compare by their UTF-8 bytes: SQLite's BINARY collation. */
function createCollection(database: DatabaseSync, name: string): void {
  database.exec(
    `CREATE TABLE "${name}" ("key" TEXT NOT NULL PRIMARY KEY COLLATE BINARY, "revision" INTEGER NOT NULL, "body" BLOB NOT NULL) WITHOUT ROWID`,
  )
}

/** Takes the missing steps in one transaction. Throws StoreTooNew, touching nothing, for data of a newer program. */
export function migrate(database: DatabaseSync, file: string, steps: readonly Migration[] = migrations): void {
  requireKnown(schemaVersionOf(database), file, steps)
  database.exec('BEGIN IMMEDIATE')
  try {
    // Read again inside the transaction: another process may have migrated in between.
    const taken = schemaVersionOf(database)
    requireKnown(taken, file, steps)
    for (const step of steps.slice(taken)) step(database)
    if (taken < steps.length) database.exec(`PRAGMA user_version = ${steps.length}`)
    database.exec('COMMIT')
  } catch (error) {
    database.exec('ROLLBACK')
    throw error
  }
}

function schemaVersionOf(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.user_version)
}

function requireKnown(taken: number, file: string, steps: readonly Migration[]): void {
  if (taken <= steps.length) return
  throw new StoreTooNew(
    `the data in ${file} has schema ${taken}, and this version of Keyhaven knows schemas up to ${steps.length}: run the newer Keyhaven that wrote it; nothing was changed`,
  )
}
