import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import express, { type IRouter, type RequestHandler } from 'express'

const SITE = fileURLToPath(new URL('../../site/', import.meta.url))
/** The compiled scripts lie in `dist` whether this file is run from there or from its source. */
const SCRIPTS = fileURLToPath(new URL('../../dist/site/', import.meta.url))
const require = createRequire(import.meta.url)

/** The fleet page, a job's page, and what they load: all from here, nothing from another site. */
export function addPages(router: IRouter): void {
  const page: RequestHandler = (_req, res) =>
    res.sendFile(join(SITE, 'index.html'), { etag: false, cacheControl: false })
  router.get('/', page)
  router.get('/jobs/:id', page)
  router.use('/site', express.static(SCRIPTS, { index: false, etag: false, cacheControl: false }))
  for (const file of ['style.css', 'icon.svg']) {
    router.get(`/site/${file}`, (_req, res) => res.sendFile(join(SITE, file), { etag: false, cacheControl: false }))
  }
  const vendor: Readonly<Record<string, string>> = {
    'preact.js': join(dirname(require.resolve('htm/preact')), 'standalone.module.js'),
    'uplot.js': join(dirname(require.resolve('uplot')), 'uPlot.esm.js'),
    'uplot.css': join(dirname(require.resolve('uplot')), 'uPlot.min.css'),
  }
  for (const [name, file] of Object.entries(vendor)) {
    router.get(`/site/vendor/${name}`, (_req, res) =>
      res.sendFile(file, { etag: false, cacheControl: false, dotfiles: 'allow' }),
    )
  }
}
