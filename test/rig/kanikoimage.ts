/** A stand-in for kaniko's debug image, made of this machine's own tools. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { writeArchive } from '../cluster/archive.ts';
import { localTools } from './tools.ts';

export const kanikoImage = 'kaniko-dev.test/executor:debug';

/** Fills the directory with what the image holds and writes it as an archive for `docker load`. */
export async function writeKanikoImage(directory: string, archive: string): Promise<void> {
  const { executor, busybox, certificates } = await localTools();
  const put = async (from: string, name: string): Promise<void> => {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await copyFile(from, join(directory, name));
  };
  await put(executor, 'kaniko/executor');
  await put(certificates, 'kaniko/ssl/certs/ca-certificates.crt');
  await put(busybox, 'busybox/busybox');
  const { stdout } = await promisify(execFile)(busybox, ['--list']);
  for (const name of stdout.trim().split('\n'))
    if (name !== 'busybox') await symlink('busybox', join(directory, 'busybox', name));
  for (const name of ['bin', 'etc', 'workspace', 'kaniko/.docker'])
    await mkdir(join(directory, name), { recursive: true });
  await symlink('/busybox/sh', join(directory, 'bin/sh'));
  await writeFile(join(directory, 'etc/nsswitch.conf'), 'hosts: files dns\n');
  await writeArchive(archive, kanikoImage, directory, {
    Env: [
      'PATH=/usr/local/bin:/kaniko:/busybox',
      'HOME=/root',
      'USER=root',
      'SSL_CERT_DIR=/kaniko/ssl/certs',
      'DOCKER_CONFIG=/kaniko/.docker/',
    ],
    Entrypoint: ['/kaniko/executor'],
    WorkingDir: '/workspace',
    Volumes: { '/busybox': {} },
  });
}
