/** Projects that need neither cluster nor registry, in temporary directories. */
import { chmod, copyFile, mkdir, symlink } from 'node:fs/promises';
import { Project } from './project.ts';
import { localTools } from './tools.ts';

/** The sample of the demo. */
export async function siteProject(): Promise<Project> {
  const project = await Project.fromTemplate('local', {});
  await copyBusybox(project, 'site/bin');
  return project;
}

/** How a Dockerfile gets a shell: `/bin/sh`, and every other program as `busybox NAME`. */
export const shell = 'FROM scratch\nENV PATH=/bin\nCOPY bin /bin\n';

export const boxImage = '.kaniko-dev/images/box';

/** One target, `box`, with this Dockerfile and these files; `config` is further configuration. */
export async function boxProject(
  dockerfile: string,
  files: Readonly<Record<string, string>> = {},
  config = '',
): Promise<Project> {
  const project = await Project.empty();
  await project.write(
    'kaniko.config.yaml',
    `runner:\n  type: local\ntargets:\n  box:\n    context: box\n    image: localhost/box\n${config}`,
  );
  await project.write('box/Dockerfile', dockerfile);
  for (const [name, content] of Object.entries(files)) await project.write(`box/${name}`, content);
  await copyBusybox(project, 'box/bin');
  await symlink('busybox', project.path('box/bin/sh'));
  return project;
}

async function copyBusybox(project: Project, directory: string): Promise<void> {
  const place = project.path(`${directory}/busybox`);
  await mkdir(project.path(directory), { recursive: true });
  await copyFile((await localTools()).busybox, place);
  await chmod(place, 0o755);
}
