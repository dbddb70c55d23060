import { describeStoreContract } from '../../../../tests/contract/store.ts'
import { createMemoryStore } from './memory-store.ts'

describeStoreContract('the memory store', async () => createMemoryStore())
