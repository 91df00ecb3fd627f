// The kubeconfig files: one for the tests' own hands, two for the people they play.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { paths, type Layout } from './addresses.ts';
import type { Tokens } from './certificates.ts';

export async function writeKubeconfigs(layout: Layout, tokens: Tokens): Promise<void> {
  const authority = await readFile(join(paths.certificates(layout), 'ca.crt'));
  const write = (path: string, user: string, token: string, namespace: string) =>
    writeFile(path, `${JSON.stringify(kubeconfig(layout, authority, user, token, namespace), null, 2)}\n`, {
      mode: 0o600,
    });

  await write(paths.adminKubeconfig(layout), 'admin', tokens.admin, 'default');
  // No rights until a test binds the Role that the project prints.
  await write(paths.developerKubeconfig(layout), 'developer', tokens.developer, 'moltbook');
  // No rights ever.
  await write(paths.nobodyKubeconfig(layout), 'nobody-dev', tokens.nobody, 'moltbook');
  await write(
    join(paths.certificates(layout), 'kubelet.kubeconfig'),
    `system:node:${layout.name}`,
    tokens.kubelet,
    'default',
  );
}

/** JSON is YAML; a file without any quoting question. */
function kubeconfig(layout: Layout, authority: Buffer, user: string, token: string, namespace: string) {
  const context = `${user}@${layout.name}`;
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: layout.name,
        cluster: { server: layout.apiServer, 'certificate-authority-data': authority.toString('base64') },
      },
    ],
    users: [{ name: user, user: { token } }],
    contexts: [{ name: context, context: { cluster: layout.name, user, namespace } }],
    'current-context': context,
  };
}
