import { join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import { openSandbox } from '../../src/runner/local/sandbox.ts';
import { runnerContract } from '../rig/contract.ts';
import { Project } from '../rig/project.ts';
import { localTools } from '../rig/tools.ts';

runnerContract('sandbox', async () => {
  const tools = await localTools();
  const project = await Project.empty();
  const own = project.path('.kaniko-dev');
  return {
    open: async (holder) =>
      openSandbox(tools, systemClock, {
        state: join(own, 'local'),
        images: join(own, 'images'),
        cache: join(own, 'cache'),
        rootless: false,
        dockerConfig: undefined,
        platform: process.platform,
        holder,
      }),
    tearDown: async () => project[Symbol.asyncDispose](),
  };
});
