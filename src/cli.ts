/** The command line: arguments, signals and the exit code. The only user of `process`. */
import { readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { Command, CommanderError } from 'commander';
import { configCommand } from './commands/config.ts';
import { once } from './commands/once.ts';
import type { SessionInput } from './commands/session.ts';
import { sync } from './commands/sync.ts';
import { watch } from './commands/watch.ts';
import type { Emit } from './event.ts';
import { keepSmall } from './memory.ts';
import { createHost } from './node.ts';
import { jsonReporter } from './report/jsonl.ts';
import { listenForKeys } from './report/keys.ts';
import { terminalReporter } from './report/terminal.ts';
import { type ExitCode, type Failure, exitCodes, failureExits } from './result.ts';

interface GlobalOptions {
  readonly config?: string;
  readonly context?: string;
  readonly kubeconfig?: string;
  readonly namespace?: string;
}

interface RunOptions extends GlobalOptions {
  readonly target: readonly string[];
  readonly json?: boolean;
  readonly verbose?: boolean;
  readonly local?: boolean;
  readonly push?: boolean;
  readonly tar?: string;
  readonly verify?: boolean;
  readonly force?: boolean;
}

const exitCodeHelp = `
Exit codes:
  0  fine                       4  sync failed
  1  a bug in kaniko-dev        5  the build failed
  2  usage or configuration     6  registry or push
  3  cluster or runner          7  roll-out
     unreachable, not permitted 130  interrupted
With several failures the first in target order decides.`;

export async function main(): Promise<void> {
  keepSmall();
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // Asked twice, it must not be the clean-up that holds the terminal.
      if (interrupt.signal.aborted) process.exit(exitCodes.interrupted);
      interrupt.abort();
    });
  }
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever read has left, as `head` does: nothing more is to be said.
    if (error.code === 'EPIPE') {
      interrupt.abort();
      return;
    }
    process.stderr.write(`the output cannot be written: ${error.message}\n`);
    process.exit(exitCodes.bug);
  });
  let exitCode: ExitCode = exitCodes.ok;
  const program = new Command('kaniko-dev')
    .description(
      'Keeps images built by an in-cluster kaniko, and the pods that run them, equal to your files.',
    )
    .version(packageVersion())
    .option('-c, --config <file>', 'configuration file (default: searched upward from here)')
    .option('--context <name>', 'context of the kubeconfig')
    .option('--kubeconfig <file>', 'kubeconfig file')
    .option('-n, --namespace <name>', 'namespace, in place of cluster.namespace')
    .exitOverride()
    .showHelpAfterError('(kaniko-dev --help shows what there is)')
    .addHelpText(
      'after',
      `
Examples:
  kaniko-dev watch                    build every target, then again after each save
  kaniko-dev watch frontend           only this one
  kaniko-dev once --target frontend   build, push and roll once
  kaniko-dev config                   show the configuration with its defaults
${exitCodeHelp}`,
    );

  const session = (
    name: string,
    description: string,
    run: (input: SessionInput, options: RunOptions) => Promise<ExitCode>,
  ): Command =>
    program
      .command(name)
      .description(description)
      .argument('[targets...]', 'names of targets (default: all)')
      .option('-t, --target <name>', 'a target; can be given several times', collect, [])
      .option('--local', 'build in a sandbox on this machine, without a cluster')
      .option('--push', 'push what a local runner builds')
      .option('--force', 'go on although most files of a context are gone')
      .option('--json', 'print events as JSON, one a line')
      .option('-v, --verbose', 'print the whole log of the executor')
      .addHelpText('after', exitCodeHelp)
      .action(async (targets: string[], _options: unknown, command: Command) => {
        const options: RunOptions = command.optsWithGlobals();
        exitCode = await run(
          {
            createHost,
            cwd: process.cwd(),
            env: process.env,
            file: options.config,
            overrides: {
              context: options.context,
              kubeconfig: options.kubeconfig,
              namespace: options.namespace,
              local: options.local,
              push: options.push,
            },
            archive: options.tar,
            force: options.force === true,
            system: {
              platform: process.platform,
              architecture: process.arch,
              root: process.getuid?.() === 0,
            },
            targets: [...targets, ...options.target],
            holder: `${userName()}@${hostname()}`,
            emit: reporter(options),
            signal: interrupt.signal,
          },
          options,
        );
      });
  session(
    'watch',
    'Brings targets up to date, and again after every change. Keys: q ends, r builds again, f goes on although most files are gone.',
    (input) =>
      watch({
        ...input,
        onControls: (controls) => listenForKeys(process.stdin, controls, () => interrupt.abort()),
      }),
  );
  session('once', 'Brings targets up to date once: sync, build, push, roll.', once).option(
    '--tar <file>',
    'with --local: write an archive for `docker load`',
  );

  session(
    'sync',
    'Makes the runner’s mirrors equal to your files; builds nothing.',
    async (input, { verify }) => sync({ ...input, verify: verify === true }),
  ).option('--verify', 'then read every entry of the mirrors again and compare it');

  program
    .command('config')
    .description('Prints the configuration that is in force, defaults included.')
    .option('--json', 'as JSON')
    .action(async (_options: unknown, command: Command) => {
      const options: GlobalOptions & { readonly json?: boolean } = command.optsWithGlobals();
      const shown = await configCommand(
        { cwd: process.cwd(), file: options.config, json: options.json === true },
        (text) => process.stdout.write(text),
      );
      if (!shown.ok) exitCode = report(shown.failure);
    });

  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  }
  // Handles that third-party clients keep open must not keep the process.
  process.exit(exitCode);
}

function reporter(options: RunOptions): Emit {
  const write = (text: string): void => {
    process.stdout.write(text);
  };
  if (options.json === true) return jsonReporter(write, Date.now);
  const color = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;
  return terminalReporter(write, { color, verbose: options.verbose === true });
}

function report({ code, message, remedy, detail = [] }: Failure): ExitCode {
  const lines = [`${code}: ${message}`, ...detail.map((text) => `  ${text}`), `→ ${remedy}`];
  process.stderr.write(`${lines.join('\n')}\n`);
  return failureExits[code];
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function packageVersion(): string {
  const file = new URL('../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A pod may run with a user id that no passwd file names.
    return `uid-${process.getuid?.() ?? '?'}`;
  }
}
