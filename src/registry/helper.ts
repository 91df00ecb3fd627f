/** Runs a docker credential helper: argv, never a shell; its input on standard input. */
import { spawn } from 'node:child_process';
import type { HelperRunner } from './credentials.ts';

export const runHelper: HelperRunner = async (command, argv, input) => {
  const child = spawn(command, [...argv], { stdio: ['pipe', 'pipe', 'ignore'], timeout: 10_000 });
  const output: Buffer[] = [];
  child.stdout.on('data', (data: Buffer) => output.push(data));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({ exitCode: code ?? 1, stdout: Buffer.concat(output).toString('utf8') }),
    );
  });
};
