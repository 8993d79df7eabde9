export { startBoard, type BoardDeps, type BoardService } from './server.js'
