// Fills a folder with the files of an image.

import { chmod, chown, copyFile, cp, mkdir, realpath, symlink, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { addgroup, adduser } from './accounts.ts';
import { executorDir } from './cache.ts';
import { run } from './command.ts';
import { findProgram } from './packages.ts';

export type Root = (folder: string) => Promise<void>;

const caBundle = '/etc/ssl/certs/ca-certificates.crt';

export const pauseRoot: Root = async (root) => {
  await put(await busybox(), join(root, 'busybox'), 0o755);
};

export const noShellRoot: Root = async (root) => {
  await put(join(executorDir, 'executor'), join(root, 'kaniko/executor'), 0o755);
  await put(join(executorDir, 'warmer'), join(root, 'kaniko/warmer'), 0o755);
  await put(caBundle, join(root, 'kaniko/ssl/certs/ca-certificates.crt'), 0o644);
  await mkdir(join(root, 'kaniko/.docker'));
  await mkdir(join(root, 'workspace'));
  await text(join(root, 'etc/nsswitch.conf'), 'hosts: files dns\n');
  // busybox acts by its file's name: this one can only sleep.
  await put(await busybox(), join(root, 'hold/sleep'), 0o755);
};

export const runnerRoot: Root = async (root) => {
  await put(join(executorDir, 'executor'), join(root, 'kaniko/executor'), 0o755);
  await put(join(executorDir, 'warmer'), join(root, 'kaniko/warmer'), 0o755);
  await put(caBundle, join(root, 'kaniko/ssl/certs/ca-certificates.crt'), 0o644);
  await mkdir(join(root, 'kaniko/.docker'));
  await mkdir(join(root, 'workspace'));
  await text(join(root, 'etc/nsswitch.conf'), 'hosts: files dns\n');
  await applets(join(root, 'busybox'));
  await mkdir(join(root, 'bin'));
  await symlink('/busybox/sh', join(root, 'bin/sh'));
};

export const busyboxRoot: Root = async (root) => {
  await applets(join(root, 'bin'));
  await commonFiles(root, []);
};

/**
 * Looks like node:20-alpine to a Dockerfile: this machine's own Node with the libraries it names,
 * npm, certificates and busybox, and Alpine's spelling of addgroup and adduser.
 */
export const nodeRoot: Root = async (root) => {
  await applets(join(root, 'bin'));
  await commonFiles(root, [{ name: 'node', id: 1000 }]);
  await mkdir(join(root, 'usr/bin'), { recursive: true });
  await symlink('/bin/env', join(root, 'usr/bin/env'));

  const node = await machineNode();
  await put(node, join(root, 'usr/local/bin/node'), 0o755);
  for (const library of await librariesOf(node)) await put(library, join(root, library), 0o755);

  const modules = join(dirname(node), '../lib/node_modules/npm');
  await cp(modules, join(root, 'usr/local/lib/node_modules/npm'), { recursive: true, dereference: true });
  for (const name of ['npm', 'npx']) {
    await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, join(root, 'usr/local/bin', name));
  }

  await put(caBundle, join(root, 'etc/ssl/certs/ca-certificates.crt'), 0o644);
  await text(join(root, 'usr/sbin/addgroup'), addgroup, 0o755);
  await text(join(root, 'usr/sbin/adduser'), adduser, 0o755);
  await mkdir(join(root, 'home/node'), { recursive: true });
  await chown(join(root, 'home/node'), 1000, 1000);
};

async function busybox(): Promise<string> {
  const found = await findProgram('busybox');
  if (found === undefined) throw new Error('busybox is not installed (package busybox-static)');
  return found;
}

/** Symlinks, because hard links came back from kaniko's layer cache without /bin/sh. */
async function applets(folder: string): Promise<void> {
  const program = await busybox();
  await put(program, join(folder, 'busybox'), 0o755);
  for (const name of (await run([program, '--list'])).trim().split('\n')) {
    if (name !== 'busybox') await symlink('busybox', join(folder, name));
  }
}

type Account = { readonly name: string; readonly id: number };

async function commonFiles(root: string, accounts: readonly Account[]): Promise<void> {
  const users = accounts.map(({ name, id }) => `${name}:x:${id}:${id}:${name}:/home/${name}:/bin/sh\n`);
  const groups = accounts.map(({ name, id }) => `${name}:x:${id}:\n`);
  const root0 = 'root:x:0:0:root:/root:/bin/sh\n';
  const nobody = 'nobody:x:65534:65534:nobody:/:/bin/false\n';
  await text(join(root, 'etc/passwd'), `${root0}${users.join('')}${nobody}`);
  await text(join(root, 'etc/group'), `root:x:0:\n${groups.join('')}nogroup:x:65533:\nnobody:x:65534:\n`);
  await mkdir(join(root, 'root'), { mode: 0o700 });
  await mkdir(join(root, 'var/tmp'), { recursive: true });
  await mkdir(join(root, 'tmp'));
  for (const folder of ['tmp', 'var/tmp']) await chmod(join(root, folder), 0o1777);
}

/** The Node of the machine, preferred to one that a package script put first on the PATH. */
async function machineNode(): Promise<string> {
  const folders = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => !folder.includes('node_modules'));
  for (const folder of folders) {
    const candidate = await realpath(join(folder, 'node')).catch(() => undefined);
    if (candidate !== undefined) return candidate;
  }
  return realpath(process.execPath);
}

async function librariesOf(program: string): Promise<string[]> {
  const listed = (await run(['ldd', program])).matchAll(/(?:=> )?(\/\S+) \(0x/g);
  const libraries = [...listed].map((match) => match[1] as string);
  const libc = libraries.find((path) => /\/libc\.so/.test(path));
  // Loaded by name only when a host name is looked up, so ldd does not know of it.
  if (libc !== undefined) libraries.push(join(dirname(libc), 'libnss_dns.so.2'));
  return libraries;
}

async function put(source: string, target: string, mode: number): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await copyFile(source, target);
  await chmod(target, mode);
}

async function text(target: string, content: string, mode = 0o644): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, content);
  await chmod(target, mode);
}
