// On somebody's own cluster there are no users made for tests: the administrator acts as them.

import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

type Kubeconfig = {
  users: { name: string; user: Record<string, unknown> }[];
  contexts: { name: string; context: Record<string, unknown> }[];
};

export async function impersonate(
  kubectl: (args: readonly string[]) => Promise<string>,
  user: string,
  groups: readonly string[],
): Promise<string> {
  const config = JSON.parse(
    await kubectl(['config', 'view', '--raw', '--minify', '--flatten', '--output=json']),
  ) as Kubeconfig;
  for (const entry of config.users) {
    entry.user['as'] = user;
    entry.user['as-groups'] = groups;
  }
  for (const entry of config.contexts) entry.context['namespace'] = 'moltbook';
  const folder = await mkdtemp(join(tmpdir(), 'kaniko-dev-kubeconfig-'));
  // It holds the administrator's credentials, as only the act differs.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, `${user}.kubeconfig`);
  await writeFile(path, JSON.stringify(config), { mode: 0o600 });
  return path;
}
