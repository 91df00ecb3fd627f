// Keys and certificates, made anew at every start.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { paths, type Layout } from './addresses.ts';
import { run } from './command.ts';

export type Tokens = Readonly<Record<'admin' | 'kubelet' | 'developer' | 'nobody', string>>;

export async function makeCertificates(layout: Layout): Promise<Tokens> {
  const folder = paths.certificates(layout);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await writeFile(join(folder, 'service-account.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }), {
    mode: 0o600,
  });

  await makeAuthority(folder, 'ca');
  await issue(folder, 'ca', 'apiserver', '/CN=kube-apiserver', [
    `subjectAltName=IP:${layout.nodeIp},IP:127.0.0.1,IP:${layout.serviceIp},DNS:kubernetes.default.svc`,
  ]);
  await issue(folder, 'ca', 'kubelet-client', '/O=system:masters/CN=kube-apiserver-kubelet-client', [
    'extendedKeyUsage=clientAuth',
  ]);

  // An authority of its own: that nothing else trusts it is what the certificate tests are about.
  await makeAuthority(folder, 'registry-ca');
  await issue(folder, 'registry-ca', 'registry', '/CN=registry', [`subjectAltName=IP:${layout.nodeIp}`]);
  await copyFile(join(folder, 'registry-ca.crt'), paths.registryCa(layout));

  const tokens: Tokens = {
    admin: newToken(),
    kubelet: newToken(),
    developer: newToken(),
    nobody: newToken(),
  };
  await writeFile(join(folder, 'tokens.csv'), tokenTable(layout, tokens), { mode: 0o600 });
  return tokens;
}

function tokenTable(layout: Layout, tokens: Tokens): string {
  return [
    `${tokens.admin},admin,admin,"system:masters"`,
    `${tokens.kubelet},system:node:${layout.name},kubelet,"system:nodes"`,
    `${tokens.developer},developer,developer,"developers"`,
    `${tokens.nobody},nobody-dev,nobody-dev`,
    '',
  ].join('\n');
}

const newToken = (): string => randomBytes(16).toString('hex');

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '3650'];

async function makeAuthority(folder: string, name: string): Promise<void> {
  await run([
    'openssl',
    'req',
    '-x509',
    ...newKey,
    '-subj',
    `/CN=kaniko-dev test ${name}`,
    '-keyout',
    join(folder, `${name}.key`),
    '-out',
    join(folder, `${name}.crt`),
  ]);
}

async function issue(
  folder: string,
  authority: string,
  name: string,
  subject: string,
  extensions: readonly string[],
): Promise<void> {
  await run([
    'openssl',
    'req',
    '-x509',
    ...newKey,
    '-subj',
    subject,
    '-CA',
    join(folder, `${authority}.crt`),
    '-CAkey',
    join(folder, `${authority}.key`),
    '-keyout',
    join(folder, `${name}.key`),
    '-out',
    join(folder, `${name}.crt`),
    ...['basicConstraints=critical,CA:FALSE', ...extensions].flatMap((extension) => ['-addext', extension]),
  ]);
}
