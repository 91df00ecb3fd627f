// The Debian packages the cluster's programs come from.

import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { spawn } from 'node:child_process';
import { say, step } from './progress.ts';

/** package → a file or a program that shows it is installed */
const needed: Readonly<Record<string, string>> = {
  'etcd-server': 'etcd',
  containerd: 'containerd-shim-runc-v2',
  runc: 'runc',
  'containernetworking-plugins': '/usr/lib/cni/bridge',
  'docker-registry': 'docker-registry',
  'busybox-static': 'busybox',
  iptables: 'iptables',
  iproute2: 'ip',
  openssl: 'openssl',
  'ca-certificates': '/etc/ssl/certs/ca-certificates.crt',
};

export async function findProgram(name: string): Promise<string | undefined> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).concat('/usr/sbin', '/sbin');
  for (const folder of folders) {
    const candidate = join(folder, name);
    if (await exists(candidate)) return candidate;
  }
  return undefined;
}

export async function installPackages(): Promise<void> {
  const missing: string[] = [];
  for (const [name, sign] of Object.entries(needed)) {
    const found = sign.startsWith('/') ? await exists(sign) : (await findProgram(sign)) !== undefined;
    if (!found) missing.push(name);
  }
  if (missing.length === 0) return;
  say(`  first start only: installing ${missing.join(', ')} with apt-get`);
  await step('packages', async () => {
    await aptGet(['update']);
    await aptGet(['install', '--yes', '--no-install-recommends', ...missing]);
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function aptGet(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    // apt's own lines are the progress; they go to stderr like all of ours.
    const child = spawn('apt-get', ['-q', ...args], {
      stdio: ['ignore', 2, 2],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`apt-get ${args.join(' ')} ended with ${code ?? 'a signal'}`));
    });
  });
}
