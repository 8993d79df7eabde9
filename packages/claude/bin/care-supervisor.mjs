#!/usr/bin/env node
import '../dist/care/main.js'
