// The network namespace, its link to the host and, only on request, its way out.

import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { netnsFile, paths, type Layout } from './addresses.ts';
import { run, succeeds } from './command.ts';

const forwarding = '/proc/sys/net/ipv4/ip_forward';

const inside = (layout: Layout, ...argv: string[]) => run(['nsenter', `--net=${netnsFile(layout)}`, ...argv]);

export async function createNetwork(layout: Layout): Promise<void> {
  await run(['ip', 'netns', 'add', layout.name]);
  await run([
    'ip',
    'link',
    'add',
    layout.hostLink,
    'type',
    'veth',
    'peer',
    'name',
    layout.nodeLink,
    'netns',
    layout.name,
  ]);
  await run(['ip', 'address', 'add', `${layout.hostIp}/30`, 'dev', layout.hostLink]);
  await run(['ip', 'link', 'set', layout.hostLink, 'up']);
  await inside(layout, 'ip', 'link', 'set', 'lo', 'up');
  await inside(layout, 'ip', 'address', 'add', `${layout.nodeIp}/30`, 'dev', layout.nodeLink);
  await inside(layout, 'ip', 'link', 'set', layout.nodeLink, 'up');
  // Nothing leaves the machine, and what tries learns it at once instead of by a timeout.
  await inside(layout, 'ip', 'route', 'add', 'unreachable', 'default');
  await run(['ip', 'route', 'add', layout.podRange, 'via', layout.nodeIp]);
  // The one service that needs no kube-proxy: the API server, for clients that run in a pod.
  await inside(
    layout,
    'iptables',
    '--wait',
    '--table',
    'nat',
    '--append',
    'PREROUTING',
    '--destination',
    layout.serviceIp,
    '--protocol',
    'tcp',
    '--dport',
    '443',
    '--jump',
    'DNAT',
    '--to-destination',
    `${layout.nodeIp}:6443`,
  );
}

const masquerade = (layout: Layout, action: '--append' | '--delete' | '--check') => [
  'iptables',
  '--wait',
  '--table',
  'nat',
  action,
  'POSTROUTING',
  '--source',
  layout.range,
  '!',
  '--destination',
  '198.18.0.0/15',
  '--jump',
  'MASQUERADE',
];

// What ip_forward was before a cluster opened its way out: a file in /run for each cluster, so that
// the value survives this program, is forgotten at a reboot like the setting, and the last one to
// close restores it.
const forwardingFile = (layout: Layout) => `/run/kaniko-dev-cluster-${layout.number}.ip_forward`;

async function forwardingFilesOfOthers(layout: Layout): Promise<string[]> {
  const files = (await readdir('/run')).filter((name) => /^kaniko-dev-cluster-\d+\.ip_forward$/.test(name));
  return files.map((name) => join('/run', name)).filter((path) => path !== forwardingFile(layout));
}

/** Lets pods reach the outside, as a build that runs `npm ci` wants. */
export async function openOutside(layout: Layout): Promise<void> {
  if (!(await succeeds(masquerade(layout, '--check')))) {
    const [other] = await forwardingFilesOfOthers(layout);
    await copyFile(other ?? forwarding, forwardingFile(layout));
    await writeFile(forwarding, '1');
    await run(masquerade(layout, '--append'));
  }
  await inside(layout, 'ip', 'route', 'del', 'unreachable', 'default').catch(() => undefined);
  await inside(layout, 'ip', 'route', 'replace', 'default', 'via', layout.hostIp);
  // Read by kubelet for every pod it starts from now on.
  await copyFile('/etc/resolv.conf', join(paths.config(layout), 'resolv.conf'));
}

export async function closeOutside(layout: Layout): Promise<void> {
  while (await succeeds(masquerade(layout, '--check'))) await run(masquerade(layout, '--delete'));
  const before = await readFile(forwardingFile(layout), 'utf8').catch(() => undefined);
  if (before === undefined) return;
  if ((await forwardingFilesOfOthers(layout)).length === 0) await writeFile(forwarding, before);
  await rm(forwardingFile(layout));
}

export async function removeNetwork(layout: Layout): Promise<void> {
  // The namespace takes its end of the link with it, that end the other, and that the routes;
  // a start that was cut off may have left any of them alone.
  const namespaces = await run(['ip', 'netns', 'list']);
  if (namespaces.split('\n').some((line) => line.split(' ')[0] === layout.name)) {
    await run(['ip', 'netns', 'delete', layout.name]);
  }
  await run(['ip', 'link', 'delete', layout.hostLink]).catch(() => undefined);
}
