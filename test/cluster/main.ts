// npm run cluster -- up | down | status | env, and `run -- COMMAND`.

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { clusterNumber, layoutOf, lockFile, usersFile, type Layout } from './addresses.ts';
import { openCache } from './cache.ts';
import { clean, hasTraces } from './clean.ts';
import { environmentOf, exportLines } from './environment.ts';
import { isUsed, whileUsing, withLock } from './lock.ts';
import { isAlive, recorded } from './processes.ts';
import { Interrupted, say } from './progress.ts';
import { isUp, up } from './up.ts';

const help = `A real Kubernetes for tests, in one network namespace of this machine.

  npm run cluster -- up [--outside]   start it; the first start compiles Kubernetes and kaniko and takes
                                      several minutes, later ones about 15 s
  npm run cluster -- down             end its processes and remove every trace
  npm run cluster -- status           what runs (exit code 1 when it is not up)
  npm run cluster -- env [--json]     the environment of the tests: eval "$(npm run -s cluster -- env)"
  tsx test/cluster/main.ts run -- COMMAND…
                                      run COMMAND in that environment; starts the cluster if it is not up,
                                      and then also stops it afterwards

  --outside   let pods reach the outside (IP forwarding and one masquerade rule, both undone by down).
              Without it nothing leaves the machine.

  KANIKO_DEV_CLUSTER=<n>   another cluster beside number 0 (0 to 63): own namespace, addresses and state
  TEST_KUBECONFIG          \`run\` uses that cluster instead (kind, k3d, a real one), with the registry
                           TEST_REGISTRY that its nodes and this machine both reach

  The cluster pulls nothing from outside: image names of every other registry, ghcr.io among them, are
  looked up in the plain one. What was pushed to 198.18.0.2:5000/ardenone/moltbook-api runs in a pod as
  ghcr.io/ardenone/moltbook-api too.

  Logs of the processes: /var/tmp/kaniko-dev-cluster-<n>/logs/
`;

async function main(args: readonly string[]): Promise<number> {
  const [verb, ...rest] = args;
  if (
    verb === undefined ||
    verb === 'help' ||
    (verb !== 'run' && args.includes('--help')) ||
    args[1] === '--help' ||
    verb === '-h'
  ) {
    process.stdout.write(help);
    return verb === undefined ? 2 : 0;
  }
  const layout = layoutOf(clusterNumber());
  switch (verb) {
    case 'up':
      allow(rest, ['--outside']);
      await up(layout, { outside: rest.includes('--outside') });
      return 0;
    case 'down':
      allow(rest, []);
      return down(layout);
    case 'status':
      allow(rest, []);
      return status(layout);
    case 'env': {
      allow(rest, ['--json']);
      const cache = await openCache();
      const environment = environmentOf(layout, cache);
      if (!(await isUp(layout, cache)))
        say(`cluster ${layout.number} is not up; start it with: npm run cluster -- up`);
      process.stdout.write(
        rest.includes('--json') ? `${JSON.stringify(environment, null, 2)}\n` : exportLines(environment),
      );
      return 0;
    }
    case 'run':
      return runCommand(layout, rest[0] === '--' ? rest.slice(1) : rest);
    default:
      throw new Error(`unknown command "${verb}"; see --help`);
  }
}

function allow(given: readonly string[], known: readonly string[]): void {
  const unknown = given.find((argument) => !known.includes(argument));
  if (unknown !== undefined) throw new Error(`unknown argument "${unknown}"; see --help`);
}

async function down(layout: Layout): Promise<number> {
  return withLock(lockFile(layout), `another start or stop of cluster ${layout.number}`, async () => {
    const there = await hasTraces(layout);
    await clean(layout);
    say(there ? `Cluster ${layout.number} is down` : `Cluster ${layout.number} was not up`);
    return 0;
  });
}

async function status(layout: Layout): Promise<number> {
  for (const record of await recorded(layout)) {
    const state = (await isAlive(record)) ? 'running' : 'ended';
    process.stdout.write(`${record.name.padEnd(26)} ${state.padEnd(8)} pid ${record.pid}\n`);
  }
  const good = await isUp(layout, await openCache());
  process.stdout.write(`Cluster ${layout.number} is ${good ? `up at ${layout.apiServer}` : 'not up'}\n`);
  return good ? 0 : 1;
}

async function runCommand(layout: Layout, argv: readonly string[]): Promise<number> {
  if (argv.length === 0) throw new Error('run needs a command: run -- COMMAND…');
  const own = environmentOf(layout, await openCache());
  const given = process.env['TEST_KUBECONFIG'];
  // After `eval "$(… env)"` the variable names this very cluster, which may have to be started.
  if (given !== undefined && given !== own['TEST_KUBECONFIG']) return command(argv, process.env);
  let startedHere = false;
  try {
    return await whileUsing(usersFile(layout), async () => {
      startedHere = await up(layout, { outside: false });
      return command(argv, { ...process.env, ...own });
    });
  } finally {
    if (startedHere && (await isUsed(usersFile(layout)))) say('Another run uses the cluster: it stays up');
    else if (startedHere) await down(layout);
  }
}

function command(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [program = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    // As in a package script: the command may name the project's own programs, such as tsx.
    const search = `${join(import.meta.dirname, '../../node_modules/.bin')}${delimiter}${env['PATH'] ?? ''}`;
    const child = spawn(program, args, { stdio: 'inherit', env: { ...env, PATH: search } });
    // The terminal sends Ctrl-C to both; we wait for the command and then take the cluster down.
    const forward = (signal: NodeJS.Signals) => child.kill(signal);
    const ignore = () => undefined;
    process.on('SIGINT', ignore).on('SIGTERM', forward);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      process.off('SIGINT', ignore).off('SIGTERM', forward);
      resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']);
    });
  });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  say(`cluster: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = error instanceof Interrupted ? 130 : 1;
}
