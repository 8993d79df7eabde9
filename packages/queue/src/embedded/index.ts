export { startEmbeddedRedis, type EmbeddedRedis, type EmbeddedRedisOptions } from './redis.js'
