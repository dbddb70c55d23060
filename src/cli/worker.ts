import { runWorker } from './workers.ts'

await runWorker()
