const slocket = require('slocket')
const { isSlocketError, locks } = slocket
const { etcd } = require('slocket/etcd')
const { postgres } = require('slocket/postgres')
const lockfile = require('slocket/proper-lockfile')
const { rmSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')
