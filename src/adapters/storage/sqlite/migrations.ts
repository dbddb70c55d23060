/**
 * The schema, step by step; `user_version` tells how many were taken. A step is never changed once it was released:
 * data folders in the world have taken it as it was.
 */
import type { DatabaseSync } from 'node:sqlite'
import { StoreTooNew } from '../../../ports/store.ts'

export type Migration = (database: DatabaseSync) => void

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
    database.exec('CREATE TABLE "storeRevision" ("value" INTEGER NOT NULL) STRICT')
    database.exec('INSERT INTO "storeRevision" VALUES (0)')
  },
]

/** Text under the BINARY collation compares by its UTF-8 bytes. */
function createCollection(database: DatabaseSync, name: string): void {
  database.exec(
    `CREATE TABLE "${name}" ("key" TEXT NOT NULL PRIMARY KEY COLLATE BINARY, "revision" INTEGER NOT NULL, "body" BLOB NOT NULL) WITHOUT ROWID, STRICT`,
  )
}

/** Takes the missing steps in one transaction. Throws StoreTooNew, changing nothing, for data of a newer program. */
export function migrate(database: DatabaseSync, file: string, steps: readonly Migration[] = migrations): void {
  if (stepsTakenBy(database, file, steps) === steps.length) return
  database.exec('BEGIN IMMEDIATE')
  try {
    // Counted again inside the transaction: another process may have migrated in between.
    for (const step of steps.slice(stepsTakenBy(database, file, steps))) step(database)
    database.exec(`PRAGMA user_version = ${steps.length}`)
    database.exec('COMMIT')
  } finally {
    if (database.isTransaction) database.exec('ROLLBACK')
  }
}

/** Throws StoreTooNew where it is more than this program knows. */
export function stepsTakenBy(database: DatabaseSync, file: string, steps: readonly Migration[] = migrations): number {
  const taken = Number(database.prepare('PRAGMA user_version').get()?.user_version)
  if (taken > steps.length) {
    throw new StoreTooNew(
      `the data in ${file} has schema ${taken} and this version of Keyhaven knows schemas up to ${steps.length}: run the newer version that wrote it, nothing was changed`,
    )
  }
  return taken
}
