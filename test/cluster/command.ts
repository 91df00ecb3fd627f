// Runs a program with an argv array and answers its output, or throws with its stderr.

import { spawn } from 'node:child_process';

export type RunOptions = {
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
};

export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;

  constructor(argv: readonly string[], code: number | null, stdout: string, stderr: string) {
    super(
      `${argv.join(' ')} ended with ${code ?? 'a signal'}: ${stderr.trim() || stdout.trim() || 'no output'}`,
    );
    this.code = code;
    this.stdout = stdout;
    this.stderr = stderr;
  }
}

export async function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  return (await runBinary(argv, options)).toString('utf8');
}

export function runBinary(argv: readonly string[], options: RunOptions = {}): Promise<Buffer> {
  const [program, ...args] = argv;
  if (program === undefined) throw new Error('an empty command line');
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: options.cwd, env: options.env ?? process.env });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.once('error', reject);
    child.once('close', (code) => {
      const output = Buffer.concat(stdout);
      if (code === 0) resolve(output);
      else
        reject(new CommandError(argv, code, output.toString('utf8'), Buffer.concat(stderr).toString('utf8')));
    });
    // A program that ends without reading its input is judged by its exit code, not by EPIPE.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input);
  });
}

/** True when the program succeeds: for questions such as "is this there?". */
export async function succeeds(argv: readonly string[]): Promise<boolean> {
  try {
    await run(argv);
    return true;
  } catch {
    return false;
  }
}
