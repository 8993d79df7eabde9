export { startApi, type ApiDeps, type ApiService } from './server.js'
