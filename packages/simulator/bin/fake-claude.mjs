#!/usr/bin/env node
// Committed, because a bin inside dist is not linked on a fresh clone: dist does not exist yet when pnpm links.
import '../dist/fake/main.js'
