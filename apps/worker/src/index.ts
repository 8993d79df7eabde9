export { startWorker, type WorkerDeps, type WorkerService } from './worker.js'
