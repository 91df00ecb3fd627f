#!/usr/bin/env node
// Kept to syntax that every Node understands: its first duty is to say so when the Node is too old.
'use strict';

const needed =
  'kaniko-dev needs Node 22.22 or newer, or Node 24; this is Node ' + process.versions.node + '.';
const parts = process.versions.node.split('.').map(Number);
const fits = parts[0] >= 24 || (parts[0] === 22 && parts[1] >= 22);

if (!fits) {
  process.stderr.write(needed + '\n');
  process.exit(2);
}

import('../dist/cli.js').then(
  (cli) => cli.main(),
  (error) => {
    process.stderr.write(
      error.code === 'ERR_MODULE_NOT_FOUND' && String(error.message).includes('dist')
        ? 'kaniko-dev is not built: run `npm run build` in its folder.\n'
        : String(error.stack) + '\n',
    );
    process.exit(1);
  },
);
