/** `npm run bench [name…]`: every benchmark, or the named ones; each prints a table. */
import { largeBench } from './large.ts';
import { localEdit } from './local-edit.ts';
import type { Print, Row } from './row.ts';
import { scanBench } from './scan.ts';
import { syncBench } from './sync.ts';

const benchmarks: Readonly<Record<string, (print: Print) => Promise<void>>> = {
  scan: scanBench,
  large: largeBench,
  sync: syncBench,
  'local-edit': localEdit,
};

const names = process.argv.slice(2);
const unknown = names.filter((name) => !(name in benchmarks));
if (unknown.length > 0) {
  const known = Object.keys(benchmarks).join(', ');
  process.stderr.write(`there is no benchmark ${unknown.join(', ')}, only ${known}\n`);
  process.exitCode = 2;
} else {
  for (const [name, run] of Object.entries(benchmarks)) {
    if (names.length > 0 && !names.includes(name)) continue;
    const rows: Row[] = [];
    await run((row) => rows.push(row));
    show(name, rows);
  }
  // Handles of third-party clients must not keep the process.
  process.exit();
}

function show(name: string, rows: readonly Row[]): void {
  const cells = [
    [name, 'value', 'reference', 'wanted'],
    ...rows.map(({ what, value, reference = '', wanted = '' }) => [what, value, reference, wanted]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  for (const row of cells) {
    const line = row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
    process.stdout.write(`${line.trimEnd()}\n`);
  }
  process.stdout.write('\n');
}
