/** The sample that needs neither cluster nor registry, in a temporary directory. */
import { chmod, copyFile, mkdir } from 'node:fs/promises';
import { Project } from './project.ts';
import { localTools } from './tools.ts';

export async function siteProject(): Promise<Project> {
  const project = await Project.fromTemplate('local', {});
  await mkdir(project.path('site/bin'), { recursive: true });
  await copyFile((await localTools()).busybox, project.path('site/bin/busybox'));
  await chmod(project.path('site/bin/busybox'), 0o755);
  return project;
}
